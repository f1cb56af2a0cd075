"""The lines of words below a chart: what the values are, at the cursor or without one the latest, and the mark there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from mypt import text
from mypt.plotting.clock import moment_label
from tui.chart import ink
from tui.chart.cursor import Cursor, mark_at
from tui.chart.legend import NAME_WIDTHS, VALUE_CELLS, names_of
from tui.chart.model import Axis, ChartData, Curve, Mark
from tui.chart.raster import Run
from tui.chart.scale import value_label
from tui.names import clipped

_HEAD_CELLS: dict[Axis, int] = {"step": 14, "tokens": 30, "time": 26, "clock": 34}
_WIDEST_NAME = 24
# With steps beside the values names are not shorter than this; the steps have so many cells.
_READABLE, _AT_CELLS = 14, 8
# Less of a mark says nothing.
_LEAST_MARK = 16
_INDENT = "  "


class _Said(NamedTuple):
    """A curve's label, its value and its ink."""

    label: str
    value: Value
    ink: int


def readout_lines(data: ChartData, axis: Axis, width: int) -> int:
    """Whether all that a cursor may find needs one line or two. Not where the cursor is: the plot holds still."""
    seen = _seen(data)
    names = names_of(data, _WIDEST_NAME)
    values = _HEAD_CELLS[axis] + sum(3 + cell_len(names[c.label]) + VALUE_CELLS for _, c in seen)
    marks = sorted((m for m in data.marks if m.kind != "best"), key=lambda m: -len(m.text))[:4]
    longest = max((3 + cell_len(_said(mark)) for mark in marks), default=0)
    return 1 if values + longest <= width else 2


def readout(
    data: ChartData, axis: Axis, cursor: Cursor | None, reach: float, width: int, lines: int = 1
) -> list[list[Run]]:
    """What the values are: at the cursor, or without one the latest; with the mark that stands there.

    `reach` is half a cell in units of the axis. Where the lines are too short, what says least is left out first; no
    value is ever there as that of another step: without a cursor the latest ones go by that word.
    """
    for head, values, mark, left in _ways(data, axis, cursor, reach, width, lines):
        found = _flow(head, values, mark, left, width, lines)
        if found is not None:
            return found
    return [[("┃ " if cursor else _INDENT, ink.CURSOR)]]


Way = tuple[list[Run], list[list[Run]], list[Run], int]
"""The head, the values, the mark, and how many values are left out."""


def _ways(
    data: ChartData, axis: Axis, cursor: Cursor | None, reach: float, width: int, lines: int
) -> Iterator[Way]:
    """What can be said, from all of it to the place alone."""
    said = _values(data, axis, cursor, reach, width * lines)
    full = [_value(each, at=True) for each in said]
    plain = [_value(each, at=False) for each in said]
    if cursor is None:
        head = [(_INDENT, ink.BLANK), (_latest(data), ink.LABEL)]
        gold = _last_gold(data)
        for mark in _marks(gold, at=True):
            yield head, full, mark, 0
        # Nobody asked for the mark: the values come first.
        yield head, full, [], 0
        head = [(_INDENT, ink.BLANK), ("latest" if said else "", ink.LABEL)]
        for kept in range(len(plain), -1, -1):
            yield head, plain[:kept], [], len(plain) - kept
        return
    place, short = (
        [("┃ ", ink.CURSOR), (words, ink.STRONG)]
        for words in (_place(data, axis, cursor), f"step {text.whole(cursor.step)}")
    )
    marks = _marks(mark_at(data, axis, cursor.x, reach), at=False)
    for mark in marks:
        yield place, full, mark, 0
    yield short, full, marks[-1], 0
    # Values come before the steps that they are of.
    for kept in range(len(plain), 0, -1):
        yield short, plain[:kept], marks[-1], len(plain) - kept
    if marks[-1]:
        words, own = marks[-1][0]
        more = len(f"  +{len(plain) - 1}") if len(plain) > 1 else 0
        beside = width * lines - _width(short, *plain[:1]) - more - 6
        alone = width - _width(short) - 3
        for values, room, least in ((plain[:1], beside, _LEAST_MARK), (plain[:0], alone, 4)):
            if room >= least:
                cut = clipped(words, min(room, width - len(_INDENT)))
                yield short, values, [(cut, own)], len(plain) - len(values) if values else 0
    yield short, [], [], 0


