"""The lines above a chart: each curve's sample, in its colour, and its name; at the right end what differs from the plain view. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rich.cells import cell_len

from mypt import text
from tui.chart import ink
from tui.chart.model import ChartData, Curve
from tui.chart.raster import Run
from tui.names import shortened, with_nearest

#: The widths that names may have, the widest that has room for all is taken: in steps, so that they seldom change.
NAME_WIDTHS = (40, 32, 28, 24, 20, 18, 16, 14, 12, 10, 8)
# "train eval" and the like mean nothing in part.
_WHOLE = 10
# A line more is better than names that are shorter.
_READABLE = 14
_STATE_FROM = 60
# A value is counted with so many cells at least: names that gave way to each digit would not hold still.
VALUE_CELLS = 8
_GAP = 2


class Spot(NamedTuple):
    """Where a curve is named: the line of the legend, its first cell and the one after the last."""

    line: int
    start: int
    end: int
    key: str


class Legend(NamedTuple):
    """The runs of each line, and where in them the curves are."""

    lines: list[list[Run]]
    spots: list[Spot]


class Style(NamedTuple):
    """How a legend is written: what it says at the right end, whether in plain signs, and with which values.

    `brief` is the state for where all of it would take the room of names. `numbered` puts the digit before a curve that hides or shows it; `value` says what its value is, where there is no
    readout for that.
    """

    state: str = ""
    ascii_only: bool = False
    numbered: bool = False
    value: Callable[[Curve], str | None] | None = None
    brief: str = ""


def names_of(data: ChartData, width: int) -> Mapping[str, str]:
    """The labels of all curves that are named in at most `width` cells each, by the label; safe for a terminal."""
    safe = {curve.label: text.printable(curve.label, newline=False) for _, curve in told_of(data)}
    short = shortened(with_nearest(frozenset(safe.values()), data.among), width)
    return {
        label: printable if cell_len(printable) <= _WHOLE else short[printable]
        for label, printable in safe.items()
    }


def told_of(data: ChartData) -> list[tuple[int, Curve]]:
    """The curves that are named, each with its number."""
    return [(number, curve) for number, curve in enumerate(data.curves) if not curve.quiet]


def legend_lines(data: ChartData, width: int, indent: int, style: Style, most: int) -> int:
    """So many lines are needed to name every curve readably, `most` at the most."""
    for lines in range(1, most):
        said = _with_room(data, width, indent, style, lines)
        if _name_width(data, width, indent, said, lines, _READABLE):
            return lines
    return max(most, 1)


def legend(data: ChartData, width: int, indent: int, style: Style, lines: int = 1) -> Legend:
    """Every curve in `lines` lines, in shorter names where they have no room else; what still has none is counted."""
    style = _with_room(data, width, indent, style, lines)
    state = style.state
    most = _name_width(data, width, indent, style, lines, NAME_WIDTHS[-1]) or NAME_WIDTHS[-1]
    names = names_of(data, most)
    runs: list[list[Run]] = [[(" " * indent, ink.BLANK)]]
    spots: list[Spot] = []
    used, told = indent, told_of(data)
    for place, (number, curve) in enumerate(told):
        entry = _entry(curve, number, place, len(told), names[curve.label], style)
        size = sum(cell_len(run) for run, _ in entry)
        left = len(told) - place - 1
        last = len(runs) == lines
        more = len(f"+{left}") + _GAP if left and last else 0
        if used + size + more > _room(width, state, len(runs)):
            if not last and used > indent:
                runs.append([(" " * indent, ink.BLANK)])
                used = indent
                more = len(f"+{left}") + _GAP if left and len(runs) == lines else 0
            if used + size + more > _room(width, state, len(runs)):
                runs[-1].append((f"+{left + 1}", ink.LABEL))
                break
        runs[-1] += [*entry, (" " * _GAP, ink.BLANK)]
        spots.append(Spot(len(runs) - 1, used, used + size, curve.key))
        used += size + _GAP
    if state:
        there = sum(cell_len(run) for run, _ in runs[0])
        runs[0] += [(" " * max(width - there - cell_len(state), 0), ink.BLANK), (state, ink.LABEL)]
    return Legend(runs, spots)


def _entry(curve: Curve, number: int, place: int, total: int, name: str, style: Style) -> list[Run]:
    own = ink.of_curve(number) if curve.visible else ink.FAINT
    digit = _digit(place, total, style)
    said = (style.value(curve) if style.value and curve.visible else None) or ""
    entry: list[Run] = [
        (digit, ink.FAINT),
        (_sample(curve, number, style.ascii_only), own),
        (f" {name}", own),
    ]
    return [*entry, (f" {said}", ink.STRONG)] if said else entry


def _digit(place: int, total: int, style: Style) -> str:
    return str(place + 1) if style.numbered and place < 9 and total > 1 else ""


def _name_width(data: ChartData, width: int, indent: int, style: Style, lines: int, least: int) -> int | None:
    """The widest names with which all curves have room in so many lines, None where they are below `least`."""
    told = told_of(data)
    curves = [curve for _, curve in told]
    for most in NAME_WIDTHS:
        if most < least:
            return None
        names = names_of(data, most)
        used, line = indent, 1
        for place, curve in enumerate(curves):
            value = VALUE_CELLS + 1 if style.value and curve.visible else 0
            size = len(_digit(place, len(told), style)) + 3 + cell_len(names[curve.label]) + value
            if used + size > _room(width, style.state, line):
                used, line = indent, line + 1
            used += size + _GAP
            if used - _GAP > _room(width, style.state, line):
                line = lines + 1
        if line <= lines:
            return most
    return None


def _room(width: int, state: str, line: int) -> int:
    """The cells of a line; of the first one the state takes some."""
    return width - (cell_len(state) + _GAP if state and line == 1 else 0)


def _with_room(data: ChartData, width: int, indent: int, style: Style, lines: int) -> Style:
    """The style with as much of its state as leaves room to the names; what is said last is kept longest."""
    if width < _STATE_FROM or not style.state:
        return style._replace(state="")
    if _name_width(data, width, indent, style, lines, _READABLE):
        return style
    parts = (style.brief or style.state).split(" · ")
    while True:
        style = style._replace(state=" · ".join(parts))
        fits = _name_width(data, width, indent, style, lines, NAME_WIDTHS[-1])
        if len(parts) == 1 or (fits and cell_len(style.state) <= width // 2):
            return style
        del parts[0]


def _sample(curve: Curve, number: int, ascii_only: bool) -> str:
    if ascii_only:
        return ink.ascii_of_curve(number) * 2
    return "╍╍" if curve.dashed else "━━"
