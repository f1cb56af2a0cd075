"""Runs in this process, and what they leave, as tests look at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mypt.cli import main
from mypt.watch.inventory import Workspace
from mypt.watch.status import status_rows


def train(workspace: Path, *arguments: str) -> int:
    """`mypt train` here and now; its exit status."""
    return main(["--workspace", str(workspace), "train", *arguments])


def state_of(workspace: Path, model: str) -> dict[str, Any]:
    """A bundle's training state."""
    value = json.loads((workspace / "checkpoints" / model / "training_state.json").read_text())
    assert isinstance(value, dict)
    return value


def change_state(workspace: Path, model: str, **parts: dict[str, Any]) -> None:
    """Make the bundle say something else in these parts of its training state."""
    folder, state = workspace / "checkpoints" / model, state_of(workspace, model)
    for part, values in parts.items():
        state[part].update(values)
    (folder / "training_state.json").write_text(json.dumps(state))
    # It knows how long the file was.
    (folder / "manifest.json").unlink()


def row(workspace: Path) -> dict[str, object]:
    """The only run of a workspace, as `mypt status` shows it."""
    picture = Workspace(workspace)
    picture.load()
    (found,) = status_rows(picture)
    return found