def _flow(
    head: list[Run], values: Sequence[list[Run]], mark: list[Run], left: int, width: int, lines: int
) -> list[list[Run]] | None:
    """All of it one after the other over so many lines; None where it is too long for them."""
    more: list[Run] = [(f"+{left}", ink.LABEL)] if left else []
    parts = [(part, "  " if place else " │ ") for place, part in enumerate([*values, more]) if part]
    if mark:
        parts.append((mark, " │ "))
    flowing = [list(head)]
    for part, between in parts:
        if _width(flowing[-1], part) + len(between) <= width:
            flowing[-1] += [(between, ink.AXIS), *part]
        else:
            flowing.append([(_INDENT, ink.BLANK), *part])
    return flowing if len(flowing) <= lines and all(_width(line) <= width for line in flowing) else None


def _seen(data: ChartData) -> list[tuple[int, Curve]]:
    return [(n, curve) for n, curve in enumerate(data.curves) if curve.visible and not curve.quiet]


def _values(data: ChartData, axis: Axis, cursor: Cursor | None, reach: float, room: int) -> list[_Said]:
    """For each curve that is seen its label, its value and its ink.

    How long the labels are does not depend on the cursor: a name that changed with each step of it could not be read.
    """
    latest = _latest_step(data) if cursor is None else None
    seen = _seen(data)
    curves = [curve for _, curve in seen]
    names = _names(data, curves, room)
    values = ((n, curve, value_of(curve, axis, cursor, reach, latest)) for n, curve in seen)
    return [_Said(names[curve.label], value, ink.of_curve(n)) for n, curve, value in values if value]


def _names(data: ChartData, curves: Sequence[Curve], room: int) -> Mapping[str, str]:
    """The widest names with which the values have room, with their steps too where names can be read beside these."""
    widths = [width for width in NAME_WIDTHS if width <= _WIDEST_NAME]
    for least, value in ((_READABLE, VALUE_CELLS + _AT_CELLS), (widths[-1], VALUE_CELLS)):
        for most in (width for width in widths if width >= least):
            names = names_of(data, most)
            cells = sum(3 + cell_len(names[curve.label]) + value for curve in curves)
            if _HEAD_CELLS["step"] + cells <= room:
                return names
    return names


def _value(said: _Said, *, at: bool) -> list[Run]:
    return [(f"{said.label} ", ink.LABEL), (said.value.text + (said.value.at if at else ""), said.ink)]


def _width(*parts: list[Run]) -> int:
    return sum(cell_len(run) for part in parts for run, _ in part)


def _latest(data: ChartData) -> str:
    step = _latest_step(data)
    return "" if step is None else f"step {text.whole(int(step))}"


def _latest_step(data: ChartData) -> float | None:
    steps = [p.step for _, curve in _seen(data) if (p := curve.column.last())]
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


def _marks(mark: Mark | None, *, at: bool) -> list[list[Run]]:
    """What a mark says, in full and in brief."""
    if mark is None:
        return [[]]
    step = f" at {text.whole(int(mark.step))}" if at else ""
    return [[(f"{_said(mark, brief=brief)}{step}", ink.OF_MARK[mark.kind])] for brief in (False, True)]


def _said(mark: Mark, *, brief: bool = False) -> str:
    said = text.printable(mark.brief if brief and mark.brief else mark.text, newline=False)
    if mark.kind == "phase" and not said.startswith(mark.kind):
        said = f"phase {said}" if said else "phase"
    said = said or ("resume" if mark.kind == "resume" else "")
    sign = ink.SIGNS[mark.kind]
    return said if said.startswith(sign) else f"{sign} {said}"


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
