from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mypt
from mypt.errors import UserError
from mypt.interop.mapping import listed
from mypt.interop.modded import HEADS, _heads
from tests.interop.foreign import assert_logits, modded_state, write_modded
from tests.model.modded_models import reference

sizes = pytest.mark.parametrize("medium", [False, True], ids=["small", "medium"])


@sizes
@pytest.mark.parametrize("prefix", ["_orig_mod.", "", "_orig_mod.module."])
def test_a_checkpoint_is_told_by_its_shapes_alone(medium: bool, prefix: str, tmp_path: Path) -> None:
    state = modded_state(medium=medium)
    # No ending and no name that says anything.
    file = write_modded(tmp_path / "thing", state, prefix=prefix)
    model, info, checkpoint = mypt.load_pretrained_checkpoint(file)
    wanted = {
        "checkpoint_format": "medium" if medium else "small",
        "vocab_size": 250 if medium else 256,
        "model_dim": 128,
        "num_layers": 16 if medium else 12,
        "num_heads": 1,
        "step": 125,
        "loss": 3.25,
        "max_seq_len": 3456 if medium else 1792,
        "parameters": model.num_parameters(),
        "dtype": "float32",
    }
    assert {name: info[name] for name in wanted} == wanted
    assert info.get("head_rows") == (256 if medium else None)
    assert checkpoint["code"] == "import os\n" and not model.training
    line = torch.tensor([(37 * i + 11) % 250 for i in range(257)])
    loss = model(line[None, :-1], line[None, 1:])[1]
    assert loss is not None
    assert loss.item() == pytest.approx(10.127351 if medium else 5.495713, abs=1e-5)


@sizes
def test_logits_are_those_of_the_formulas_with_and_without_a_cache(medium: bool, tmp_path: Path) -> None:
    state = modded_state(medium=medium)
    model, _, _ = mypt.load_pretrained_checkpoint(write_modded(tmp_path / "a.pt", state))
    ids = torch.tensor([(91 * i + 3) % 250 for i in range(40)])
    wanted = reference(state, ids, medium=medium, heads=1, window=14, document_token=50256)
    assert_logits(model, ids[None], wanted[None], atol=1e-3)


@pytest.mark.parametrize(("world", "filling"), [(8, 4), (4, 0), (1, 0), (7, 3)])
def test_scalars_that_only_fill_up_are_left_out_and_told(world: int, filling: int, tmp_path: Path) -> None:
    state = modded_state(world=world)
    assert state["scalars"].numel() == 60 + filling
    model, info, _ = mypt.load_pretrained_checkpoint(write_modded(tmp_path / "a.pt", state))
    assert torch.equal(model.state_dict()["scalars"], state["scalars"][:60])
    assert any(f"scalars: {filling} numbers" in note for note in info["notes"]) == (filling > 0)


def test_weights_in_two_precisions_become_exactly_what_they_are(tmp_path: Path) -> None:
    state = modded_state(medium=True)
    stored = {n: v if "lm_head" in n or n == "scalars" else v.bfloat16() for n, v in state.items()}
    model, info, _ = mypt.load_pretrained_checkpoint(write_modded(tmp_path / "a.pt", stored))
    assert info["dtype"] == "bfloat16, float32"
    assert all(p.dtype is torch.float32 for p in model.parameters())
    assert all(torch.equal(value, stored[name].float()) for name, value in model.state_dict().items())


def test_the_heads_of_known_sizes_come_from_a_table() -> None:
    assert HEADS[24, 1152] == 18 and HEADS[36, 1280] == 20
    assert _heads(None, 24, 1152, 1152) == 18 and _heads(None, 24, 1024, 1024) == 8
    assert _heads(4, 24, 1152, 1152) == 4
    with pytest.raises(UserError, match=r"n_head: the heads are 768 wide together.*got 7.*--n_head"):
        _heads(7, 12, 768, 768)


@sizes
def test_a_known_vocabulary_brings_its_tokenizer_and_its_documents(medium: bool, tmp_path: Path) -> None:
    state = modded_state(medium=medium, vocabulary=50257, width=8)
    model, info, _ = mypt.load_pretrained_checkpoint(write_modded(tmp_path / "a.pt", state))
    assert (info["vocab_size"], info["true_vocab_size"]) == (50257 if medium else 50304, 50257)
    assert info["tokenizer"] == "gpt2, 50257 tokens" and model.config.document_token == 50256
    assert any("a document begins at token 50256" in note for note in info["notes"])
    ids = torch.tensor([[11, 50256, 3, 4], [11, 50256, 3, 4]])
    ids[1, 0] = 500
    with torch.no_grad():
        first, second = model(ids)[0]
    assert torch.equal(first[1:], second[1:]) and not torch.equal(first[0], second[0])


def without_block_3(state: dict[str, Tensor]) -> None:
    for name in [n for n in state if n.startswith("blocks.3.")]:
        del state[name]


