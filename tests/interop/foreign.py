"""Checkpoints of other programs, made as those write them, and what tests look at in all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mypt.model import KVCache, LanguageModel
from tests.model.modded_models import by_formula, shapes

#: Logits of programs that compute in float32 agree this closely.
NEAR = 1e-4


def modded_state(
    *, medium: bool = False, vocabulary: int = 250, width: int = 128, layers: int = 0, world: int = 8
) -> dict[str, Tensor]:
    """The weights of a small or medium checkpoint, by formula."""
    layers = layers or (16 if medium else 12)
    return by_formula(shapes(layers, width, vocabulary, medium=medium, world=world), layers)


def write_modded(file: Path, state: dict[str, Tensor], *, prefix: str = "_orig_mod.", **content: Any) -> Path:
    """A checkpoint as the training scripts save it: two optimizers that nobody reads, and the script's own text."""
    whole = {
        "step": 125,
        "code": "import os\n",
        "val_loss": 3.25,
        "optimizers": [{"state": {}}, {}],
        "model": {f"{prefix}{name}": value for name, value in state.items()},
        **content,
    }
    torch.save(whole, file)
    return file


@torch.no_grad()
def assert_logits(model: LanguageModel, ids: Tensor, wanted: Tensor, atol: float = NEAR) -> None:
    """Full forward, and a cache filled in two bites and then token by token, give `wanted` (B, T, V)."""
    whole = model(ids)[0]
    assert whole.dtype is torch.float32 and whole.shape == wanted.shape
    torch.testing.assert_close(whole, wanted.float(), atol=atol, rtol=0)
    cache = KVCache(ids.size(1))
    parts = [
        model.step(ids[:, :5], cache, all_positions=True),
        model.step(ids[:, 5:7], cache, all_positions=True),
    ]
    while cache.length < ids.size(1):
        parts.append(model.step(ids[:, cache.length : cache.length + 1], cache)[:, None])
    torch.testing.assert_close(torch.cat(parts, 1), wanted.float(), atol=atol, rtol=0)
