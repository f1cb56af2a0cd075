"""What programs call: the command line's abilities as plain functions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mypt import bundle


def get_model_info(name: str, workspace: str | os.PathLike[str] = ".") -> dict[str, Any]:
    """All metadata of a checkpoint, without torch: `config`, `training_state`, `tokenizer`, `files`, `path`.

    `name` is a model's name, one with `_gold` or `_fp16`, or a path. Raises `UserError` for what is no whole bundle.
    """
    info = bundle.find(Path(workspace) / "checkpoints", name)
    return {
        "name": info.name,
        "path": str(info.path),
        "kind": str(info.kind),
        "config": info.config,
        "training_state": info.training_state,
        "tokenizer": info.tokenizer,
        "files": info.files,
    }
