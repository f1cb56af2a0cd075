"""Checkpoints that are not wanted any more: their folders are renamed aside, then removed.

A kill in between leaves each bundle whole or gone from the list; what was left aside is removed by whoever comes next.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from mypt import bundle
from mypt.bundle import BundleInfo, Kind, directory_name
from mypt.errors import Problem, RunError, UserError
from mypt.fsio import fsync_dir
from mypt.fsio import replace as move
from mypt.housekeeping import guard
from mypt.housekeeping.aside import GONE, remove, sweep
from mypt.housekeeping.recovery import finish_what_was_cut_off
from mypt.text import printable
from mypt.watch.checkpoints import lineage
from mypt.watch.renames import read_renames


@dataclass(frozen=True, slots=True)
class Part:
    """One bundle that goes: its folder's name, the model that it belongs to, and its bytes."""

    name: str
    model: str
    kind: Kind
    size: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete removes. `fine_tunes` are the models that began with one that then has no checkpoint any more:
    they stay, and have all that they need.
    """

    parts: tuple[Part, ...]
    fine_tunes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes that it gives back."""
        return sum(part.size for part in self.parts)

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose bundles these are."""
        return tuple(dict.fromkeys(part.model for part in self.parts))


def look(
    workspace: Path, names: Sequence[str], only: Collection[Kind] = (), *, exact: bool = False
) -> Deletion:
    """What `delete` would remove. Raises UserError for a name of which there is nothing.

    A model's name means all its bundles (of the kinds in `only`, where some are named), a bundle's own name
    (`dante_gold`) that one. With `exact` every name is that of one bundle.
    """
    there = {info.name: info for info in bundle.list_bundles(workspace / "checkpoints")}
    chosen: dict[str, BundleInfo] = {}
    problems = []
    for name in names:
        found = _meant(name, there, only, exact=exact)
        if not found:
            which = f"no {' or '.join(only)} checkpoint of it" if only else "no such checkpoint"
            remedy = f"there are: {', '.join(there) or 'none'}"
            problems.append(Problem(f"{which} in checkpoints/", field="NAME", value=name, remedy=remedy))
        chosen |= {info.name: info for info in found}
    if problems:
        raise UserError(*problems)
    parts = tuple(Part(i.name, i.model_name, i.kind, _bytes(i)) for i in chosen.values())
    return Deletion(parts, _orphans(workspace, there, chosen))


def delete(
    workspace: Path, names: Sequence[str], only: Collection[Kind] = (), *, exact: bool = False
) -> Deletion:
    """Remove the bundles that `look` finds, and say what that gave back.

    Raises UserError where a name means nothing or somebody trains, queues or saves one of the models (then nothing was
    removed), RunError for a disk that refuses.
    """
    look(workspace, names, only, exact=exact)
    with guard.one_at_a_time(workspace):
        finish_what_was_cut_off(workspace)
        models = look(workspace, names, only, exact=exact).models
        with guard.held(workspace, models):
            for model in models:
                bundle.repair(workspace / "checkpoints", model)
            deletion = look(workspace, names, only, exact=exact)
            _put_aside(workspace / "checkpoints", deletion)
        # Nobody can mistake these for checkpoints, so nobody needs to wait for the disk.
        sweep(workspace / "checkpoints")
    return deletion


def _meant(
    name: str, there: dict[str, BundleInfo], only: Collection[Kind], *, exact: bool
) -> list[BundleInfo]:
    whole = [there[n] for kind in Kind if (n := directory_name(name, kind)) in there]
    own = there.get(name)
    if exact or (own is not None and own.kind is not Kind.LAST):
        whole = [own] if own is not None else []
    return [info for info in whole if not only or info.kind in only]


def _orphans(workspace: Path, there: dict[str, BundleInfo], chosen: Collection[str]) -> tuple[str, ...]:
    left = {info.model_name for name, info in there.items() if name not in chosen}
    gone = {there[name].model_name for name in chosen} - left
    waiting = list(lineage(there.values(), read_renames(workspace)))
    found = []
    for model in waiting:
        waiting.extend(model.children)
        if model.name in gone:
            found += [child.name for child in model.children if child.name not in gone]
    return tuple(found)


def _bytes(info: BundleInfo) -> int:
    """What removing it gives back: of a link to a folder elsewhere only the link goes."""
    if info.path.is_symlink():
        return 0
    total = 0
    for folder, _, files in os.walk(info.path):
        for file in files:
            with contextlib.suppress(OSError):
                look = (Path(folder) / file).lstat()
                # Bytes that another name keeps are not given back.
                total += look.st_size if look.st_nlink == 1 else 0
    return total


def _put_aside(checkpoints: Path, deletion: Deletion) -> None:
    moved: list[tuple[Path, Path]] = []
    for part in deletion.parts:
        place = checkpoints / part.name
        # Hashed, since a name may be as long as a file system takes.
        aside = checkpoints / f"{GONE}{blake2b(os.fsencode(part.name), digest_size=8).hexdigest()}"
        try:
            remove(aside)
            move(place, aside)
        except OSError as error:
            for before, after in reversed(moved):
                move(after, before)
            at = printable(f"checkpoints/{part.name}", newline=False)
            raise RunError(f"{at}: cannot be removed: {error.strerror or error}; all is as it was") from error
        moved.append((place, aside))
    fsync_dir(checkpoints)
