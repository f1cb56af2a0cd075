"""From curves, marks and a view to a picture: layout, scales, axes and the canvas. Pure.

A picture has no cursor: it is kept while only the cursor moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.cells import set_cell_size

from mypt.plotting.clock import clock_ticks
from mypt.text import printable
from mypt.watch.column import Bucket
from mypt.watch.places import Axis
from tui.chart import ink
from tui.chart.dots import Shape
from tui.chart.model import ChartData, Curve, Mark
from tui.chart.raster import Canvas, Run
from tui.chart.scale import Scale, Tick, x_scale, x_ticks, y_scale, y_ticks
from tui.chart.view import Window
from tui.names import clipped

# Stars nearer than this to a later one are left out: while a run improves at every evaluation they would hide it.
_STARS_APART = 6
# So many rows has a plot before words take a second line.
_ROWS_FIRST = 9
_AXIS_NAMES: dict[Axis, str] = {
    "step": "steps",
    "tokens": "tokens",
    "time": "training time",
    "clock": "clock",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows and columns of a widget hold what; a row of -1 is left out where there is no room.

    `legend` and `readout` are the first ones of their `legends` and `readouts` rows.
    """

    width: int
    height: int
    legend: int
    top: int
    rows: int
    axis: int
    labels: int
    readout: int
    legends: int = 1
    readouts: int = 1


