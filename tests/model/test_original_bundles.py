"""The original's own files against what its own code computed from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mypt
from mypt.generate import sample_tokens
from mypt.model import GPT, GPTConfig
from mypt.model.decay import decay_groups
from mypt.training import optimizer as adamw

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


def test_the_optimizer_state_belongs_to_the_parameters_that_it_is_given_to() -> None:
    """Averages of past gradients look like the gradient of today, and like that of no other matrix of their shape."""
    bundle = mypt.load_bundle(SAMPLES / "checkpoints" / "a_char_learned")
    text = (SAMPLES / "datasets" / "sources" / "story.txt").read_text()
    ids = torch.tensor(bundle.tokenizer.encode("".join(c for c in text if not bundle.tokenizer.unknown(c))))
    starts = torch.randperm(len(ids) - 33, generator=torch.Generator().manual_seed(0))[:200].tolist()
    x, y = (torch.stack([ids[i + shift : i + shift + 32] for i in starts]) for shift in (0, 1))
    loss = bundle.model(x, y)[1]
    assert loss is not None and bundle.optimizer_state is not None
    loss.backward()
    optimizer = mypt.configure_optimizer(bundle.model)
    adamw.load_state(optimizer, bundle.optimizer_state, weight_decay=0.1)
    matrices = [p for p in bundle.model.parameters() if p.dim() == 2]
    for own in matrices:
        assert own.grad is not None
        alike = {
            other: torch.cosine_similarity(
                own.grad.flatten(), optimizer.state[other]["exp_avg"].flatten(), dim=0
            )
            for other in matrices
            if other.shape == own.shape
        }
        assert max(alike, key=lambda other: float(alike[other])) is own and alike[own] > 0.2


STORED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "as the original does": lambda held: held,
    "bare": lambda held: held["state_dict"],
    "compiled": lambda held: {"state_dict": {f"_orig_mod.{k}": v for k, v in held["state_dict"].items()}},
    "fp32": lambda held: {"state_dict": {k: v.float() for k, v in held["state_dict"].items()}},
    "fp16": lambda held: {"state_dict": {k: v.half() for k, v in held["state_dict"].items()}},
}


@pytest.mark.parametrize("how", STORED)
def test_weights_load_however_they_are_stored(reference: dict[str, Any], how: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SAMPLES / "checkpoints" / "a_char_learned", tmp_path / "a"))
    held = torch.load(folder / "model.pt", weights_only=True)
    torch.save(STORED[how](held), folder / "model.pt")
    built = mypt.load_bundle(folder).model
    assert "lm_head.bias" in built.state_dict()
    assert torch.allclose(built(reference["ids"])[0], reference["logits_main"], atol=1e-4)
    again = mypt.save_checkpoint_bundle(built, tmp_path / "again")
    assert torch.allclose(
        mypt.load_bundle(again).model(reference["ids"])[0], reference["logits_main"], atol=1e-4
    )


def test_fields_that_only_the_original_has_are_kept() -> None:
    raw = json.loads((SAMPLES / "checkpoints" / "a_char_learned" / "config.json").read_text())
    written = GPTConfig.from_dict(raw).to_dict()
    assert raw.items() <= written.items()
    assert written["head_bias"] is written["mlp_bias"] is written["norm_bias"] is True
