"""Where an export goes: what may be replaced there, and how it is whole or absent. No torch."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from mypt.errors import Problem
from mypt.fsio import fsync_dir, fsync_file, swap_in
from mypt.text import printable

_NOBODYS = frozenset({".DS_Store", "Thumbs.db"})


def look_at(
    target: Path, shown: str, source: Path, files: Collection[str], *, overwrite: bool
) -> tuple[bool, list[Problem]]:
    """Whether an export of these `files` is at `target` already (`shown` in messages), and what keeps another one, of the
    checkpoint in `source`, from being made there.
    """

    def refuse(message: str, remedy: str) -> tuple[bool, list[Problem]]:
        return False, [Problem(message, field="output_dir", value=shown, remedy=remedy)]

    if not shown.strip() or "\0" in shown:
        return refuse("names no folder", "name one, or leave the flag away")
    for place in (target, *target.parents):
        if place.is_dir():
            break
        if os.path.lexists(place):
            what = "is a file" if place == target else f"lies below {place.name}, which is no folder"
            return refuse(what, "name a folder that does not exist yet")
    if not os.access(place, os.W_OK):
        return refuse(f"cannot be made: {place} is not writable", "name another folder")
    if not target.is_dir():
        return False, []
    if os.path.realpath(target) == os.path.realpath(source):
        return refuse("is the checkpoint itself", "name another folder")
    there = sorted(entry.name for entry in target.iterdir() if entry.name not in _NOBODYS)
    if foreign := [name for name in there if name not in files]:
        names = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
        return refuse(
            f"holds other things than such an export ({printable(names)}), which would be lost",
            "name another folder",
        )
    if there and not overwrite:
        return refuse("is there already", "name another folder, or say --overwrite to replace it")
    return bool(there), []


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Gives a folder; what is in it when the block ends becomes `target`, in one step. When it raises, nothing has
    happened to `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Names that no model has; a kill leaves at most these behind.
    staging = target.parent / f".tmp.{os.getpid()}.{target.name}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        yield staging
        for file in staging.iterdir():
            with file.open("rb+") as handle:
                fsync_file(handle.fileno())
        fsync_dir(staging)
        swap_in(staging, target, target.parent / f".old.{target.name}")
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
