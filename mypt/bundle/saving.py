"""How a bundle becomes whole or absent, and what a kill left of a save is cleared up."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from mypt.bundle.documents import read_json_object
from mypt.bundle.imprint import imprint
from mypt.bundle.names import CHANGING, MANIFEST, OURS, Kind, directory_name
from mypt.bundle.own_files import move_on
from mypt.errors import UserError
from mypt.fsio import fsync_file, remove_folder, replace, swap_in, write_json_atomic

# No model may be called so: a leading dot is refused in model names.
_STAGING = ".tmp."
# A whole bundle about to be swapped in, and for an instant after that the one whose place it took.
_SWAPPED = ".new."
_ASIDE = ".old."


@contextlib.contextmanager
def writing(target: Path, *, parents: bool = True) -> Iterator[Path]:
    """Gives a staging folder; what is in it when the block ends becomes the bundle `target`, in one step.

    The files are synced, a manifest is written last, and the folders are swapped: a kill or a power cut at any
    moment leaves the previous bundle or the new one. What a person had put into the previous one is moved to the new
    one. When the block raises, nothing has happened to `target`. A link to a folder elsewhere stays one. The folder
    that bundles lie in is made where it is missing, what it lies in only with `parents`: that may have been renamed.
    """
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    target.parent.mkdir(parents=parents, exist_ok=True)
    staging = target.parent / f"{_STAGING}{os.getpid()}.{target.name}"
    swapped = target.parent / f"{_SWAPPED}{os.getpid()}.{os.urandom(4).hex()}.{target.name}"
    remove_folder(staging)
    try:
        staging.mkdir()
        yield staging
        sizes, imprints = {}, {}
        for file in sorted(staging.iterdir()):
            with file.open("rb+") as handle:
                fsync_file(handle.fileno())
            sizes[file.name] = file.stat().st_size
            if file.name in CHANGING:
                imprints[file.name] = imprint(file)
        write_json_atomic(staging / MANIFEST, {"files": sizes, "imprints": imprints}, durable=True)
        replace(staging, swapped)
        aside = target.parent / f"{_ASIDE}{target.name}"
        swap_in(swapped, target, aside, remove=lambda folder: _clear(folder, target))
    except BaseException:
        remove_folder(staging)
        _clear(swapped, target)
        raise


def staging_processes(checkpoints: Path, name: str) -> list[int]:
    """The ids of the processes that were at saving the bundle `name`, and are unless a kill ended them."""
    try:
        entries = [
            e.name.removeprefix(_STAGING) for e in os.scandir(checkpoints) if e.name.startswith(_STAGING)
        ]
    except OSError:
        return []
    parts = [entry.partition(".") for entry in entries]
    return [int(pid) for pid, _, target in parts if target == name and pid.isdecimal()]


def repair(checkpoints: Path, model_name: str) -> list[str]:
    """Clean up after a kill: finish or undo an interrupted swap of the model's bundles, remove half-written ones.

    Only the holder of the model's lock may call this. Returns what was done, in sentences.
    """
    done: list[str] = []
    for name in (directory_name(model_name, kind) for kind in Kind):
        target = checkpoints / name
        # Where the bundle is a link, what belongs to it lies beside the folder that it leads to.
        target = Path(os.path.realpath(target)) if target.is_symlink() else target
        for entry in _leftovers(target):
            if entry.name.startswith(_ASIDE) and not target.exists():
                replace(entry, target)
                done.append(f"checkpoints/{name}: put back after a save that was cut off")
            elif entry.name.startswith(_STAGING):
                remove_folder(entry)
                done.append(f"checkpoints/{name}: removed a copy that was only half written")
            else:
                _clear(entry, target)
                done.append(f"checkpoints/{name}: removed a copy that was left from a save that was cut off")
    return done


def _leftovers(target: Path) -> list[Path]:
    """What interrupted saves of the bundle `target` left beside it; one that was put aside comes first."""
    try:
        names = sorted(entry.name for entry in os.scandir(target.parent))
    except OSError:
        return []
    # Behind the prefix stand a process and maybe a number, neither of which has a point in it.
    wanted = re.compile(
        rf"({re.escape(_STAGING)}\d+|{re.escape(_SWAPPED)}\d+\.[0-9a-f]+)\.{re.escape(target.name)}"
    )
    aside = f"{_ASIDE}{target.name}"
    return [target.parent / name for name in (aside, *filter(wanted.fullmatch, names)) if name in names]


def _clear(folder: Path, target: Path) -> None:
    """Remove a whole bundle that is left of a save, after what a person had in it went on to `target`."""
    if os.path.lexists(folder):
        move_on(folder, target, OURS | _listed(folder) | _listed(target))


def _listed(folder: Path) -> set[str]:
    """The files that the manifest of a bundle names."""
    try:
        files = read_json_object(folder / MANIFEST).get("files")
    except UserError:
        return set()
    return set(files) if isinstance(files, dict) else set()
