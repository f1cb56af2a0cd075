from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import mypt
from mypt.errors import UserError
from tests.interop.foreign import assert_logits

SAMPLES = ("gpt2_tiny", "llama_tiny_gqa")


def folder_of(samples: Path, name: str, tmp_path: Path, **config: Any) -> Path:
    """A copy of a sample to do anything with, some fields of its config changed."""
    folder = Path(shutil.copytree(samples / "hf" / name, tmp_path / name))
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return folder


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("version", ["4", "5"])
def test_logits_are_those_of_transformers(samples: Path, name: str, version: str, tmp_path: Path) -> None:
    folder = folder_of(samples, name, tmp_path)
    if version == "4":
        shutil.copy(folder / "config_transformers4.json", folder / "config.json")
    model, info, checkpoint = mypt.load_pretrained_checkpoint(folder)
    with np.load(folder / "reference.npz") as reference:
        ids = torch.from_numpy(reference["ids"]).long()
        assert_logits(model, ids, torch.from_numpy(reference["logits"]))
        start = torch.from_numpy(reference["greedy_ids"]).long()
        for place in range(8, start.size(1)):
            assert model(start[:, :place])[0][0, -1].argmax() == start[0, place]
    assert info["checkpoint_format"] == name.partition("_")[0]
    assert tuple(info.values())[1:7] == (256, 256, 64, 2, 4, 64)
    assert info["parameters"] == model.num_parameters()
    assert checkpoint["config"]["model_type"] == info["checkpoint_format"]
    assert info.get("num_kv_heads") == (2 if name == "llama_tiny_gqa" else None)