def older(state: dict[str, Tensor]) -> None:
    del state["scalars"]
    state["skip_weights"] = torch.ones(6)
    for i in range(12):
        state[f"blocks.{i}.lambdas"] = torch.ones(2)
        if i != 7:
            state[f"blocks.{i}.attn.lambdas"] = torch.ones(2)


def newer(state: dict[str, Tensor]) -> None:
    state["smear_gate.weight"] = torch.ones(1, 12)
    for i in range(12):
        if i != 7:
            state[f"blocks.{i}.attn.qkvo_w"] = torch.cat(
                [state.pop(f"blocks.{i}.attn.qkv_w"), torch.zeros(1, 128, 128)]
            )
            del state[f"blocks.{i}.attn.c_proj.weight"]


NEAR_MISSES: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "a missing block": (without_block_3, r"has a layer 11, but lacks layer 3"),
    "a missing weight": (
        lambda s: s.pop("blocks.4.mlp.c_proj.weight"),
        r"near modded-nanogpt small, but: missing \(1\): blocks\.4\.mlp\.c_proj\.weight$",
    ),
    "a version before": (
        older,
        r"missing \(1\): scalars\n.*left over \(24\): "
        r"blocks\.\{0-6,8-11\}\.attn\.lambdas, blocks\.\{0-11\}\.lambdas, skip_weights$",
    ),
    "a version after": (
        newer,
        r"missing \(22\): blocks\.\{0-6,8-11\}\.attn\.c_proj\.weight, blocks\.\{0-6,8-11\}\.attn\.qkv_w\n"
        r".*left over \(12\): blocks\.\{0-6,8-11\}\.attn\.qkvo_w, smear_gate\.weight$",
    ),
    "attention in layer 7": (
        lambda s: s.update({"blocks.7.attn.qkv_w": torch.zeros(3, 128, 128)}),
        r"left over \(1\): blocks\.7\.attn\.qkv_w$",
    ),
    "a narrow matrix": (
        lambda s: s.update({"blocks.2.mlp.c_fc.weight": torch.zeros(512, 127)}),
        r"blocks\.2\.mlp\.c_fc\.weight: has shape \(512, 127\), \(512, 128\) is needed",
    ),
    "a matrix that lies the other way": (
        lambda s: s.update({"blocks.2.mlp.c_fc.weight": s["blocks.2.mlp.c_fc.weight"].T.contiguous()}),
        r"has shape \(128, 512\), \(512, 128\) is needed",
    ),
    "too few scalars": (
        lambda s: s.update({"scalars": torch.ones(59)}),
        r"scalars: has shape \(59,\), \(60,\) is needed",
    ),
    "an odd number of layers": (
        lambda s: [s.pop(n) for n in list(s) if n.startswith("blocks.11.")],
        r"has 11 layers; this kind has an even number, at least 6",
    ),
    "something else among the weights": (
        lambda s: s.update({"note": "hello"}),  # type: ignore[dict-item]
        r"left over \(1\): _orig_mod\.note$",
    ),
    "whole numbers": (
        lambda s: s.update({"blocks.2.mlp.c_fc.weight": torch.zeros(512, 128, dtype=torch.int8)}),
        r"1 weights are stored as int8, which is not read: blocks\.2\.mlp\.c_fc\.weight",
    ),
    "a matrix of one repeated number": (
        lambda s: s.update({"embed.weight": torch.zeros(1, 1).expand(10**9, 128)}),
        r"1 weights claim more numbers than the file holds: embed\.weight",
    ),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_is_refused_with_what_differs(name: str, tmp_path: Path) -> None:
    state = modded_state()
    change, said = NEAR_MISSES[name]
    change(state)
    file = write_modded(tmp_path / "near.pt", state)
    with pytest.raises(UserError, match=said):
        mypt.load_pretrained_checkpoint(file)


def test_names_of_many_layers_are_drawn_together() -> None:
    names = [f"blocks.{i}.w" for i in (0, 1, 2, 5, 7, 8)] + ["head", "blocks.4.v"]
    assert listed(names) == "blocks.4.v, blocks.{0-2,5,7-8}.w, head"
    assert listed([f"name{c}" for c in "abcdefghijk"]).endswith("namef, nameg, nameh and 3 more")


def test_fine_tunes_on_summaries_have_their_heads_written_down(tmp_path: Path) -> None:
    state = modded_state()
    file = tmp_path / "best.pt"
    content = {
        "model_state": state,
        "config": {"family": "qkv", "num_heads": 2},
        "global_step": 40,
        "val_token_loss": 2.5,
    }
    torch.save(content, file)
    _, info, _ = mypt.load_pretrained_checkpoint(file)
    assert (info["checkpoint_format"], info["num_heads"], info["step"], info["loss"]) == ("small", 2, 40, 2.5)
