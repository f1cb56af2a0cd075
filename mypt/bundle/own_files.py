"""A person's own files beside ours: what somebody put into a bundle's folder goes on to the bundle that takes its place.

Everything is moved by its name, which takes no time and no room whatever its size, and only once the next bundle is
in place: a kill leaves each of them in the one folder or in the other, and `move_on` again goes on with the rest.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from mypt.fsio import fsync_dir, replace

# What `write_atomic` leaves where it is killed.
_TORN = re.compile(r"\..*\.tmp-\d+-[0-9a-f]{8}")


def own_files(folder: Path, ours: Collection[str]) -> Iterator[Path]:
    """What lies in `folder` and is not ours: files, links and sub-folders."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.name not in ours and not _TORN.fullmatch(path.name):
            yield path


def move_on(before: Path, target: Path, ours: Collection[str]) -> None:
    """Remove the folder `before`, whose place `target` has taken, after what is not ours in it was moved to `target`.

    What cannot be moved (a disk mounted there, a file that Windows holds) stays where it is, and `before` with it; of
    a link to a folder only the link is removed. Never raises for a file system that refuses.
    """
    if before.is_symlink():
        with contextlib.suppress(OSError):
            before.unlink()
        return
    moved = 0
    # Nowhere to go as long as there is no bundle: then all of it stays.
    for path in own_files(before, ours) if target.is_dir() else ():
        with contextlib.suppress(OSError):
            replace(path, _free(target / path.name))
            moved += 1
    with contextlib.suppress(OSError):
        if moved:
            fsync_dir(target)
    if any(own_files(before, ours)):
        for name in ours:
            with contextlib.suppress(OSError):
                (before / name).unlink()
    else:
        shutil.rmtree(before, ignore_errors=True)


def _free(path: Path) -> Path:
    """`path`, or beside it a name that nothing has: between a kill and the next start somebody may have made it anew."""
    while os.path.lexists(path):
        path = path.with_name(f"{path.name}~")
    return path
