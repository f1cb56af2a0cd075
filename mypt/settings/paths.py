"""What a path on the command line is meant from."""

from __future__ import annotations

import os
from pathlib import Path

from mypt.bundle import is_path


def in_workspace(name: str, workspace: Path) -> str:
    """A path to a bundle is meant from the workspace, like every path in settings; a mere name stays one."""
    inside = workspace / name
    if not is_path(name) or not inside.is_dir():
        return name
    # The path of a folder that lies right here must not pass for a mere name.
    return str(inside) if is_path(str(inside)) else f".{os.sep}{inside}"
