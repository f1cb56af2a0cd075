"""Bundles whose every part tells their step."""

from __future__ import annotations

import json
from pathlib import Path

from mypt import bundle
from mypt.bundle import (
    writing,
)


def fill(folder: Path, step: int, size: int = 1000) -> None:
    """The files of a bundle whose every part tells its step."""
    shape = dict.fromkeys(bundle.SHAPE, 2)
    (folder / "config.json").write_text(json.dumps({**shape, "step": step}))
    (folder / "training_state.json").write_text(json.dumps({"step": step, "training_config": {"seed": step}}))
    (folder / "tokenizer.json").write_text(json.dumps({"token_kind": "gpt2", "step": step}))
    (folder / "model.pt").write_bytes(step.to_bytes(8, "little") * (size // 8))
    (folder / "optimizer.pt").write_bytes(step.to_bytes(8, "little") * (size // 8))


def save(checkpoints: Path, name: str, step: int) -> Path:
    target = checkpoints / name
    with writing(target) as staging:
        fill(staging, step)
    return target


def steps_of(path: Path) -> set[int]:
    """Every step that a part of the bundle tells: one, when it is whole."""
    found = {
        json.loads((path / name).read_text())["step"]
        for name in (bundle.CONFIG, bundle.STATE, bundle.TOKENIZER)
    }
    for name in (bundle.MODEL, bundle.OPTIMIZER):
        raw = (path / name).read_bytes()
        found |= {int.from_bytes(raw[i : i + 8], "little") for i in range(0, len(raw), 8)}
    return found
