"""What killed processes left half-written among the records of runs."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from mypt.fsio import remove_folder

NEW = ".new-"
"""Begins the name of a run's directory until its record is in it."""
# Younger than this, it may be what a living process, maybe on another host, is just writing.
_YOUNG_S = 60.0


def sweep(runs: Path) -> None:
    """Remove what is left in the folder `runs`, and in those of single runs, of writing that was cut off a while ago.

    Never raises: what cannot be removed now is in nobody's way.
    """
    for entry in _entries(runs):
        if entry.name.startswith(NEW) and _is_old(entry):
            remove_folder(Path(entry.path))
        elif not entry.name.startswith("."):
            for file in _entries(Path(entry.path)):
                # The names that `mypt.fsio.write_atomic` gives.
                if file.name.startswith(".") and ".tmp-" in file.name and _is_old(file):
                    with contextlib.suppress(OSError):
                        Path(file.path).unlink()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_old(entry: os.DirEntry[str]) -> bool:
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _YOUNG_S
    except OSError:
        return False
