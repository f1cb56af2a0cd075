"""`mypt export` as a function."""

from __future__ import annotations

import os
from pathlib import Path


def export(
    name: str | os.PathLike[str],
    format: str = "hf",
    output_dir: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    workspace: str | os.PathLike[str] = ".",
) -> Path:
    """Write the checkpoint `name` (a model's name, one with `_gold` or `_fp16`, or a path) for other places; returns
    the folder.

    `format` is "hf" (what `transformers` loads, in float32), "fp16" or "bf16" (a MyPT checkpoint without optimizer).
    Without an `output_dir` it goes to `exports/<name>_<format>`, and the fp16 copy of a last checkpoint to
    `checkpoints/<name>_fp16`. Raises `UserError`, with nothing written, for a model that the format cannot hold
    exactly and for a place that is taken (an earlier export only without `overwrite`); `RunError` where memory or the
    disk ends.
    """
    from mypt.interop import export as exporting

    planned = exporting.plan(name, format, output_dir, overwrite=overwrite, workspace=workspace)
    exporting.write(planned, workspace)
    return planned.target
