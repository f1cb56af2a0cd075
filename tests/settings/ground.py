"""Workspaces of the tests of settings: presets and checkpoints as far as settings look into them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt.errors import UserError
from mypt.settings.resolve import Request, Resolved, resolve

SHAPE: dict[str, Any] = {
    "batch_size": 4,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 16,
    "n_head": 2,
    "n_layer": 6,
    "dropout": 0.1,
    "bias": False,
}
VARIANTS = (
    "pos_encoding",
    "mlp_type",
    "norm_type",
    "tie_weights",
    "rope_scale",
    "rope_theta",
    "use_loss_mask",
    "use_checkpoint",
    "neftune_alpha",
    "segment_position_reset",
)
CURRICULUM = {
    "phases": [
        {"name": "one", "dataset_dir": "data/one", "until_iter": 5},
        {"name": "two", "dataset_dir": "d"},
    ]
}


def bundle(workspace: Path, name: str, *, step: int = 1000, chars: str = "", **values: Any) -> None:
    """A checkpoint with its settings where a bundle has them."""
    folder = workspace / "checkpoints" / name
    folder.mkdir(parents=True)
    config = {**SHAPE, "device": "cpu", **{k: v for k, v in values.items() if k in SHAPE or k in VARIANTS}}
    training = {k: v for k, v in values.items() if k not in config}
    tokenizer = {"token_kind": "char", "chars": list(chars)} if chars else {"token_kind": "gpt2"}
    state = {"step": step, "training_config": {"input_file": "input.txt", **training}}
    for file, content in (("config", config), ("training_state", state), ("tokenizer", tokenizer)):
        (folder / f"{file}.json").write_text(json.dumps(content))
    (folder / "model.pt").write_bytes(b"weights")


def preset(workspace: Path, name: str = "mine", **values: Any) -> str:
    """A preset of the workspace; its name."""
    file = workspace / "configs" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**SHAPE, **values}))
    return name


def refusal(workspace: Path, **request: Any) -> str:
    """What a request is refused with."""
    with pytest.raises(UserError) as caught:
        resolve(Request(**request), workspace)
    return str(caught.value)


def told(run: Resolved, name: str) -> list[str]:
    """The notices that speak of `name`."""
    return [notice for notice in run.notices if name in notice]
