"""A chart as lines of text for a shell, drawn by plotext: in colour or plain, in braille or in ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mypt.plotting.drawing import AXIS_NAMES, Curve, Mark, View, scales, shown_marks, strokes, ticks_along
from mypt.plotting.palette import SIGNS, colour, of_256
from mypt.plotting.scale import Scale, Tick, y_ticks
from mypt.text import cells, printable
from mypt.watch.places import Axis

LEAST, MOST = (30, 8), (500, 200)
"""Columns and rows: below the least nothing is to be seen, and nobody has more than the most."""
_ASCII_CURVES = ".:~=%&"
_ASCII = dict.fromkeys("┌┐└┘├┤┬┴┼", "+") | {
    "─": "-",
    "│": "|",
    "★": "*",
    "✕": "x",
    "┊": ":",
    "↻": "r",
    "…": ".",
    "\u202f": " ",
}
_TO_ASCII = str.maketrans(_ASCII)
_STARS_APART = 6
# Each piece costs plotext as much as a whole line; of a curve with more gaps than this the rest is left out.
_MOST_PIECES = 300
_LONGEST_LABEL = 40


def chart(
    curves: Sequence[Curve],
    marks: Sequence[Mark] = (),
    view: View | None = None,
    *,
    width: int = 100,
    height: int = 30,
    colours: bool = False,
    light: bool = False,
    ascii_only: bool = False,
) -> list[str]:
    """The chart as at most `height` lines of at most `width` cells: the legend, then plot and axes.

    With `colours` in escape codes of the 256 colours that every terminal knows, chosen for a dark ground or a `light`
    one; without, nothing but text. What plotext cannot draw is one line that says so, never an error.
    """
    view = view or View()
    size = [min(max(n, low), high) for n, low, high in zip((width, height), LEAST, MOST, strict=True)]
    paint = _Paint(colours, light, ascii_only)
    named = [(number, curve) for number, curve in enumerate(curves) if not curve.quiet]
    head = _legend(named, view, size[0], paint)[: max(size[1] // 3, 1)]
    found = scales(curves, marks, view, 2 * size[0])
    if found is None:
        return [*head, "no point to draw"]
    try:
        return head + _plot(curves, marks, view, found, (size[0], size[1] - len(head)), paint)
    except Exception as error:
        # plotext raises whatever it likes at values that it did not expect.
        return [*head, f"the curves cannot be drawn here: {printable(str(error), newline=False)}"]


class _Paint:
    """How things look: a colour's number, and text in it."""

    def __init__(self, colours: bool, light: bool, ascii_only: bool) -> None:
        self.colours, self.light, self.ascii_only = colours, light, ascii_only

    def number(self, name: str, dim: bool = False) -> int:
        rgb = colour(name, self.light)
        if dim:
            ground = 250 if self.light else 15
            parts = (int(rgb[place : place + 2], 16) for place in (1, 3, 5))
            rgb = "#" + "".join(f"{round(0.6 * part + 0.4 * ground):02x}" for part in parts)
        return of_256(rgb)

    def quiet(self) -> int:
        return 244

    def text(self, text: str, number: int) -> str:
        return f"\x1b[38;5;{number}m{text}\x1b[0m" if self.colours else text

    def spelled(self, text: str) -> str:
        if not self.ascii_only:
            return text
        return text.translate(_TO_ASCII).encode("ascii", "replace").decode()


def _legend(named: Sequence[tuple[int, Curve]], view: View, width: int, paint: _Paint) -> list[str]:
    note = f"{AXIS_NAMES[view.axis]}{', log y' if view.log_y else ''}"
    lines, used = [""], 0
    for number, curve in named:
        sample = 2 * _marker(number) if paint.ascii_only else "╍╍" if curve.dashed else "━━"
        label = paint.spelled(
            _shortened(printable(curve.label, newline=False), min(_LONGEST_LABEL, width - 4))
        )
        room = 3 + cells(label) + 2
        if used and used + room > width:
            lines.append("")
            used = 0
        lines[-1] += paint.text(sample, paint.number(curve.color, curve.dim)) + f" {label}  "
        used += room
    if used + len(note) > width:
        lines.append("")
        used = 0
    lines[-1] += " " * (width - used - len(note)) + paint.text(note, paint.quiet())
    return lines


