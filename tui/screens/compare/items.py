"""What is compared, and what each of it is in the present picture of the workspace. No widgets here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mypt.bundle import BundleInfo, split_name
from mypt.diff import Side, preset_of, reached, side_of, side_of_run
from mypt.text import printable
from mypt.watch.of_model import Runs
from mypt.watch.run import Run

Presets = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run by its key (`Run.key`), as one of the things that are compared."""

    key: str


Item = str | RunKey
"""A checkpoint by its folder's name, or a run."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One column. `curve` is what its curve is known by: a run and its checkpoints share one, and its colour."""

    label: str
    side: Side
    curve: str
    run: Run | None = None
    #: What is wrong with it, or that it is not here any more; it is shown all the same.
    gone: bool = False
    broken: bool = False


def look_up(
    items: Sequence[Item], bundles: Iterable[BundleInfo], runs: Sequence[Run], presets: Presets
) -> list[Compared]:
    """A column for each item, in their order. `presets` are those that runs name, as far as they are read."""
    there = {info.name: info for info in bundles}
    of_model = Runs(runs)
    by_key = {run.key: run for run in runs}
    found = []
    for item in items:
        if isinstance(item, RunKey):
            found.append(_run(item, by_key.get(item.key), there, of_model, presets))
        else:
            found.append(_checkpoint(item, there.get(item), of_model))
    return found


def numbers(columns: Iterable[Compared]) -> dict[str, int]:
    """A number for each curve among them, in their order: it decides the colour."""
    found: dict[str, int] = {}
    for column in columns:
        found.setdefault(column.curve, len(found))
    return found


def _checkpoint(name: str, info: BundleInfo | None, runs: Runs) -> Compared:
    run = runs.of(split_name(name)[0])
    curve = run.key if run is not None else split_name(name)[0]
    if info is None:
        return Compared(name, Side(name), curve, run, gone=True)
    # The original's bundles say no losses; the log of their run does.
    value = reached(info, run.history if run else None).loss
    return Compared(name, side_of(info, val_loss=value), curve, run, broken=bool(info.problem))


def _run(
    item: RunKey, run: Run | None, there: Mapping[str, BundleInfo], runs: Runs, presets: Presets
) -> Compared:
    if run is None:
        label = printable(item.key, newline=False)
        return Compared(label, Side(label), item.key, gone=True)
    own = there.get(run.name) if runs.of(run.name) is run else None
    side = side_of_run(run, own, presets.get(preset_of(run)))
    return Compared(side.name, side, run.key, run)