def arrange(width: int, height: int, compact: bool = False, *, legends: int = 1, readouts: int = 1) -> Layout:
    """The layout for a size in cells. The plot comes first, then labels, readout, legend and the axis line.

    A `compact` one has only a legend beside its plot, since another chart above it has the rest. Of the readout and then of
    the legend there are as many lines as are asked for, while the plot has room enough besides.
    """
    labels, readout, legend, axis = height >= 3, height >= 4, height >= 5, height >= 6
    if compact:
        labels, readout, legend, axis = False, False, height >= 3, False
    spare = max(height - labels - readout - legend - axis - _ROWS_FIRST, 0)
    readouts = readout + min(readouts - 1, spare if readout else 0)
    spare -= max(readouts - 1, 0)
    legends = legend + min(legends - 1, spare if legend else 0)
    rows = max(height - labels - readouts - legends - axis, 0)
    top = legends
    bottom = top + rows
    return Layout(
        width,
        height,
        legend=0 if legend else -1,
        top=top,
        rows=rows,
        axis=bottom if axis else -1,
        labels=bottom + axis if labels else -1,
        readout=height - readouts if readout else -1,
        legends=legends,
        readouts=readouts,
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """A painted plot: its canvas, the scales behind it, and the ticks beside it."""

    layout: Layout
    canvas: Canvas
    x: Scale
    y: Scale
    gutter: int
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    axis: Axis

    def column(self, x: float) -> int | None:
        """The cell of the canvas that shows the position `x`, None outside."""
        return self.x.cell(x, self.canvas.width)

    def row(self, y: float) -> int | None:
        """The row of the canvas that shows the value `y`, None outside."""
        cell = self.y.cell(y, self.canvas.height)
        return None if cell is None else self.canvas.height - 1 - cell


def full_window(data: ChartData, axis: Axis) -> Window | None:
    """The stretch of the axis that the visible curves cover, from 0 where they begin near it; None without points."""
    firsts = [p.x(axis) for c in data.curves if c.visible and (p := c.column.first())]
    lasts = [p.x(axis) for c in data.curves if c.visible and (p := c.column.last())]
    if not firsts:
        return None
    lo, hi = min(firsts), max(lasts)
    if data.stretch is not None:
        lo, hi = min(lo, data.stretch.lo), max(hi, data.stretch.hi)
    return Window(0.0 if 0 < lo < 0.1 * hi else lo, hi)


def paint(
    data: ChartData, axis: Axis, log: bool, window: Window, layout: Layout, least_gutter: int = 4
) -> Picture:
    """Paint all but legend, readout and cursor. `least_gutter` cells at least are kept for the labels of y."""
    x = x_scale(*window)
    expected = [
        v
        for m in data.marks
        if m.kind == "forecast" and window.lo <= m.x(axis) <= window.hi
        for v in _span(m)
    ]
    y = y_scale(_extremes(data, axis, window, log) + expected, log)
    ticks = y_ticks(y, layout.rows, max(2, layout.rows // 9 + 1)) if layout.rows else []
    gutter = _gutter(layout.width, ticks, least_gutter)
    canvas = Canvas(layout.width - gutter, layout.rows)
    # Labels crowd a wide axis long before they overlap.
    along = _along(data, axis, x, canvas.width) if canvas.width else []
    picture = Picture(layout, canvas, x, y, gutter, along, ticks, axis)
    _lines_below(picture, data)
    for number in range(len(data.curves) - 1, -1, -1):
        if data.curves[number].visible:
            _curve(picture, data.curves[number], number, window)
    _forecasts(picture, data)
    _signs(picture, data)
    return picture


def _along(data: ChartData, axis: Axis, x: Scale, width: int) -> list[Tick]:
    calm = 8 + width // 40
    if axis == "clock" and data.clock.begins:
        return clock_ticks(x, width, data.clock, calm)
    return x_ticks(x, width, axis in ("time", "clock"), calm=calm)


def gutter_runs(picture: Picture, row: int) -> list[Run]:
    """What stands left of the plot in a row of it: a label and the axis."""
    if picture.gutter == 0:
        return []
    cell = picture.canvas.height - 1 - row
    label = next((t.label for t in picture.y_ticks if t.cell == cell), None)
    if label is None:
        return [(" " * (picture.gutter - 1) + "│", ink.AXIS)]
    return [(set_cell_size(label.rjust(picture.gutter - 1), picture.gutter - 1), ink.LABEL), ("┤", ink.AXIS)]


def axis_runs(picture: Picture) -> list[Run]:
    """The line under the plot, with a mark at each tick."""
    line = ["─"] * picture.canvas.width
    for tick in picture.x_ticks:
        line[tick.cell] = "┬"
    corner = " " * (picture.gutter - 1) + "└" if picture.gutter else ""
    return [(corner + "".join(line), ink.AXIS)]


def label_runs(picture: Picture) -> list[Run]:
    """The numbers under the axis, each below its tick, and the name of the axis at the end."""
    width, name = picture.layout.width, _AXIS_NAMES[picture.axis]
    line = [" "] * width
    last = ends = 0
    for tick in picture.x_ticks:
        start = min(max(picture.gutter + tick.cell - len(tick.label) // 2, 0), width - len(tick.label))
        if start < 0 or (ends and start < ends + 1):
            continue
        line[start : start + len(tick.label)] = tick.label
        last, ends = start, start + len(tick.label)
    runs = [("".join(line), ink.LABEL)]
    # Behind the last number where there is room, else before it.
    for start in (width - len(name), last - len(name) - 2) if ends else ():
        around = "".join(line[max(start - 2, 0) : start + len(name)])
        if start >= picture.gutter + 8 and not around.strip():
            return [
                (runs[0][0][:start], ink.LABEL),
                (name, ink.FAINT),
                (runs[0][0][start + len(name) :], ink.LABEL),
            ]
    return runs


def _gutter(width: int, ticks: list[Tick], least: int) -> int:
    if width < 12:
        return 0
    # Some at least, so that the plot does not shift when 9 becomes 10.
    return min(max([least, *(len(t.label) for t in ticks)]) + 1, width // 3)


def _extremes(data: ChartData, axis: Axis, window: Window, log: bool) -> list[float]:
    values: list[float] = []
    for curve in data.curves:
        if not curve.visible:
            continue
        bounds = curve.column.bounds(axis, *window)
        if bounds:
            values.extend(bounds)
        if not bounds or (log and bounds[0] <= 0):
            # Between two points a line may still cross the window; and a log scale starts at what is positive.
            for bucket in curve.column.sample(axis, *window, 200):
                values.extend((bucket.first, bucket.low, bucket.high, bucket.last))
    return values


def _shapes(buckets: list[Bucket], picture: Picture) -> list[Shape]:
    across = picture.x.mapper(picture.canvas.width * 2)
    up = picture.y.mapper(picture.canvas.height * 4)
    bottom = picture.canvas.height * 4 - 1e-9
    shapes: list[Shape] = []
    for x0, x1, first, low, high, last, _ in buckets:
        x = across(x0)
        if low == high:
            y = bottom - up(low)
            shapes.append((x, y, y, y, y))
            continue
        shape = (x, bottom - up(first), bottom - up(high), bottom - up(low), bottom - up(last))
        if shape[3] != shape[3]:
            # A log scale cannot show the lower end: the bar runs to the bottom.
            shape = (x, shape[1], shape[2], bottom, shape[4])
        if x1 > x0 and math.floor(across(x1)) > math.floor(x):
            # Wider than a column of dots (the zoomed edge of a sparse curve): its end gets its own place.
            shapes.append(shape)
            end = bottom - up(last)
            shape = (across(x1), end, end, end, end)
        shapes.append(shape)
    return shapes


def _curve(picture: Picture, curve: Curve, number: int, window: Window) -> None:
    canvas = picture.canvas
    buckets = curve.column.sample(picture.axis, *window, canvas.width * 2)
    own = ink.of_curve(number)
    for x, y in canvas.trace(_shapes(buckets, picture), own, dash=3 if curve.dashed else 0):
        canvas.over(x >> 1, y >> 2, "•" if len(buckets) > 1 else "●", own)


def _lines_below(picture: Picture, data: ChartData) -> None:
    canvas, axis = picture.canvas, picture.axis
    for mark in data.marks:
        row = picture.row(mark.y) if mark.kind == "best" and mark.y is not None else None
        if row is not None:
            canvas.under(0, row, "╌" * canvas.width, ink.FAINT)
    boundaries = [(picture.column(m.x(axis)), m) for m in data.marks if m.kind == "phase"]
    seen = sorted(
        ((c, printable(m.text, newline=False)) for c, m in boundaries if c is not None), key=lambda b: b[0]
    )
    for place, (column, name) in enumerate(seen):
        # At the very left there is nothing that the line would part.
        for row in range(canvas.height if column else 0):
            canvas.under(column, row, "┊", ink.FAINT)
        end = seen[place + 1][0] if place + 1 < len(seen) else canvas.width
        start = column + 2 if column else 1
        if end - start >= 4 and canvas.height >= 3:
            canvas.under(start, 0, clipped(name, end - start - 1), ink.LABEL)
    for mark in data.marks:
        at = picture.column(mark.x(axis)) if mark.kind == "resume" else None
        if at is not None:
            canvas.under(at, canvas.height - 1, ink.SIGNS["resume"], ink.LABEL)


def _span(mark: Mark) -> list[float]:
    return [value for value in (mark.low, mark.y, mark.high) if value is not None and math.isfinite(value)]


def _forecasts(picture: Picture, data: ChartData) -> None:
    canvas = picture.canvas
    for mark in data.marks:
        span = _span(mark) if mark.kind == "forecast" else []
        column = picture.column(mark.x(picture.axis))
        if not span or column is None:
            continue
        rows = [row for row in (picture.row(min(span)), picture.row(max(span))) if row is not None]
        for row in range(min(rows), max(rows) + 1) if len(rows) == 2 else ():
            canvas.over(column, row, "┆", ink.LABEL)
        at = None if mark.y is None else picture.row(mark.y)
        if at is not None:
            canvas.over(column, at, ink.SIGNS["forecast"], ink.STRONG)


def _signs(picture: Picture, data: ChartData) -> None:
    places: list[tuple[int, int]] = []
    latest = True
    for mark in sorted((m for m in data.marks if m.kind == "gold"), key=lambda m: -m.step):
        column, row = (
            picture.column(mark.x(picture.axis)),
            picture.row(mark.y) if mark.y is not None else None,
        )
        if column is None or row is None:
            latest = False
            continue
        if latest or all(abs(column - other) >= _STARS_APART for other, _ in places):
            picture.canvas.over(column, row, ink.SIGNS["gold"], ink.GOLD if latest else ink.GOLD_PAST)
            places.append((column, row))
        latest = False
    for mark in data.marks:
        if mark.kind == "blocked" and mark.y is not None:
            column, row = picture.column(mark.x(picture.axis)), picture.row(mark.y)
            if column is not None and row is not None:
                picture.canvas.over(column, row, ink.SIGNS["blocked"], ink.TROUBLE)
        if mark.kind == "notice" and (at := picture.column(mark.x(picture.axis))) is not None:
            picture.canvas.over(at, _notice_row(picture, mark.y), ink.SIGNS["notice"], ink.TROUBLE)


def _notice_row(picture: Picture, y: float | None) -> int:
    """A notice is seen wherever its loss is: it may be of an update that no curve shows."""
    if y is None:
        return picture.canvas.height - 1
    row = picture.row(y)
    return row if row is not None else 0 if y > picture.y.lo else picture.canvas.height - 1
