from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from mypt.errors import UserError
from mypt.settings.model_config import GPTConfig


def test_what_a_file_does_not_say_is_as_the_original_had_it() -> None:
    config = GPTConfig.from_dict({})
    assert config == GPTConfig()
    assert (config.head_bias, config.mlp_bias, config.norm_bias, config.tie_weights) == (
        True,
        True,
        True,
        False,
    )
    assert (config.pos_encoding, config.mlp_type, config.norm_type) == ("learned", "gelu", "layernorm")
    assert GPTConfig.from_dict({"device": None, "rope_theta": None}) == GPTConfig()


def test_a_new_model_has_biases_where_asked_for_only() -> None:
    for bias in (False, True):
        config = GPTConfig.for_new_model(bias=bias, n_layer=3)
        assert (config.bias, config.head_bias, config.mlp_bias, config.norm_bias) == (bias,) * 4
        assert config.n_layer == 3
    assert GPTConfig.for_new_model(head_bias=True).head_bias is True


def test_unknown_fields_are_kept_and_written_back_last() -> None:
    raw = {"surprise": [1, {"x": None}], "n_layer": 4, "pad_token_id": None}
    config = GPTConfig.from_dict(raw)
    written = config.to_dict()
    assert config.extra == {"surprise": [1, {"x": None}], "pad_token_id": None}
    assert list(written)[-2:] == ["surprise", "pad_token_id"]
    assert list(written)[:4] == ["batch_size", "block_size", "vocab_size", "n_embd"]
    assert GPTConfig.from_dict(json.loads(json.dumps(written))) == config


def test_fields_of_foreign_architectures_are_written_where_set() -> None:
    assert not {"n_kv_head", "mlp_hidden", "norm_eps", "activation"} & set(GPTConfig().to_dict())
    raw: dict[str, Any] = {
        "arch": "llama",
        "n_kv_head": 2,
        "mlp_hidden": 100,
        "norm_eps": 1e-5,
        "activation": "silu",
    }
    config = GPTConfig.from_dict(raw)
    assert (config.kv_heads, config.mlp_hidden, config.eps) == (2, 100, 1e-5)
    assert raw.items() <= config.to_dict().items()


@pytest.mark.parametrize(("n_embd", "hidden"), [(48, 128), (1280, 3456), (384, 1024), (24, 64)])
def test_swiglu_width_is_rounded_up_to_64(n_embd: int, hidden: int) -> None:
    assert GPTConfig(n_embd=n_embd, mlp_type="swiglu").mlp_hidden == hidden
    assert GPTConfig(n_embd=n_embd).mlp_hidden == 4 * n_embd


def test_all_wrong_types_are_told_at_once() -> None:
    raw = {
        "n_layer": "six",
        "n_head": 2.5,
        "dropout": True,
        "bias": 0,
        "device": 1,
        "vocab_size": True,
        "n_embd": 32,
    }
    with pytest.raises(UserError) as refused:
        GPTConfig.from_dict(raw, where="checkpoints/x/config.json")
    assert {p.field for p in refused.value.problems} == set(raw) - {"n_embd"}
    assert str(refused.value).count("checkpoints/x/config.json") == 6


def test_a_whole_number_is_a_number_unless_no_float_holds_it() -> None:
    assert GPTConfig.from_dict({"rope_theta": 500000}).rope_theta == 500000.0
    with pytest.raises(UserError, match="rope_theta"):
        GPTConfig.from_dict({"rope_theta": 10**400})


def test_a_replaced_default_causes_no_problem_of_its_own() -> None:
    with pytest.raises(UserError) as refused:
        GPTConfig.from_dict({"n_embd": "wide", "n_head": 5})
    assert [p.field for p in refused.value.problems] == ["n_embd"]


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"n_embd": 50, "n_head": 4}, "n_embd", "divisible by n_head = 4 (got 50); try 48 or 52"),
        (
            {"n_embd": 30, "n_head": 6, "pos_encoding": "rope"},
            "n_head",
            "even head size (n_embd / n_head = 5)",
        ),
        ({"n_head": 0}, "n_head", "at least 1"),
        ({"vocab_size": -3}, "vocab_size", "at least 1"),
        ({"dropout": 1.0}, "dropout", "from 0 up to"),
        ({"dropout": float("nan")}, "dropout", "from 0 up to"),
        ({"rope_theta": 0.0}, "rope_theta", "above 0"),
        ({"rope_scale": float("inf")}, "rope_scale", "above 0"),
        ({"neftune_alpha": -1.0}, "neftune_alpha", "0 or more"),
        ({"pos_encoding": "ropes"}, "pos_encoding", "known: learned, rope; did you mean 'rope'?"),
        ({"mlp_type": "SwiGLU"}, "mlp_type", "did you mean 'swiglu'?"),
        ({"norm_type": "x"}, "norm_type", "known: layernorm, rmsnorm"),
        ({"n_kv_head": 4}, "n_kv_head", "must divide n_head = 6"),
        ({"mlp_hidden_size": 0}, "mlp_hidden", "at least 1"),
    ],
)
def test_values_that_no_model_has(fields: dict[str, Any], field: str, text: str) -> None:
    (problem,) = GPTConfig(**fields).problems(where="preset")
    assert problem.field == field
    assert text in str(problem)


def test_other_architectures_judge_their_own_variants() -> None:
    modded = GPTConfig(arch="modded_small", mlp_type="relu2", pos_encoding="half_rope", head_bias=False)
    assert modded.problems() == []
    assert len(GPTConfig(arch="nanogpt", mlp_type="relu2").problems()) == 1


def test_it_needs_no_torch() -> None:
    code = "import sys, mypt.settings.model_config, mypt.estimate; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "name", ["batch_size", "block_size", "vocab_size", "n_embd", "n_layer", "mlp_hidden"]
)
def test_sizes_that_no_machine_has_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"c\.json: {name}: must be at most 100000000 \(got 6000000000000"):
        GPTConfig.from_dict({name: 10**12 * 6, "n_head": 6}, where="c.json")
