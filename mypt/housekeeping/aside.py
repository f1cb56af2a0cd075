"""Where the folders of deleted checkpoints wait to be removed: no list takes them for checkpoints any more."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from mypt.errors import RunError

# No model may be called so: a leading dot is refused in model names.
GONE = ".gone."


def sweep(checkpoints: Path) -> int:
    """Remove what earlier deletes left aside; how many folders that were. For the holder of the room's lock."""
    number = 0
    try:
        names = [entry.name for entry in os.scandir(checkpoints) if entry.name.startswith(GONE)]
    except OSError:
        return 0
    for name in names:
        try:
            remove(checkpoints / name)
        except OSError as error:
            left = f"checkpoints/{name}"
            raise RunError(
                f"{left}: what is left of a deleted checkpoint cannot be removed: {error.strerror or error}"
            ) from error
        number += 1
    return number


def remove(place: Path) -> None:
    """Remove a folder, a file or a link, whatever may be written there; nothing where nothing is."""
    if place.is_symlink():
        place.unlink()
    elif place.is_dir():
        # A folder that was copied from a read-only place would keep its files.
        for folder in [place, *(entry for entry in place.rglob("*") if entry.is_dir())]:
            if not folder.is_symlink():
                folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
        shutil.rmtree(place)
    elif os.path.lexists(place):
        place.unlink()
