"""The bundle that somebody names: found, whole, and of one save."""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import replace
from pathlib import Path

from mypt.bundle.documents import read_json_object
from mypt.bundle.imprint import imprint
from mypt.bundle.info import OTHER_SAVE, BundleInfo, list_bundles, read_info
from mypt.bundle.names import CHANGING, CONFIG, MANIFEST, is_path
from mypt.errors import Problem, UserError

_LOOKS = 20


def find(checkpoints: Path, name: str) -> BundleInfo:
    """The whole bundle called `name` (a folder's name, or a path to one). Raises `UserError` with what there is."""
    path, mere = Path(name), not is_path(name)
    if mere and not (checkpoints / name).is_dir() and not (path / CONFIG).is_file():
        there = sorted(b.name for b in list_bundles(checkpoints))
        near = difflib.get_close_matches(name, there, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are: {', '.join(there) or 'none yet'}"
        raise UserError(
            Problem("no such checkpoint in checkpoints/", field="model_name", value=name, remedy=remedy)
        )
    if not mere and not path.exists():
        remedy = f"a mere name, such as {path.name}, is looked for in {checkpoints.name}/"
        raise UserError(Problem("no such folder", field="model_name", value=name, remedy=remedy))
    info = settled(checkpoints / name if mere and (checkpoints / name).is_dir() else path)
    if info.problem:
        what = f"the checkpoint is broken: {info.problem}"
        raise UserError(Problem(what, where=str(info.path), remedy=info.remedy))
    return info


def exists(checkpoints: Path, model_name: str) -> bool:
    """Whether there is a bundle to resume `model_name` from, whole or broken."""
    return (checkpoints / model_name).is_dir()


def settled(path: Path) -> BundleInfo:
    """The bundle in `path`, as `read_info` has it, and its `problem` also where its files are not of one save."""
    for _ in range(_LOOKS):
        before = _inode(path)
        info = read_info(path)
        other = "" if info.problem else _of_another_save(info)
        # A run may have saved between two looks: then each was right.
        if _inode(path) == before:
            break
    return replace(info, problem=f"{other} {OTHER_SAVE}") if other else info


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _of_another_save(info: BundleInfo) -> str:
    """A file of the bundle that another save wrote than the one that wrote its manifest; empty where there is none."""
    if MANIFEST not in info.files:
        return ""
    with contextlib.suppress(UserError, OSError):
        told = read_json_object(info.path / MANIFEST).get("imprints")
        for name, wanted in told.items() if isinstance(told, dict) else ():
            if name in CHANGING and name in info.files and imprint(info.path / name) != wanted:
                return str(name)
    return ""
