"""From the histories of runs to what a chart shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from mypt.text import count, loss, rate, size
from mypt.watch.column import Column
from mypt.watch.history import RunHistory
from mypt.watch.marks import Mark as Happened
from tui.chart.brief import brief
from tui.chart.model import ChartData, Curve, Mark, MarkKind, series_color

Smooth = Callable[[Column], Column]
"""From a column to the one to draw before it, as `mypt.watch.smooth.Smoothing.of` is."""

#: A few evaluations are means of many batches already: an average over them would hide where the run is.
FEWEST_SMOOTHED = 20

#: Evaluation sets that are no losses: they would press the losses flat, so they are a metric of the second chart.
SCORES = ("accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Metric:
    """What the second chart can show: curves of these names, under a name for people."""

    key: str
    label: str
    format: Callable[[float], str]
    names: tuple[str, ...]


METRICS = (
    Metric("lr", "learning rate", rate, ("lr",)),
    Metric("grad_norm", "grad norm", lambda value: f"{value:.3g}", ("grad_norm",)),
    Metric("tokens_per_sec", "tokens/s", count, ("tokens_per_sec",)),
    Metric("memory", "memory", lambda value: size(round(value)), ("memory",)),
    Metric("mfu", "MFU", lambda value: f"{100 * value:.1f}%", ("mfu",)),
    Metric("scores", "scores", lambda value: f"{value:.4f}", tuple(f"eval:{name}" for name in SCORES)),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A run on the chart. `color` None gives each curve its own; else all have the run's, and differ in how they look."""

    key: str
    label: str
    history: RunHistory
    color: str | None = None


def chart_data(
    history: RunHistory,
    *,
    color: str | None = None,
    val_color: str | None = None,
    smooth: Smooth | None = None,
) -> ChartData:
    """Validation first, then each eval set, then the loss of the batches (where the log has none: on the training data at evaluations), with gold, blocked, notices, phases and resumes marked.

    All curves are in `color` where it is given; else each has its own, validation perhaps `val_color`. With `smooth` long curves are drawn smoothed, and the raw ones stand dimmed behind them.
    """
    columns = history.curves
    curves: list[Curve] = []

    def add(name: str, label: str, place: int, *, dim: bool = False, dashed: bool = False) -> None:
        curves.extend(
            _with_raw(
                Curve(
                    "train" if name == "train_eval" else name,
                    label,
                    color or series_color(place),
                    columns[name],
                    dim=dim,
                    dashed=dashed,
                    format=loss,
                ),
                smooth,
            )
        )

    if "val" in columns:
        add("val", "val", 0)
        curves[:] = [replace(curve, color=color or val_color or curve.color) for curve in curves]
    sets = sorted(name for name in columns if name.startswith("eval:") and name[5:] not in SCORES)
    for number, name in enumerate(sets):
        add(name, name.removeprefix("eval:"), number + 2, dashed=True)
    if "train" in columns:
        add("train", "batch", 1, dim=True)
    elif "train_eval" in columns:
        add("train_eval", "train eval", 1)
    # What backs another curve is drawn first, so it comes last.
    curves.sort(key=lambda curve: curve.quiet)
    marks = [
        *(_mark(m, "gold") for m in history.golds),
        *(_mark(m, "blocked") for m in history.blocked),
        *(_mark(m, "notice") for m in history.notices),
        *(replace(_mark(m, "phase"), y=None) for m in history.phases),
        *(replace(_mark(m, "resume"), y=None) for m in history.resumes),
    ]
    best = history.best
    if best is not None:
        marks.append(Mark(best.step, 0.0, 0.0, best.value, "best", f"best {loss(best.value)}"))
    return ChartData(tuple(curves), tuple(marks), clock=history.clock)


def with_others(data: ChartData, others: Iterable[Shown], smooth: Smooth | None) -> ChartData:
    """`data` with the validation curves (of a run without one: training) of other runs over it, each in its colour."""
    curves = list(data.curves)
    for other in others:
        columns = other.history.curves
        name = next((name for name in ("val", "train", "train_eval") if name in columns), None)
        if name is not None:
            own = Curve(f"run:{other.key}", other.label, other.color or "", columns[name], format=loss)
            curves.extend(_with_raw(own, smooth))
    curves.sort(key=lambda curve: curve.quiet)
    return replace(data, curves=tuple(curves))


def metrics_of(histories: Iterable[RunHistory]) -> list[Metric]:
    """The metrics that at least one of these runs has measured."""
    there = {name for history in histories for name in history.curves}
    return [metric for metric in METRICS if there.intersection(metric.names)]


def metric_data(metric: Metric, runs: Iterable[Shown]) -> ChartData:
    """One metric of the runs, each in its colour; the first run comes first, and names the metric where it has it."""
    curves: list[Curve] = []
    note = metric.label
    for number, run in enumerate(runs):
        there = [name for name in metric.names if name in run.history.curves]
        for place, name in enumerate(there):
            own = metric.label if len(metric.names) == 1 else name.removeprefix("eval:")
            note = "" if number == 0 else note
            label = own if number == 0 else run.label if len(there) == 1 else f"{run.label} {own}"
            color = run.color or series_color(place)
            column = run.history.curves[name]
            key = f"{run.key}:{name}"
            curves.append(Curve(key, label, color, column, dashed=place > 0, format=metric.format))
    return ChartData(tuple(curves), note=note if curves else "")


def _mark(happened: Happened, kind: MarkKind) -> Mark:
    place = (happened.step, happened.tokens, happened.time, happened.value)
    return Mark(*place, kind, happened.text, brief=brief(happened.text))


def _with_raw(curve: Curve, smooth: Smooth | None) -> list[Curve]:
    if smooth is None or len(curve.column) < FEWEST_SMOOTHED:
        return [curve]
    behind = replace(curve, key=f"{curve.key}~raw", dashed=False, quiet=True)
    return [replace(curve, column=smooth(curve.column), raw=curve.column), behind]
