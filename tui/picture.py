"""Pictures of the screen: an SVG in the workspace, under a name that tells what and when."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from textual.app import App

from mypt.fsio import write_atomic

FOLDER = "pictures"


class Picture(NamedTuple):
    """An SVG and the beginning of the name that it gets."""

    stem: str
    svg: str


def picture(app: App[Any], workspace: Path) -> Picture:
    """What is on the screen of an app that looks at `workspace`, called `<screen>-<date>-<time>`."""
    stem = f"{screen_name(app)}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    return Picture(stem, app.export_screenshot(title=f"MyPT  {workspace.name}"))


def save(picture: Picture, workspace: Path) -> Path:
    """Write a picture below `pictures/`, beside those that are there, and return the path. Raises OSError."""
    stem, svg = picture
    folder = workspace / FOLDER
    folder.mkdir(exist_ok=True)
    names = [f"{stem}.svg", *(f"{stem}-{number}.svg" for number in range(2, 100))]
    path = next((folder / name for name in names if not (folder / name).exists()), folder / names[-1])
    write_atomic(path, svg)
    return path


def screen_name(app: App[Any]) -> str:
    """What people call the screen in front: `home`, `checkpoints`."""
    return type(app.screen).__name__.removesuffix("Screen").lower() or "screen"