def _plot(
    curves: Sequence[Curve],
    marks: Sequence[Mark],
    view: View,
    found: tuple[Scale, Scale],
    size: tuple[int, int],
    paint: _Paint,
) -> list[str]:
    import plotext

    x, y = found
    width, height = size
    rows = max(height - 2, 1)
    up = y_ticks(y, rows, max(2, rows // 9 + 1))
    columns = max(width - 1 - max((cells(tick.label) for tick in up), default=0), 1)
    along = ticks_along(view, x, columns, 8 + columns // 40)
    across, upwards = x.mapper(1), y.mapper(1)
    plotext.clear_figure()
    try:
        plotext.theme("clear")
        # Left alone it would never be larger than the terminal, or than what it takes for one.
        plotext.limit_size(False, False)
        plotext.plotsize(width, height)
        plotext.xaxes(True, False)
        plotext.yaxes(True, False)
        plotext.xlim(0, 1)
        plotext.ylim(0, 1)
        plotext.xticks([across(t.value) for t in along], [paint.spelled(t.label) for t in along])
        plotext.yticks([upwards(t.value) for t in up], [_padded(paint.spelled(t.label), up) for t in up])
        shown = shown_marks(marks, view.axis, x, _STARS_APART / columns * (x.hi - x.lo))
        for mark, _ in shown:
            if mark.kind == "phase":
                plotext.vline(across(mark.x(view.axis)), paint.quiet())
        for number in range(len(curves) - 1, -1, -1):
            _draw(plotext, curves[number], number, found, view.axis, columns, paint)
        for mark, latest in shown:
            _sign(plotext, mark, latest, across(mark.x(view.axis)), y, paint)
        text = plotext.build()
    finally:
        # It is one figure for the whole process, and would keep all points.
        plotext.clear_figure()
    text = paint.spelled(text)
    return (text if paint.colours else plotext.uncolorize(text)).rstrip("\n").split("\n")


def _draw(
    plotext: Any,
    curve: Curve,
    number: int,
    found: tuple[Scale, Scale],
    axis: Axis,
    columns: int,
    paint: _Paint,
) -> None:
    marker = "braille" if not paint.ascii_only else "'" if curve.quiet else _marker(number)
    buckets = columns if paint.ascii_only else 2 * columns
    ink = paint.number(curve.color, curve.dim)
    for line in strokes(curve, *found, axis, buckets)[:_MOST_PIECES]:
        draw = plotext.scatter if len(line) == 1 else plotext.plot
        draw([u for u, _ in line], [v for _, v in line], marker=marker, color=ink)


def _sign(plotext: Any, mark: Mark, latest: bool, at: float, y: Scale, paint: _Paint) -> None:
    sign = paint.spelled(SIGNS.get(mark.kind, ""))
    if mark.kind == "notice":
        place = 0.0 if mark.y is None else y.mapper(1)(mark.y)
        # It may be of an update that no curve shows, far above all of them.
        place = min(max(place, 0.0), 1.0) if place == place else 0.0
        plotext.scatter([at], [place], marker=sign, color=paint.number("trouble"))
    elif mark.kind == "resume":
        plotext.scatter([at], [0.0], marker=sign, color=paint.quiet())
    elif mark.kind in ("gold", "blocked") and mark.y is not None:
        name = "trouble" if mark.kind == "blocked" else "gold" if latest else "gold-past"
        place = y.mapper(1)(mark.y)
        if 0 <= place <= 1:
            plotext.scatter([at], [place], marker=sign, color=paint.number(name))


def _marker(number: int) -> str:
    return _ASCII_CURVES[number % len(_ASCII_CURVES)]


def _padded(label: str, ticks: Sequence[Tick]) -> str:
    return label.rjust(max(len(tick.label) for tick in ticks))


def _shortened(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[:-1]
    return text + "…"
