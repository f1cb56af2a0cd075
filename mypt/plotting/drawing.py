"""What is drawn: curves over columns, marks on them, and a view; and what every drawing must know of them first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mypt.plotting.clock import clock_ticks
from mypt.plotting.scale import Scale, Tick, x_scale, x_ticks, y_scale
from mypt.watch.clock import Clock
from mypt.watch.column import Bucket, Column
from mypt.watch.places import Axis

AXIS_NAMES: dict[Axis, str] = {"step": "steps", "tokens": "tokens", "time": "time", "clock": "clock"}


class Curve(Protocol):
    """A line, as the dashboard's chart and `Line` have it."""

    @property
    def label(self) -> str:
        """What the legend calls it."""

    @property
    def color(self) -> str:
        """A name of the palette."""

    @property
    def column(self) -> Column:
        """Its points."""

    @property
    def dim(self) -> bool:
        """Whether it steps back."""

    @property
    def dashed(self) -> bool:
        """Whether it has gaps."""

    @property
    def quiet(self) -> bool:
        """Whether it only backs another, and is not in the legend."""


class Mark(Protocol):
    """What happened at a place: kinds "gold", "blocked" and "notice" (at `y`), "phase", "resume", "best", "forecast"."""

    @property
    def kind(self) -> str:
        """One of the kinds above."""

    @property
    def y(self) -> float | None:
        """Its value, where it has one."""

    @property
    def text(self) -> str:
        """What it says."""

    @property
    def low(self) -> float | None:
        """From here, of a forecast."""

    @property
    def high(self) -> float | None:
        """To here, of a forecast."""

    def x(self, axis: Axis) -> float:
        """The position on `axis`."""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: `color` is a name of the palette, `run` and `name` tell whose it is and of what."""

    label: str
    color: str
    column: Column
    dim: bool = False
    dashed: bool = False
    quiet: bool = False
    run: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """A mark, as `Mark` says, at its place on each axis (updates, tokens, seconds)."""

    kind: str
    step: float
    tokens: float
    time: float
    y: float | None = None
    text: str = ""
    low: float | None = None
    high: float | None = None
    run: str = ""

    def x(self, axis: Axis) -> float:
        """The position on `axis`."""
        if axis == "step":
            return self.step
        return self.tokens if axis == "tokens" else self.time


@dataclass(frozen=True, slots=True)
class View:
    """How it is looked at: along which axis, log y or not, and which stretch of the axis (None: all).

    `clock` is that of the run, for the axis "clock"; without one the seconds of training are written.
    """

    axis: Axis = "step"
    log_y: bool = False
    window: tuple[float, float] | None = None
    clock: Clock = Clock()  # noqa: RUF009, a plain empty tuple


def window_of(curves: Sequence[Curve], view: View) -> tuple[float, float] | None:
    """The stretch of the axis that is seen: all that the curves cover, or the view's part of it; None without points."""
    firsts = [p.x(view.axis) for c in curves if (p := c.column.first())]
    lasts = [p.x(view.axis) for c in curves if (p := c.column.last())]
    if not firsts:
        return None
    lo, hi = min(firsts), max(lasts)
    if view.window is not None:
        return view.window[0], min(view.window[1], max(hi, view.window[0]))
    return (0.0 if 0 < lo < 0.1 * hi else lo, hi)


def scales(
    curves: Sequence[Curve], marks: Sequence[Mark], view: View, buckets: int
) -> tuple[Scale, Scale] | None:
    """The scales for x and y that hold the curves in the view; None where no curve has a point.

    A few points far above all others (the loss before the first update, a spike) are not cut off: what is drawn is
    what was measured. `log_y` does so much better justice to them.
    """
    window = window_of(curves, view)
    if window is None:
        return None
    x = x_scale(*window)
    ys: list[float] = []
    for curve in curves:
        if not view.log_y:
            ys += curve.column.bounds(view.axis, *window) or ()
        else:
            seen = curve.column.sample(view.axis, *window, buckets)
            ys += [y for b in seen if x.lo <= b.x0 <= x.hi for y in (b.low, b.high)]
    for mark in marks:
        if mark.kind == "forecast" and x.lo <= mark.x(view.axis) <= x.hi:
            ys += [y for y in (mark.low, mark.high) if y is not None]
    return x, y_scale(ys, view.log_y)


def ticks_along(view: View, x: Scale, columns: int, calm: int) -> list[Tick]:
    """Round values along the x axis, as `x_ticks` has them, written as the view's axis is."""
    if view.axis == "clock" and view.clock.begins:
        return clock_ticks(x, columns, view.clock, calm)
    return x_ticks(x, columns, view.axis in ("time", "clock"), calm=calm)


def strokes(curve: Curve, x: Scale, y: Scale, axis: Axis, buckets: int) -> list[list[tuple[float, float]]]:
    """The curve as lines of places, at most `buckets` spikes wide, broken at gaps and at what a log axis cannot show.

    (0, 0) is the lower left of the picture and (1, 1) the upper right; what lies outside stays within one more picture,
    so that lines to it leave at the edge.
    """
    lines: list[list[tuple[float, float]]] = [[]]
    across, up = x.mapper(1), y.mapper(1)
    for bucket in curve.column.sample(axis, x.lo, x.hi, buckets):
        for at, value in _corners(bucket):
            place = up(value)
            # Written so that NaN breaks the line.
            if -math.inf < value < math.inf and place == place:
                lines[-1].append((min(max(across(at), -1.0), 2.0), min(max(place, -1.0), 2.0)))
            else:
                lines.append([])
        if bucket.gap and bucket.x0 != bucket.x1:
            lines.append([])
    return [line for line in lines if line]


def _corners(bucket: Bucket) -> list[tuple[float, float]]:
    if bucket.x0 == bucket.x1 and bucket.low == bucket.high:
        return [(bucket.x0, bucket.first)]
    middle = (bucket.x0 + bucket.x1) / 2
    corners = [
        (bucket.x0, bucket.first),
        (middle, bucket.low),
        (middle, bucket.high),
        (bucket.x1, bucket.last),
    ]
    # The first or last point may be the gap itself; what is finite between them is drawn.
    return [corner for corner in corners if corner[1] == corner[1]] or [(bucket.x0, math.nan)]


def shown_marks(marks: Sequence[Mark], axis: Axis, x: Scale, least: float) -> list[tuple[Mark, bool]]:
    """The marks in the window, and whether each is the latest gold of its run.

    Golds nearer than `least` to a later one are left out: while a run improves at every evaluation its stars would hide
    the curve.
    """
    out = [(mark, False) for mark in marks if mark.kind != "gold" and x.lo <= mark.x(axis) <= x.hi]
    kept: dict[str, list[float]] = {}
    stars: list[tuple[Mark, bool]] = []
    for mark in sorted((m for m in marks if m.kind == "gold"), key=lambda m: -m.x(axis)):
        run, at = getattr(mark, "run", ""), mark.x(axis)
        latest = run not in kept
        others = kept.setdefault(run, [])
        if not x.lo <= at <= x.hi or mark.y is None or not math.isfinite(mark.y):
            continue
        if all(abs(at - other) >= least for other in others):
            others.append(at)
            stars.append((mark, latest))
    return out + stars[::-1]
