"""A checkpoint's metadata, without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.settings.paths import in_workspace


def find(name: str | os.PathLike[str], workspace: str | os.PathLike[str] = ".") -> bundle.BundleInfo:
    """The whole bundle called `name`: a model's name, one with `_gold` or `_fp16`, or a path (from the workspace).

    Raises `UserError` for what is no whole bundle, with the names that there are.
    """
    root = Path(workspace)
    return bundle.find(root / "checkpoints", in_workspace(os.fspath(name), root))


def get_model_info(name: str | os.PathLike[str], workspace: str | os.PathLike[str] = ".") -> dict[str, Any]:
    """All metadata of a checkpoint: `name`, `path`, `kind` ("last", "gold" or "fp16"), `config`, `training_state`,
    `tokenizer` (the content of their files) and `files` (name to bytes).

    `name` is a model's name, one with `_gold` or `_fp16`, or a path. Raises `UserError` for what is no whole bundle.
    """
    info = find(name, workspace)
    return {
        "name": info.name,
        "path": str(info.path),
        "kind": str(info.kind),
        "config": info.config,
        "training_state": info.training_state,
        "tokenizer": info.tokenizer,
        "files": info.files,
    }
