"""What a path on the command line is meant from."""

from __future__ import annotations

from pathlib import Path


def in_workspace(name: str, workspace: Path) -> str:
    """A path to a bundle is meant from the workspace, like every path in settings; a mere name stays one."""
    inside = workspace / name
    return str(inside) if len(Path(name).parts) > 1 and inside.is_dir() else name
