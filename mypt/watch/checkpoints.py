"""The checkpoints of a workspace: every bundle, read again only when it has changed, and whose child each model is."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mypt.bundle import BundleInfo, Kind, read_info, settled, split_name
from mypt.watch.renames import Renamed, present_name

Signature = tuple[tuple[str, int, int], ...]

# How long one listing reads in large files: pieces of each tell whether they are of one save.
_LOOK_S = 0.05


class Bundles:
    """The bundles below one folder. A listing costs a few `stat` calls a bundle where nothing has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[Signature, BundleInfo]] = {}
        self._looked_at: set[str] = set()

    def read(self) -> list[BundleInfo]:
        """Every bundle by name, broken ones included. A missing folder holds none.

        That the files of one are of several saves is found by one of the next listings: each looks into a few.
        """
        try:
            with os.scandir(self.folder) as entries:
                names = sorted(e.name for e in entries if not e.name.startswith(".") and _is_dir(e))
        except OSError:
            names = []
        known: dict[str, tuple[Signature, BundleInfo]] = {}
        for name in names:
            signature = _signature(self.folder / name)
            before = self._known.get(name)
            if before is None or before[0] != signature:
                known[name] = (signature, read_info(self.folder / name))
                self._looked_at.discard(name)
            else:
                known[name] = before
        self._looked_at &= known.keys()
        if self._known:
            self._look_into(known)
        self._known = known
        return [info for _, info in known.values()]

    def _look_into(self, known: dict[str, tuple[Signature, BundleInfo]]) -> None:
        until = time.monotonic() + _LOOK_S
        for name, (signature, info) in known.items():
            if name not in self._looked_at and not info.problem:
                self._looked_at.add(name)
                known[name] = (signature, settled(info.path))
                if time.monotonic() > until:
                    return


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the tree: its bundles by kind, and the models that were fine-tuned from it.

    `bundles` is empty for a base that is not here (any more).
    """

    name: str
    base: str | None = None
    bundles: Mapping[Kind, BundleInfo] = field(default_factory=dict)
    children: tuple[Model, ...] = ()

    @property
    def best_known(self) -> BundleInfo | None:
        """The bundle that stands for the model: the last one, else gold, else fp16; whole ones first."""
        there = [self.bundles[kind] for kind in (Kind.LAST, Kind.GOLD, Kind.FP16) if kind in self.bundles]
        return next((info for info in there if not info.problem), there[0] if there else None)


def base_model(name: str) -> str:
    """The model that a recorded base means: it may be a bundle's name (`dante_gold`) or a path to one."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return split_name(last)[0] or name


def lineage(bundles: Iterable[BundleInfo], renames: Sequence[Renamed] = ()) -> tuple[Model, ...]:
    """The models that have no base, by name, with their fine-tunes below them. Each model is there exactly once.

    A base that was renamed after a fine-tune began is found under its present name.
    """
    grouped: dict[str, dict[Kind, BundleInfo]] = {}
    for info in bundles:
        grouped.setdefault(info.model_name, {})[info.kind] = info
    bases: dict[str, str] = {}
    for name, kinds in grouped.items():
        told = (kinds[kind] for kind in (Kind.LAST, Kind.GOLD, Kind.FP16) if kind in kinds)
        base = next((_present_base(info, renames, grouped) for info in told if info.base), None)
        if base is not None and base != name:
            bases[name] = base
    for name in list(bases):
        _cut_circle(name, bases)
    below: dict[str, list[str]] = {}
    for name, base in bases.items():
        below.setdefault(base, []).append(name)

    # Deepest first and without recursion, since a chain of fine-tunes may be longer than a stack.
    names = {*grouped, *below}
    roots = sorted(names - set(bases))
    order = list(roots)
    for name in order:
        order.extend(sorted(below.get(name, ())))
    made: dict[str, Model] = {}
    for name in reversed(order):
        children = tuple(made[child] for child in sorted(below.get(name, ())))
        made[name] = Model(name, bases.get(name), grouped.get(name, {}), children)
    return tuple(made[name] for name in roots)


def _present_base(info: BundleInfo, renames: Sequence[Renamed], here: Container[str]) -> str:
    name = base_model(info.base or "")
    return present_name(name, _began(info), renames, here) if renames else name


def _began(info: BundleInfo) -> float | None:
    """When the training of this model began, in seconds since the epoch."""
    progress = info.training_state.get("progress")
    stamp = progress.get("started_at") if isinstance(progress, dict) else None
    try:
        return datetime.fromisoformat(stamp).timestamp() if isinstance(stamp, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _cut_circle(name: str, bases: dict[str, str]) -> None:
    """Where `name` descends from itself, forget its base."""
    met = {name}
    at = bases.get(name)
    while at is not None and at not in met:
        met.add(at)
        at = bases.get(at)
    if at == name:
        del bases[name]


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _signature(path: Path) -> Signature:
    try:
        with os.scandir(path) as entries:
            looks = [(e.name, e.stat()) for e in entries]
    except OSError:
        return ()
    return tuple(sorted((name, look.st_size, look.st_mtime_ns) for name, look in looks))
