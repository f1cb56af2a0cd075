"""The original's own files against what its own code computed from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mypt.generate import sample_tokens
from mypt.model import GPT, GPTConfig
from mypt.model.decay import decay_groups

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "original"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the original MyPT are not here")

kernels = pytest.mark.parametrize("kernel", ["sdpa", "plain"])


def load(name: str, **fields: Any) -> GPT:
    folder = SAMPLES / "checkpoints" / name
    config = GPTConfig.from_dict(json.loads((folder / "config.json").read_text()) | fields)
    built = GPT(config, seed=None)
    saved = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)
    built.load_state_dict(saved["state_dict"], strict=True)
    return built.eval()


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    with np.load(SAMPLES / "reference_a_char_learned.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@kernels
@pytest.mark.parametrize("suffix", ["", "_gold", "_fp16"])
def test_logits(reference: dict[str, Any], suffix: str, kernel: str) -> None:
    built = load(f"a_char_learned{suffix}")
    built.set_kernel(kernel)
    expected = reference[f"logits{suffix or '_main'}"]
    assert torch.allclose(built(reference["ids"])[0], expected, atol=1e-4)


@kernels
@pytest.mark.parametrize(("reset", "name"), [(True, "reset"), (False, "absolute")])
def test_packed_segments(reference: dict[str, Any], reset: bool, name: str, kernel: str) -> None:
    built = load("a_char_learned", segment_position_reset=reset)
    built.set_kernel(kernel)
    logits = built(reference["ids"], segment_ids=reference["segment_ids"])[0]
    assert torch.allclose(logits, reference[f"logits_segments_{name}"], atol=1e-4)


def test_losses(reference: dict[str, Any]) -> None:
    ids, targets, mask, segments = (reference[k] for k in ("ids", "targets", "loss_mask", "segment_ids"))
    built, absolute = load("a_char_learned"), load("a_char_learned", segment_position_reset=False)
    found = [
        built(ids, targets)[1],
        built(ids, targets, mask)[1],
        built(ids, targets, mask, segments)[1],
        absolute(ids, targets, mask, segments)[1],
    ]
    assert torch.allclose(
        torch.stack([loss for loss in found if loss is not None]).double(), reference["losses"]
    )


@kernels
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_text(reference: dict[str, Any], use_cache: bool, kernel: str) -> None:
    built = load("a_char_learned")
    built.set_kernel(kernel)
    expected = reference["greedy_ids"].tolist()
    tokens = sample_tokens(built, expected[:6], max_new_tokens=20, temperature=0.0, use_cache=use_cache)
    assert expected[:6] + list(tokens) == expected


def test_the_optimizer_state_is_numbered_as_our_groups_are() -> None:
    built = load("a_char_learned")
    path = SAMPLES / "checkpoints" / "a_char_learned" / "optimizer.pt"
    saved = torch.load(path, map_location="cpu", weights_only=True)
    groups = decay_groups(built)
    assert [len(group["params"]) for group in saved["param_groups"]] == [len(group) for group in groups]
    for index, parameter in enumerate(groups[0] + groups[1]):
        assert saved["state"][index]["exp_avg"].shape == parameter.shape


def test_fields_that_only_the_original_has_are_kept() -> None:
    raw = json.loads((SAMPLES / "checkpoints" / "a_char_learned" / "config.json").read_text())
    written = GPTConfig.from_dict(raw).to_dict()
    assert raw.items() <= written.items()
    assert written["head_bias"] is written["mlp_bias"] is written["norm_bias"] is True
