"""Where the cursor may stand: on points and marks, a cell or more apart. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from mypt.watch.column import Axis, Column, Point
from tui.chart.model import ChartData, Mark
from tui.chart.scale import Scale


class Cursor(NamedTuple):
    """The cursor's place: x on the chart's axis, and the step of the point it stands on."""

    x: float
    step: int


def columns_of(data: ChartData) -> list[Column]:
    """The columns that are seen and have points, the most important first."""
    return [curve.column for curve in data.curves if curve.visible and len(curve.column)]


def snap(data: ChartData, axis: Axis, x: float, reach: float) -> Cursor | None:
    """The place to stand on near `x`: within `reach` a gold or blocked mark, else a point of the first curve that has
    one there; beyond it the nearest point of any. None without points.
    """
    within = within_reach(data, axis, x, reach)
    if within:
        return within
    points = [p for p in (column.nearest(axis, x) for column in columns_of(data)) if p]
    if not points:
        return None
    return _at(min(points, key=lambda p: abs(p.x(axis) - x)), axis)


def within_reach(data: ChartData, axis: Axis, x: float, reach: float) -> Cursor | None:
    """As `snap`, but None where neither a mark nor a point lies within `reach`."""
    marks = [m for m in data.marks if m.kind in ("gold", "blocked") and abs(m.x(axis) - x) <= reach]
    if marks:
        mark = min(marks, key=lambda m: abs(m.x(axis) - x))
        return Cursor(mark.x(axis), int(mark.step))
    for column in columns_of(data):
        point = column.nearest(axis, x)
        if point and abs(point.x(axis) - x) <= reach:
            return _at(point, axis)
    return None


def moved(data: ChartData, axis: Axis, x: float, scale: Scale, cells: int, by: int) -> Cursor | None:
    """The place `by` cells from `x` (to the left where negative), or the next point beyond; at the end the last one."""
    width = (scale.hi - scale.lo) / max(cells, 1)
    centre = scale.lo + (math.floor((x - scale.lo) / width) + by + 0.5) * width
    there = within_reach(data, axis, centre, width / 2)
    if there and (there.x > x) == (by > 0):
        return there
    columns = columns_of(data)
    edge = centre + math.copysign(width / 2, -by)
    if by > 0:
        beyond = [
            p for p in (c.at_or_after(axis, max(edge, math.nextafter(x, math.inf))) for c in columns) if p
        ]
        ends = [p for p in (c.last() for c in columns) if p]
        nearest = min(beyond, key=lambda p: p.x(axis), default=None)
        furthest = max(ends, key=lambda p: p.x(axis), default=None)
    else:
        beyond = [
            p for p in (c.at_or_before(axis, min(edge, math.nextafter(x, -math.inf))) for c in columns) if p
        ]
        ends = [p for p in (c.first() for c in columns) if p]
        nearest = max(beyond, key=lambda p: p.x(axis), default=None)
        furthest = min(ends, key=lambda p: p.x(axis), default=None)
    point = nearest or furthest
    return _at(point, axis) if point else None


def translated(data: ChartData, x: float, before: Axis, after: Axis) -> float | None:
    """`x` on the axis `before` as a position on `after`, by way of the nearest point of the first curve."""
    for column in columns_of(data):
        point = column.nearest(before, x)
        if point:
            return point.x(after)
    return None


def mark_at(data: ChartData, axis: Axis, x: float, reach: float) -> Mark | None:
    """The mark to speak of at `x`: the nearest within `reach`; where several are, blocked and gold before the rest."""
    order = ("blocked", "gold", "phase", "resume", "best")
    near = [m for m in data.marks if m.kind != "best" and abs(m.x(axis) - x) <= reach]
    return min(near, key=lambda m: (abs(m.x(axis) - x), order.index(m.kind)), default=None)


def _at(point: Point, axis: Axis) -> Cursor:
    return Cursor(point.x(axis), point.step)
