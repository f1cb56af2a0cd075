from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mypt
from mypt.errors import UserError
from tests.interop.foreign import assert_logits


def held(samples: Path) -> dict[str, Any]:
    content = torch.load(samples / "nanogpt" / "ckpt_plain.pt", weights_only=True)
    assert isinstance(content, dict)
    return content


def test_logits_are_nanogpts(samples: Path) -> None:
    model, info, checkpoint = mypt.load_pretrained_checkpoint(samples / "nanogpt" / "ckpt_plain.pt")
    with np.load(samples / "nanogpt" / "reference_plain.npz") as reference:
        ids, targets = (torch.from_numpy(reference[name]).long() for name in ("ids", "targets"))
        assert_logits(model, ids, torch.from_numpy(reference["logits"]))
        # nanoGPT leaves targets of -1 out of the loss.
        loss = model(ids, targets.clamp(min=0), (targets >= 0).float())[1]
        assert loss is not None and loss.item() == pytest.approx(float(reference["loss"]), abs=1e-5)
    wanted = ("nanogpt", 55, 55, 32, 2, 4, 32)
    assert tuple(info.values())[:7] == wanted
    assert (info["step"], info["tie_weights"], info["parameters"]) == (30, True, model.num_parameters())
    assert info["loss"] == pytest.approx(3.2232, abs=1e-4)
    assert checkpoint["model_args"]["n_head"] == 4


def test_one_with_biases_and_wrappers_and_masks(samples: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    content, width = held(samples), 32
    state: dict[str, torch.Tensor] = {}
    for name, value in content["model"].items():
        state[name] = value
        if name.startswith("transformer.") and not name.endswith(("wte.weight", "wpe.weight")):
            state[name.replace(".weight", ".bias")] = torch.randn(value.size(0)) * 0.1
    for i in range(2):
        state[f"transformer.h.{i}.attn.bias"] = torch.ones(32, 32).tril().view(1, 1, 32, 32)
    content["model"] = {f"_orig_mod.{name}": value for name, value in state.items()}
    content["model_args"]["bias"] = True
    torch.save(content, tmp_path / "ckpt.pt")
    model, info, _ = mypt.load_pretrained_checkpoint(tmp_path / "ckpt.pt")
    assert info["notes"] == ["transformer.h.{0-1}.attn.bias: a causal mask, which is no weight; left out"]
    config = model.config
    assert (config.bias, config.mlp_bias, config.norm_bias, config.head_bias) == (True, True, True, False)
    own = model.state_dict()
    assert torch.equal(own["blocks.1.sa.qkv.bias"], state["transformer.h.1.attn.c_attn.bias"])
    assert torch.equal(own["blocks.0.fwd.net.0.weight"], state["transformer.h.0.mlp.c_fc.weight"])
    assert own["ln_f.bias"].shape == (width,)


def test_a_state_dict_alone_needs_to_be_told_its_heads(samples: Path, tmp_path: Path) -> None:
    from mypt.interop.checkpoints import recognise
    from mypt.interop.formats import Asked

    torch.save(held(samples)["model"], tmp_path / "bare.pt")
    with pytest.raises(UserError, match=r"model_args: does not say how many heads.*give --n_head"):
        recognise(tmp_path / "bare.pt")
    assert recognise(tmp_path / "bare.pt", Asked(n_head=4)).plan.config.n_head == 4


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "more layers than there are": (
        lambda c: c["model_args"].update(n_layer=3),
        r"model_args: n_layer: the weights have 2 \(got 3\)",
    ),
    "a billion tokens": (
        lambda c: c["model_args"].update(vocab_size=10**9),
        r"vocab_size: the weights have 55",
    ),
    "no heads": (lambda c: c["model_args"].update(n_head=0), r"n_head: must be a whole number from 1 up"),
    "heads that do not divide": (lambda c: c["model_args"].update(n_head=5), r"n_embd: must be divisible"),
    "a norm less": (
        lambda c: c["model"].pop("transformer.h.1.ln_2.weight"),
        r"near nanoGPT, but: missing \(1\): transformer\.h\.1\.ln_2\.weight",
    ),
    "an adapter more": (
        lambda c: c["model"].update({"transformer.h.0.attn.lora": torch.ones(1)}),
        r"left over \(1\): transformer\.h\.0\.attn\.lora",
    ),
    "no head": (lambda c: c["model"].pop("lm_head.weight"), r"missing \(1\): lm_head\.weight"),
    "a wide projection": (
        lambda c: c["model"].update({"transformer.h.0.attn.c_proj.weight": torch.ones(32, 33)}),
        r"c_proj\.weight: has shape \(32, 33\), \(32, 32\) is needed for nanoGPT",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named(name: str, samples: Path, tmp_path: Path) -> None:
    content = held(samples)
    change, said = WRONG[name]
    change(content)
    torch.save(content, tmp_path / "ckpt.pt")
    with pytest.raises(UserError, match=said):
        mypt.load_pretrained_checkpoint(tmp_path / "ckpt.pt")


def test_a_head_of_its_own_stays_one(samples: Path, tmp_path: Path) -> None:
    content = held(samples)
    content["model"]["lm_head.weight"] = content["model"]["lm_head.weight"] + 1
    torch.save(content, tmp_path / "ckpt.pt")
    model, info, _ = mypt.load_pretrained_checkpoint(tmp_path / "ckpt.pt")
    own = model.state_dict()
    assert not info["tie_weights"]
    assert torch.equal(own["lm_head.weight"], own["token_embedding_table.weight"] + 1)
