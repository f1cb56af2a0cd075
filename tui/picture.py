"""Pictures of the screen: an SVG in the workspace, under a name that tells what and when."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mypt.fsio import write_atomic

if TYPE_CHECKING:
    from tui.dashboard import Dashboard

FOLDER = "pictures"


def save_picture(app: Dashboard) -> Path:
    """Write what is on the screen to `pictures/<screen>-<date>-<time>.svg` and return the path. Raises OSError."""
    stem = f"{screen_name(app)}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    folder = app.workspace / FOLDER
    folder.mkdir(exist_ok=True)
    names = [f"{stem}.svg", *(f"{stem}-{number}.svg" for number in range(2, 100))]
    path = next((folder / name for name in names if not (folder / name).exists()), folder / names[-1])
    write_atomic(path, app.export_screenshot(title=f"MyPT  {app.workspace.name}"))
    return path


def screen_name(app: Dashboard) -> str:
    """What people call the screen in front: `home`, `checkpoints`."""
    return type(app.screen).__name__.removesuffix("Screen").lower() or "screen"
