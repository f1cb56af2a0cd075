"""A dataset folder that is whole or absent: built beside its place, synced, and put there in one step.

A kill leaves at most a folder with a name of ours, which no reader takes for a dataset; the next start removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from mypt import disk
from mypt.data.shards import METADATA
from mypt.errors import Problem, RunError, UserError, raise_for
from mypt.fsio import fsync_dir, fsync_file, replace, swap_in
from mypt.runs.filelock import FileLock, is_locked
from mypt.text import printable
from mypt.tokenizers.files import FILE_NAMES

_STAGING = ".mypt-prepare."
_ASIDE = ".mypt-replaced."
_LOCK = "lock"
# Younger than this, a folder without a lock may be one that another process is just making.
_YOUNG_S = 60.0
# Where files cannot be locked, age alone tells what nobody works on any longer.
_OLD_S = 7 * 86_400.0
# What a dataset folder may hold at its top; anything else in a folder is somebody's work.
_PARTS = frozenset(
    {METADATA, *FILE_NAMES, "train", "val", "train.bin", "val.bin", "meta.pkl", "dataset_lineage.json"}
)
_NOBODYS = frozenset({".DS_Store", "Thumbs.db"})


def check_target(target: Path, shown: str, *, overwrite: bool) -> list[Problem]:
    """What keeps a dataset from being made at `target` (called `shown` in messages); writes nothing."""

    def refuse(message: str, remedy: str) -> list[Problem]:
        return [Problem(message, field="output_dir", value=shown, remedy=remedy)]

    for parent in (target, *target.parents):
        if parent.is_dir():
            break
        if parent.exists():
            what = "is a file" if parent == target else f"lies below {parent.name}, which is no folder"
            return refuse(what, "name a folder that does not exist yet")
    if not target.is_dir():
        return []
    there = sorted(e.name for e in target.iterdir() if e.name not in _NOBODYS)
    foreign = [name for name in there if name not in _PARTS]
    if foreign:
        names = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
        return refuse(f"is a folder with other things in it ({printable(names)})", "name a new folder")
    if there and not overwrite:
        return refuse("is there already", "name another folder, or say --overwrite to replace the dataset")
    return []


@contextlib.contextmanager
def staged_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Gives an empty folder; what is in it when the block ends becomes the dataset `target`, in one step.

    Everything is synced before. When the block raises, or the process is killed at any moment, `target` is as it was
    before (with `overwrite` the old dataset is there until the new one is whole). Raises `UserError` where `target`
    cannot be made (see `check_target`) or another process is making it, `RunError` where the disk fails.
    """
    target = Path(os.path.realpath(target))
    with _disk_errors(target):
        if target.parent.is_dir():
            _clean(target)
        raise_for(check_target(target, str(target), overwrite=overwrite))
        made = _make_parents(target.parent)
    try:
        room = target.parent / f"{_STAGING}{target.name}.{os.urandom(4).hex()}"
        lock = FileLock(room / _LOCK)
        try:
            with _disk_errors(target):
                room.mkdir()
                lock.try_acquire()
                staging = room / target.name
                staging.mkdir()
                yield staging
                _sync(staging)
                if check_target(target, str(target), overwrite=overwrite):
                    raise RunError(f"{printable(str(target))} came to be meanwhile; nothing was kept")
                swap_in(staging, target, target.parent / f"{_ASIDE}{target.name}")
        finally:
            lock.release()
            shutil.rmtree(room, ignore_errors=True)
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = printable(str(error.filename)) + ": " if error.filename else ""
        reason = error.strerror or str(error)
        made = f"the dataset {printable(str(target))} was not made"
        raise RunError(f"{what}{reason}; {made}; {disk.remedy(error)}") from error


def _make_parents(folder: Path) -> list[Path]:
    """Make `folder` with its parents; returns those that were missing, the innermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
    return missing


def _clean(target: Path) -> None:
    """Remove what killed processes left beside `target`, whatever dataset it was to become."""
    aside = target.parent / f"{_ASIDE}{target.name}"
    if aside.is_dir():
        # A kill between the two renames of a swap, on a system that cannot do it in one.
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            replace(aside, target)
    for entry in sorted(target.parent.iterdir()):
        if not entry.name.startswith(_STAGING):
            continue
        if _abandoned(entry):
            shutil.rmtree(entry, ignore_errors=True)
        elif (entry / _LOCK).exists() and entry.name.rpartition(".")[0] == f"{_STAGING}{target.name}":
            # One without a lock may be what a kill left a moment ago: no reason to keep anybody waiting.
            message = "is being prepared by another process right now"
            raise UserError(Problem(message, field="output_dir", value=str(target)))


def _abandoned(room: Path) -> bool:
    try:
        age = time.time() - room.stat().st_mtime
    except OSError:
        return False
    if not (room / _LOCK).exists():
        return age > _YOUNG_S
    held = is_locked(room / _LOCK)
    return age > _OLD_S if held is None else not held


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                fsync_file(file.fileno())
    for path in [*(p for p in folder.rglob("*") if p.is_dir()), folder]:
        fsync_dir(path)