def transformers_model(kind: str, **fields: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(5)
    if kind == "gpt2":
        shape = {"n_embd": 48, "n_head": 4, "n_layer": 3, "n_positions": 40, "vocab_size": 90}
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**(shape | fields)))
    else:
        shape = {
            "hidden_size": 48,
            "num_attention_heads": 6,
            "num_hidden_layers": 3,
            "vocab_size": 90,
            "intermediate_size": 80,
            "max_position_embeddings": 40,
        }
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**(shape | fields)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gpt2 with the exact gelu": ("gpt2", {"activation_function": "gelu", "layer_norm_epsilon": 1e-3}),
    "gpt2 with a narrow mlp": ("gpt2", {"n_inner": 70, "activation_function": "relu"}),
    "gpt2 untied": ("gpt2", {"tie_word_embeddings": False}),
    "llama": ("llama", {}),
    "llama tied": ("llama", {"tie_word_embeddings": True, "rms_norm_eps": 1e-3}),
    "llama with grouped heads": ("llama", {"num_key_value_heads": 2}),
    "llama with one key head": ("llama", {"num_key_value_heads": 1, "attention_bias": True}),
    "llama with wide heads": ("llama", {"head_dim": 20, "num_key_value_heads": 3}),
    "llama with a large base": ("llama", {"rope_theta": 500000.0}),
    "llama with gelu": ("llama", {"hidden_act": "gelu_pytorch_tanh"}),
    "llama with linear scaling": (
        "llama",
        {"rope_scaling": {"rope_type": "linear", "factor": 4.0, "rope_theta": 20000.0}},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_transformers_saves_computes_the_same(name: str, tmp_path: Path) -> None:
    kind, fields = MODELS[name]
    theirs = transformers_model(kind, **fields)
    theirs.save_pretrained(tmp_path / "model")
    ids = torch.randint(90, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = theirs(ids).logits
    model, info, _ = mypt.load_pretrained_checkpoint(tmp_path / "model")
    assert_logits(model, ids, wanted)
    assert info["parameters"] == model.num_parameters() == theirs.num_parameters()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_one_file_or_many_it_is_the_same_model(kind: str, tmp_path: Path) -> None:
    theirs = transformers_model(kind)
    theirs.save_pretrained(tmp_path / "many", max_shard_size="60KB")
    parts = sorted((tmp_path / "many").glob("*.safetensors"))
    assert len(parts) > 2
    theirs.save_pretrained(tmp_path / "one")
    one = mypt.load_pretrained_checkpoint(tmp_path / "one")[0]
    for path in (tmp_path / "many", parts[0], tmp_path / "many" / "model.safetensors.index.json"):
        many, _, _ = mypt.load_pretrained_checkpoint(path)
        assert all(
            torch.equal(a, b)
            for a, b in zip(one.state_dict().values(), many.state_dict().values(), strict=True)
        )
    parts[1].unlink()
    with pytest.raises(UserError, match=rf"names files that are missing: {parts[1].name}"):
        mypt.load_pretrained_checkpoint(tmp_path / "many")


def test_parts_that_hold_other_weights_than_the_index_says(tmp_path: Path) -> None:
    transformers_model("gpt2").save_pretrained(tmp_path / "many", max_shard_size="60KB")
    part = sorted((tmp_path / "many").glob("*.safetensors"))[0]
    tensors = load_file(part)
    moved = sorted(tensors)[0]
    save_file({"stray": tensors.pop(moved), **tensors}, part)
    with pytest.raises(
        UserError,
        match=rf"is not as model\.safetensors\.index\.json says: it lacks .*{moved[-8:]}; has stray",
    ):
        mypt.load_pretrained_checkpoint(tmp_path / "many")
    index = tmp_path / "many" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    with pytest.raises(UserError, match=r"a: must be a file beside the index"):
        mypt.load_pretrained_checkpoint(tmp_path / "many")


def test_names_without_their_prefix_and_masks_are_gpt2_as_well(samples: Path, tmp_path: Path) -> None:
    folder = folder_of(samples, "gpt2_tiny", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): value for name, value in tensors.items()}
    for i in range(2):
        bare[f"h.{i}.attn.bias"] = torch.ones(64, 64).tril().view(1, 1, 64, 64)
    save_file(bare, folder / "model.safetensors")
    model, info, _ = mypt.load_pretrained_checkpoint(folder / "model.safetensors")
    with np.load(folder / "reference.npz") as reference:
        assert_logits(model, torch.from_numpy(reference["ids"]).long(), torch.from_numpy(reference["logits"]))
    assert any("h.{0-1}.attn.bias: a causal mask" in note for note in info["notes"])


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "another activation": (
        "gpt2_tiny",
        {"activation_function": "quick_gelu"},
        r"activation_function: known here: gelu_new",
    ),
    "scores by layer": (
        "gpt2_tiny",
        {"scale_attn_by_inverse_layer_idx": True},
        r"has no counterpart here \(got True\)",
    ),
    "more layers": (
        "gpt2_tiny",
        {"n_layer": 10**8},
        r"config\.json: n_layer: the weights have 2 \(got 100000000\)",
    ),
    "more positions": ("gpt2_tiny", {"n_positions": 10**12}, r"n_positions: the weights have 64"),
    "text for a number": (
        "gpt2_tiny",
        {"n_head": "4"},
        r"n_head: must be a whole number from 1 up \(got '4'\)",
    ),
    "a relative": (
        "llama_tiny_gqa",
        {"model_type": "mistral"},
        r"model_type: is a relative of Llama.*got 'mistral'",
    ),
    "another RoPE": (
        "llama_tiny_gqa",
        {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
        r"rope_parameters: the RoPE type llama3 has no counterpart here; default and linear are read",
    ),
    "biases in the MLP": (
        "llama_tiny_gqa",
        {"mlp_bias": True},
        r"mlp_bias: biases in the MLP have no counterpart",
    ),
    "heads that cannot be grouped": (
        "llama_tiny_gqa",
        {"num_key_value_heads": 3},
        r"must divide the 4 heads",
    ),
    "heads that are wider": (
        "llama_tiny_gqa",
        {"head_dim": 10**8},
        r"q_proj\.weight \+ .*: has shape \(64, 64\) \+ \(32, 64\) \+ \(32, 64\), \(800000000, 64\) is needed",
    ),
    "a wider MLP": (
        "llama_tiny_gqa",
        {"intermediate_size": 113},
        r"has shape \(112, 64\), \(113, 64\) is needed",
    ),
    "tied, and both copies there": (
        "llama_tiny_gqa",
        {"tie_word_embeddings": True},
        r"the two copies of a tied matrix differ",
    ),
    "an endless context": (
        "llama_tiny_gqa",
        {"max_position_embeddings": 10**15},
        r"must be a whole number from 1 up",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_refused_by_its_field(name: str, samples: Path, tmp_path: Path) -> None:
    sample, config, said = REFUSED[name]
    with pytest.raises(UserError, match=said):
        mypt.load_pretrained_checkpoint(folder_of(samples, sample, tmp_path, **config))


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_weight_is_missed_by_its_name(sample: str, samples: Path, tmp_path: Path) -> None:
    folder = folder_of(samples, sample, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    wte = next(name for name in tensors if name.endswith(("wte.weight", "embed_tokens.weight")))
    for name in sorted(tensors.keys() - {wte}):
        save_file({n: v for n, v in tensors.items() if n != name}, folder / "model.safetensors")
        with pytest.raises(
            UserError, match=rf"missing \(1\): {name}|{name}: is missing|lies|counterpart|no format"
        ):
            mypt.load_pretrained_checkpoint(folder)
    save_file(tensors | {"score.weight": torch.ones(2, 64)}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"left over \(1\): score\.weight"):
        mypt.load_pretrained_checkpoint(folder)


@pytest.mark.parametrize("sample", SAMPLES)
def test_without_its_config_nobody_knows_the_heads(sample: str, samples: Path, tmp_path: Path) -> None:
    folder = folder_of(samples, sample, tmp_path)
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"config\.json must lie beside it"):
        mypt.load_pretrained_checkpoint(folder)


def test_weights_in_half_precision_become_exactly_what_they_are(tmp_path: Path) -> None:
    theirs = transformers_model("llama").to(torch.bfloat16)
    theirs.save_pretrained(tmp_path / "half")
    model, info, _ = mypt.load_pretrained_checkpoint(tmp_path / "half")
    assert info["dtype"] == "bfloat16"
    wanted = theirs.state_dict()["model.layers.2.mlp.up_proj.weight"].float()
    assert torch.equal(model.state_dict()["blocks.2.fwd.w_up.weight"], wanted)


def test_pickled_weights_beside_a_config_are_read_as_well(samples: Path, tmp_path: Path) -> None:
    folder = folder_of(samples, "gpt2_tiny", tmp_path)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    for path in (folder, folder / "pytorch_model.bin"):
        _, info, _ = mypt.load_pretrained_checkpoint(path)
        assert info["checkpoint_format"] == "gpt2"
