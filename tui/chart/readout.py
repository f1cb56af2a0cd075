"""The two lines of words at a chart: the legend above it and the readout below. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.cells import cell_len

from mypt import text
from mypt.plotting.clock import moment_label
from tui.chart import ink
from tui.chart.cursor import Cursor, mark_at
from tui.chart.model import Axis, ChartData, Curve, Mark
from tui.chart.raster import Run
from tui.chart.scale import value_label
from tui.names import clipped


class Legend(NamedTuple):
    """The runs of the legend, and for each curve in it (first cell, cell after the last, key)."""

    runs: list[Run]
    spots: list[tuple[int, int, str]]


def legend(
    data: ChartData,
    width: int,
    indent: int,
    state: str,
    ascii_only: bool,
    *,
    numbered: bool = False,
    value: Callable[[Curve], str | None] | None = None,
) -> Legend:
    """One line: each curve's sample and label, as many as fit, and at the right end `state`.

    `numbered` puts the digit before it that hides or shows it; `value` says what its value is, where there is no
    readout for that.
    """
    runs: list[Run] = [(" " * indent, ink.BLANK)]
    spots: list[tuple[int, int, str]] = []
    used = indent
    room = width - (cell_len(state) + 2 if state and width >= 60 else 0)
    told = [(number, curve) for number, curve in enumerate(data.curves) if not curve.quiet]
    for place, (number, curve) in enumerate(told):
        own = ink.of_curve(number) if curve.visible else ink.FAINT
        digit = str(place + 1) if numbered and place < 9 and len(told) > 1 else ""
        sample = _sample(curve, number, ascii_only)
        label = clipped(text.printable(curve.label, newline=False), 24)
        said = (value(curve) if value and curve.visible else None) or ""
        size = cell_len(digit) + cell_len(sample) + 1 + cell_len(label) + (1 + cell_len(said) if said else 0)
        left = len(told) - place - 1
        more = len(f"+{left}") + 2 if left else 0
        if used + size + more > room:
            runs.append((f"+{left + 1}", ink.LABEL))
            used += len(f"+{left + 1}")
            break
        runs += [(digit, ink.FAINT), (sample, own), (" " + label, own if curve.visible else ink.FAINT)]
        runs += [(" " + said, ink.STRONG)] if said else []
        runs.append(("  ", ink.BLANK))
        spots.append((used, used + size, curve.key))
        used += size + 2
    if state and room < width:
        runs += [(" " * max(width - used - cell_len(state), 0), ink.BLANK), (state, ink.LABEL)]
    return Legend(runs, spots)


def readout(data: ChartData, axis: Axis, cursor: Cursor | None, reach: float, width: int) -> list[Run]:
    """What the values are: at the cursor, or without one the latest; with the mark that stands there.

    `reach` is half a cell in units of the axis. Where the line is too long values are left out from the end, so that
    position and mark stay.
    """
    if cursor is None:
        place, mark = _latest(data), _last_gold(data)
    else:
        place, mark = _place(data, axis, cursor), mark_at(data, axis, cursor.x, reach)
    head: list[Run] = [("┃ " if cursor else "  ", ink.CURSOR), (place, ink.STRONG if cursor else ink.LABEL)]
    tail: list[Run] = []
    if mark:
        tail = [(" │ ", ink.AXIS), (_said(mark, at=cursor is None), ink.OF_MARK[mark.kind])]
    said = _values(data, axis, cursor, reach)
    values = [[*label, (f"{value.text}{value.at}", own)] for label, value, own in said]
    if cursor is None and _width(head, *values, tail) > width:
        # Nobody asked for the mark: the values come first.
        tail, mark = [], None
    if _width(head, *values, tail) > width:
        # Values come before the steps that they are of.
        values = [[*label, (value.text, own)] for label, value, own in said]
    while values and _width(head, *values, tail) > width and (len(values) > 1 or mark is None):
        values.pop()
    if _width(head, *values, tail) > width and tail:
        room = width - _width(head, *values) - 3
        if room < 16 and values:
            values.clear()
            room = width - _width(head) - 3
        tail = [tail[0], (clipped(tail[1][0], room), tail[1][1])] if room > 3 else []
    return [*head, *(run for value in values for run in value), *tail]


def _values(
    data: ChartData, axis: Axis, cursor: Cursor | None, reach: float
) -> list[tuple[list[Run], Value, int]]:
    """For each curve that is seen its label, its value and its ink."""
    latest = _latest_step(data) if cursor is None else None
    values: list[tuple[list[Run], Value, int]] = []
    for number, curve in enumerate(data.curves):
        if curve.visible and not curve.quiet and (value := value_of(curve, axis, cursor, reach, latest)):
            label = clipped(text.printable(curve.label, newline=False), 24)
            between = "  " if values else " │ "
            values.append(([(between, ink.AXIS), (f"{label} ", ink.LABEL)], value, ink.of_curve(number)))
    return values


def _sample(curve: Curve, number: int, ascii_only: bool) -> str:
    if ascii_only:
        return ink.ascii_of_curve(number) * 2
    return "╍╍" if curve.dashed else "━━"


def _width(*parts: list[Run]) -> int:
    return sum(cell_len(run) for part in parts for run, _ in part)


def _latest(data: ChartData) -> str:
    step = _latest_step(data)
    return "" if step is None else f"step {text.whole(int(step))}"


def _latest_step(data: ChartData) -> float | None:
    steps = [p.step for c in data.curves if c.visible and not c.quiet and (p := c.column.last())]
    return max(steps, default=None)


def _place(data: ChartData, axis: Axis, cursor: Cursor) -> str:
    step = f"step {text.whole(cursor.step)}"
    if axis == "tokens":
        return f"{step} · {text.count(cursor.x)} tokens"
    if axis == "clock" and (moment := data.clock.at(cursor.x)) is not None:
        return f"{step} · {moment_label(moment)}"
    return f"{step} · {text.duration(cursor.x)}" if axis in ("time", "clock") else step


def _last_gold(data: ChartData) -> Mark | None:
    return max((m for m in data.marks if m.kind == "gold"), key=lambda m: m.step, default=None)


def _said(mark: Mark, at: bool) -> str:
    said = text.printable(mark.text, newline=False)
    if mark.kind in ("phase", "resume") and not said.startswith(mark.kind):
        said = f"{mark.kind} {said}" if said else mark.kind
    sign = ink.SIGNS[mark.kind]
    said = said if said.startswith(sign) else f"{sign} {said}"
    return f"{said} at {text.whole(int(mark.step))}" if at else said


class Value(NamedTuple):
    """What a curve is, and " at " the step of that where it is not the one that is asked for."""

    text: str
    at: str = ""


def value_of(
    curve: Curve, axis: Axis, cursor: Cursor | None, reach: float, latest: float | None = None
) -> Value | None:
    """What the curve was last known to be at the cursor; without one its end, where others may go on to `latest`. A dash
    where it does not reach so far; None where it has no point at all.
    """
    column = curve.raw or curve.column
    shown = curve.format or value_label
    last = column.last()
    if last is None:
        return None
    if cursor is None:
        return Value(shown(last.y), "" if latest is None or last.step >= latest else _at(last.step))
    first, margin = column.first(), 2 * reach
    if first and not first.x(axis) - margin <= cursor.x <= last.x(axis) + margin:
        return Value("–")
    point = column.nearest(axis, cursor.x)
    if point is not None and abs(point.x(axis) - cursor.x) > margin:
        # What comes later was not known then.
        point = column.at_or_before(axis, cursor.x) or point
        return Value(shown(point.y), _at(point.step))
    return Value(shown(point.y)) if point is not None else None


def _at(step: float) -> str:
    return f" at {text.whole(int(step))}"
