"""All lines of the chart's widget: legend, plot with gutter and cursor, axis, labels, readout. Pure."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import NamedTuple

from tui.chart import ink
from tui.chart.cursor import Cursor
from tui.chart.legend import Spot, Style, legend
from tui.chart.model import Axis, ChartData, Curve
from tui.chart.picture import Picture, axis_runs, gutter_runs, label_runs
from tui.chart.raster import Canvas, Run
from tui.chart.readout import readout, value_of

# Text wider than this is tiring to read, however wide the terminal.
_TEXT_WIDTH = 60
_MOST_LINES = 3


class Frame(NamedTuple):
    """The lines from top to bottom, and where in the first ones the curves' labels are."""

    lines: list[list[Run]]
    spots: list[Spot]


def full_frame(picture: Picture, data: ChartData, cursor: Cursor | None, style: Style) -> Frame:
    """A picture with its words around it. Where its layout has no readout, the legend has the values."""
    layout = picture.layout
    canvas = _with_cursor(picture, data, cursor) if cursor else picture.canvas
    glyphs = (
        {ink.of_curve(n): ink.ascii_of_curve(n) for n in range(len(data.curves))}
        if style.ascii_only
        else None
    )
    lines: list[list[Run]] = []
    spots: list[Spot] = []
    reach = (picture.x.hi - picture.x.lo) / max(picture.canvas.width, 1) / 2
    if layout.legend >= 0:
        if layout.readout < 0:
            style = style._replace(value=partial(_value_there, picture.axis, cursor, reach))
        said, spots = legend(data, layout.width, picture.gutter, style, layout.legends)
        lines += [*said, *([] for _ in range(layout.legends - len(said)))]
    lines.extend([*gutter_runs(picture, row), *runs] for row, runs in enumerate(canvas.rows(glyphs)))
    if layout.axis >= 0:
        lines.append(axis_runs(picture))
    if layout.labels >= 0:
        lines.append(label_runs(picture))
    if layout.readout >= 0:
        words = readout(data, picture.axis, cursor, reach, layout.width, layout.readouts)
        lines += [*words, *([] for _ in range(layout.readouts - len(words)))]
    return Frame(lines, spots)


def _value_there(axis: Axis, cursor: Cursor | None, reach: float, curve: Curve) -> str | None:
    value = value_of(curve, axis, cursor, reach)
    return None if value is None else f"{value.text}{value.at}"


def empty_frame(data: ChartData, text: str, width: int, height: int, style: Style) -> Frame:
    """`text` in the middle; where curves only are hidden, that and the legend instead."""
    hidden = any(not curve.visible and len(curve.column) for curve in data.curves)
    said = "Every curve is hidden" if hidden else text
    room = max(min(width - 2, _TEXT_WIDTH), 1)
    wrapped = [line for part in said.splitlines() for line in textwrap.wrap(part, room) or [""]][:height]
    top = (height - len(wrapped)) // 2
    lines: list[list[Run]] = [[] for _ in range(height)]
    for number, line in enumerate(wrapped):
        lines[top + number] = [(line.center(width), ink.LABEL)]
    spots: list[Spot] = []
    if hidden and top > 0:
        above = legend(data, width, 5, style._replace(state=""), min(top, _MOST_LINES))
        lines[: len(above.lines)], spots = above
    return Frame(lines, spots)


def _with_cursor(picture: Picture, data: ChartData, cursor: Cursor) -> Canvas:
    column = picture.column(cursor.x)
    if column is None:
        return picture.canvas
    canvas = picture.canvas.copy()
    for each in range(canvas.height):
        canvas.under(column, each, "│", ink.CURSOR)
    # The most important last, so that its point is the one seen where several share a cell.
    for number in range(len(data.curves) - 1, -1, -1):
        curve = data.curves[number]
        seen = curve.visible and not curve.quiet
        point = curve.column.nearest(picture.axis, cursor.x) if seen else None
        row = picture.row(point.y) if point and picture.column(point.x(picture.axis)) == column else None
        if row is not None and not picture.canvas.has_sign(column, row):
            canvas.over(column, row, "●", ink.of_curve(number))
    return canvas
