"""From the histories of runs to the curves and marks that are drawn: which ones, how they are called and coloured."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mypt.errors import Problem, UserError
from mypt.plotting.drawing import Line, Sign
from mypt.plotting.palette import series
from mypt.plotting.scale import value_label
from mypt.text import loss, printable, rate, whole
from mypt.watch.column import Column
from mypt.watch.history import RunHistory
from mypt.watch.marks import Mark
from mypt.watch.smooth import Smoothed

# `train` is the name of old for the loss of the batches; what a person reads says which loss it is.
_BATCH, _TRAIN_OF_EVALS = "batch", "train_eval"
_NO_LOSSES = frozenset({"lr", "grad_norm", "tokens_per_sec", "mfu", "memory"})
_MOST_PHASES = 6


class Chosen(NamedTuple):
    """What is drawn, and the columns it is from by run and by the curve's name, for a table of numbers."""

    lines: list[Line]
    signs: list[Sign]
    columns: dict[str, dict[str, Column]]


def choose(runs: Mapping[str, RunHistory], wanted: Sequence[str] = (), smooth: float = 0.0) -> Chosen:
    """The `wanted` curves of some runs, by the labels of the runs.

    An eval set goes by its own name, `train` means the loss of the batches (`batch` means no other) and, where the
    log has none, that of the evaluations. With none wanted: of one run what the dashboard shows (validation, eval sets, training), of several
    the validation losses. One run has a colour a curve, several have a colour a run. `smooth` is a weight of
    `mypt.watch.smooth`; the curve itself then stands dimmed behind. UserError for a curve that no run has.
    """
    have = {label: named_curves(history) for label, history in runs.items()}
    if any("train" in history.curves for history in runs.values()):
        wanted = ["train" if name == _BATCH else name for name in wanted]
    _check(have, wanted)
    several = len(runs) > 1
    lines: list[Line] = []
    columns: dict[str, dict[str, Column]] = {}
    for number, (label, curves) in enumerate(have.items()):
        names = [n for n in wanted or (_usual(curves)[:1] if several else _usual(curves)) if n in curves]
        columns[label] = {name: curves[name] for name in names}
        for place, name in enumerate(names):
            if several:
                called = label if len(wanted) <= 1 else f"{label} {_called(name, runs[label])}"
                look = {"color": series(number), "dashed": place > 0}
            else:
                called, look = _called(name, runs[label]), _look(name, place, curves, bool(wanted))
            lines += _line(called, label, name, curves[name], smooth, **look)
    lines.sort(key=lambda line: line.quiet)
    drawn = [name for names in columns.values() for name in names]
    signs = (
        [s for label, history in runs.items() for s in _signs(label, history, several)]
        if "val" in drawn
        else []
    )
    return Chosen(lines, signs, columns)


def named_curves(history: RunHistory) -> dict[str, Column]:
    """A run's curves by the names under which a person asks for them, the losses first."""
    columns = dict(history.curves)
    out = {name: columns.pop(name) for name in ("val",) if name in columns}
    for key in sorted(key for key in columns if key.startswith("eval:")):
        name = key.removeprefix("eval:")
        # A set may be called as one of the other curves is.
        out[key if name in {*columns, *out, "train", _BATCH} else name] = columns.pop(key)
    train = columns.pop("train", None) or columns.get(_TRAIN_OF_EVALS)
    return {**out, **({"train": train} if train is not None else {}), **columns}


def summary(chosen: Chosen) -> list[list[str]]:
    """The rows of a small table below a chart: curve, its last value, of a loss the lowest, and at which step."""
    rows = [["curve", "last", "at step", "lowest", "at step", "gold"]]
    labels = {(line.run, line.name): line.label for line in chosen.lines}
    for run, curves in chosen.columns.items():
        golds = [sign for sign in chosen.signs if sign.kind == "gold" and sign.run == run]
        for name, column in curves.items():
            last, best = column.last(), column.best() if is_loss(name) else None
            gold = golds[-1] if golds and name == "val" else None
            rows.append(
                [
                    printable(labels[run, name], newline=False),
                    said(name, last.y) if last else "",
                    whole(last.step) if last else "",
                    said(name, best.y) if best else "",
                    whole(best.step) if best else "",
                    f"★ {loss(gold.y)} at {whole(round(gold.step))}" if gold else "",
                ]
            )
    return rows


