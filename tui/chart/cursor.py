"""Where the cursor may stand: on points and marks, a cell or more apart. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from mypt.watch.column import Column, Point
from mypt.watch.places import Axis
from tui.chart.model import ChartData, Mark
from tui.chart.scale import Scale

# So many cells is "near" when the cursor looks for the first curve's next point.
_NEAR = 8


class Cursor(NamedTuple):
    """The cursor's place: x on the chart's axis, and the step of the point it stands on."""

    x: float
    step: int


def columns_of(data: ChartData) -> list[Column]:
    """The columns that are seen and have points, the most important first."""
    return [curve.column for curve in data.curves if curve.visible and not curve.quiet and len(curve.column)]


def snap(data: ChartData, axis: Axis, x: float, reach: float) -> Cursor | None:
    """The place to stand on near `x`: within `reach` a gold, blocked or notice mark, else a point of the first curve that has
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
    marks = [m for m in data.marks if m.kind in ("gold", "blocked", "notice") and abs(m.x(axis) - x) <= reach]
    if marks:
        mark = min(marks, key=lambda m: abs(m.x(axis) - x))
        return Cursor(mark.x(axis), int(mark.step))
    for column in columns_of(data):
        point = column.nearest(axis, x)
        if point and abs(point.x(axis) - x) <= reach:
            return _at(point, axis)
    return None


def moved(data: ChartData, axis: Axis, x: float, scale: Scale, cells: int, by: int) -> Cursor | None:
    """The place `by` cells from `x` (to the left where negative), or the next point beyond; at the end the last one.

    The first curve's points come first: one cell at a time goes on to its next point where that is near, since a
    place between two evaluations says little.
    """
    width = (scale.hi - scale.lo) / max(cells, 1)
    centre = scale.lo + (math.floor((x - scale.lo) / width) + by + 0.5) * width
    columns = columns_of(data)
    # Anything nearer to x than this edge is in x's own cell.
    edge = centre - math.copysign(width / 2, by)
    edge = max(edge, math.nextafter(x, math.inf)) if by > 0 else min(edge, math.nextafter(x, -math.inf))
    if abs(by) == 1 and columns:
        point = _beyond(columns[0], axis, edge, by)
        if point and abs(point.x(axis) - x) <= _NEAR * width:
            return within_reach(data, axis, point.x(axis), 0.0)
    there = within_reach(data, axis, centre, width * max(abs(by) - 1, 1) / 2)
    if there and there.x != x and (there.x > x) == (by > 0):
        return there
    beyond = [p for p in (_beyond(column, axis, edge, by) for column in columns) if p]
    if not beyond:
        beyond = [p for p in (c.last() if by > 0 else c.first() for c in columns) if p]
        by = -by
    if not beyond:
        return None
    return _at((min if by > 0 else max)(beyond, key=lambda p: p.x(axis)), axis)


def _beyond(column: Column, axis: Axis, edge: float, by: int) -> Point | None:
    return column.at_or_after(axis, edge) if by > 0 else column.at_or_before(axis, edge)


def translated(data: ChartData, x: float, before: Axis, after: Axis) -> float | None:
    """`x` on the axis `before` as a position on `after`, by way of the nearest point of the first curve."""
    for column in columns_of(data):
        point = column.nearest(before, x)
        if point:
            return point.x(after)
    return None


def mark_at(data: ChartData, axis: Axis, x: float, reach: float) -> Mark | None:
    """The mark to speak of at `x`: the nearest within `reach`; where several are, what speaks of a loss before the rest."""
    order = ("notice", "blocked", "gold", "forecast", "phase", "resume", "best")
    near = [m for m in data.marks if m.kind != "best" and abs(m.x(axis) - x) <= reach]
    return min(near, key=lambda m: (abs(m.x(axis) - x), order.index(m.kind)), default=None)


def _at(point: Point, axis: Axis) -> Cursor:
    return Cursor(point.x(axis), point.step)