def notes(chosen: Chosen) -> list[str]:
    """What the signs on the chart mean: phases, refused golds with the reason of the last, notices, resumes; a line each."""
    out = []
    phases = [s for s in chosen.signs if s.kind == "phase"]
    for sign in phases[-_MOST_PHASES:]:
        out.append(f"┊ phase {sign.text} from step {whole(round(sign.step))}")
    blocked = [s for s in chosen.signs if s.kind == "blocked"]
    if blocked:
        times = "once" if len(blocked) == 1 else f"{len(blocked)} times, last"
        out.append(f"✕ gold blocked {times} at step {whole(round(blocked[-1].step))}: {blocked[-1].text}")
    notices = [s for s in chosen.signs if s.kind == "notice"]
    if len(notices) > _MOST_PHASES:
        out.append(f"▲ {len(notices) - _MOST_PHASES} notices before these")
    for sign in notices[-_MOST_PHASES:]:
        out.append(f"▲ step {whole(round(sign.step))}: {sign.text}")
    resumes = [s for s in chosen.signs if s.kind == "resume"]
    if resumes:
        steps = ", ".join(whole(round(s.step)) for s in resumes[-_MOST_PHASES:])
        out.append(f"↻ resumed at step {steps}")
    return [printable(line, newline=False) for line in out]


def is_loss(name: str) -> bool:
    """Whether lower is better: so for all but what is measured of the machine and the optimizer."""
    return name not in _NO_LOSSES


def said(name: str, value: float) -> str:
    """A value as this curve's are written."""
    if not math.isfinite(value):
        return str(value)
    if name == "lr":
        return rate(value)
    return value_label(value)


def _called(name: str, history: RunHistory) -> str:
    """The name of a curve for people, who can ask for it by that name too."""
    if name != "train":
        return name
    return _BATCH if "train" in history.curves else _TRAIN_OF_EVALS


def _usual(curves: Mapping[str, Column]) -> list[str]:
    usual = [name for name in curves if name not in _NO_LOSSES and name != _TRAIN_OF_EVALS]
    return usual or list(curves)[:1]


def _look(name: str, place: int, curves: Mapping[str, Column], asked: bool) -> dict[str, object]:
    """Colour and style of a single run's curve: those of the dashboard."""
    if name == "val":
        return {"color": series(0)}
    if name == "train":
        return {"color": series(1), "dim": not asked}
    sets = [n for n in curves if n not in ("val", "train")]
    return {"color": series(2 + sets.index(name)), "dashed": is_loss(name)}


def _line(called: str, run: str, name: str, column: Column, smooth: float, **look: object) -> list[Line]:
    if not smooth:
        return [Line(called, column=column, run=run, name=name, **look)]  # type: ignore[arg-type]
    average = Smoothed(column, smooth)
    average.update()
    behind = {**look, "dim": True, "dashed": False}
    return [
        Line(called, column=average, run=run, name=name, **{**look, "dim": False}),  # type: ignore[arg-type]
        Line(called, column=column, run=run, name=name, quiet=True, **behind),  # type: ignore[arg-type]
    ]


def _signs(label: str, history: RunHistory, several: bool) -> list[Sign]:
    """One run's marks; of several runs the last gold each, since more would hide the curves."""

    def sign(mark: Mark, kind: str, y: float | None) -> Sign:
        text = f"{label}: {mark.text}" if several else mark.text
        return Sign(kind, mark.step, mark.tokens, mark.time, y, text, run=label)

    if several:
        return [sign(mark, "gold", mark.value) for mark in history.golds[-1:]]
    return [
        *(sign(mark, "phase", None) for mark in history.phases),
        *(sign(mark, "resume", None) for mark in history.resumes),
        *(sign(mark, "blocked", mark.value) for mark in history.blocked),
        *(sign(mark, "notice", mark.value) for mark in history.notices),
        *(sign(mark, "gold", mark.value) for mark in history.golds),
    ]


def _check(have: Mapping[str, Mapping[str, Column]], wanted: Sequence[str]) -> None:
    known = list(dict.fromkeys(name for curves in have.values() for name in curves))
    problems = []
    for name in wanted:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        there = f"there are: {', '.join(known)}" if known else "nothing was measured yet"
        remedy = f"did you mean {near[0]}? {there}" if near else there
        problems.append(Problem("no run has such a curve", field="--curves", value=name, remedy=remedy))
    if problems:
        raise UserError(*problems)
