"""A chart as it is drawn: data, size and view in, lines out; painted once, a moved cursor on a copy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.chart import ink
from tui.chart.cursor import Cursor
from tui.chart.frame import empty_frame, full_frame
from tui.chart.legend import Spot, legend_lines
from tui.chart.legend import Style as LegendStyle
from tui.chart.look import COMPONENTS, CSS, style_of
from tui.chart.model import Axis, ChartData, Curve
from tui.chart.picture import Layout, Picture, arrange, full_window, paint
from tui.chart.raster import Run
from tui.chart.readout import readout_lines
from tui.chart.scale import number_label, time_label
from tui.chart.view import Window

_MOST_LEGENDS = 3


class Drawn(Widget):
    """What shows data with a window and a cursor; `tui.chart.widget.Chart` is the one that can be moved in."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*COMPONENTS}

    DEFAULT_CSS = CSS

    axis: reactive[Axis] = reactive[Axis]("step", init=False)
    """What x counts: "step", "tokens", "time" of training, or that by the "clock". The window and the cursor keep their place in the run."""
    log_y: reactive[bool] = reactive(False, init=False)
    """Whether values stand on a logarithmic scale (those that are not positive are left out)."""
    ascii_only: reactive[bool] = reactive(False, init=False)
    """Draw with plain ASCII, for terminals without braille."""
    compact: reactive[bool] = reactive(False, init=False)
    """Whether there is only a legend beside the plot: for a chart below another one that has the rest."""
    empty_text: reactive[str] = reactive("No points yet", init=False)
    """What stands in the middle while there is nothing to draw."""

    def __init__(
        self,
        *,
        empty_text: str = "No points yet",
        ascii_only: bool = False,
        compact: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.set_reactive(Drawn.empty_text, empty_text)
        self.set_reactive(Drawn.ascii_only, ascii_only)
        self.set_reactive(Drawn.compact, compact)
        self.least_gutter = 4
        """Cells left of the plot; charts below each other want the same."""
        self._given = ChartData()
        self._hidden: frozenset[str] = frozenset()
        self._data = ChartData()
        self._seen: object = None
        self._window: Window | None = None
        self._cursor: Cursor | None = None
        self._picture: Picture | None = None
        self._strips: list[Strip] | None = None
        self._styles_of: dict[int, Style] = {}
        self._drawn_size = Size(0, 0)
        self.spots: list[Spot] = []
        """Where in the legend the curves' labels are."""

    def on_mount(self) -> None:
        """Plain where everything is."""
        if getattr(self.app, "plain_signs", False):
            self.ascii_only = True

    # Data

    @property
    def data(self) -> ChartData:
        """What is shown."""
        return self._data

    @property
    def window(self) -> Window | None:
        """The part of the axis that is seen; None is the whole run, growing with it."""
        return self._window

    @property
    def cursor(self) -> Cursor | None:
        """Where the cursor stands; None while it is hidden."""
        return self._cursor

    @property
    def hidden(self) -> frozenset[str]:
        """The keys of the curves that are not to be seen, whether there are such curves or not."""
        return self._hidden

    def show(self, data: ChartData) -> None:
        """Show `data` from now on. Call it again when the columns have grown: nothing is drawn if nothing changed."""
        self._given = data
        if self._hidden:
            # What backs a curve comes and goes with it.
            hides = [owner(curve.key) in self._hidden for curve in data.curves]
            pairs = zip(data.curves, hides, strict=True)
            curves = tuple(replace(curve, visible=False) if hide else curve for curve, hide in pairs)
            data = replace(data, curves=curves)
        if not all(math.isfinite(mark.step) for mark in data.marks):
            data = replace(data, marks=tuple(mark for mark in data.marks if math.isfinite(mark.step)))
        seen = (data, tuple(curve.column.revision for curve in data.curves))
        if seen == self._seen:
            return
        if [_look(c) for c in data.curves] != [_look(c) for c in self._data.curves]:
            self._styles_of.clear()
        self._data, self._seen = data, seen
        if data.axis is not None and data.axis != self.axis:
            self.axis = data.axis
        self._repaint_lines()

    def hide(self, keys: Iterable[str]) -> None:
        """Hide the curves with these keys, and show the others."""
        if (hidden := frozenset(keys)) != self._hidden:
            self._hidden = hidden
            self.show(self._given)

    def watch_log_y(self) -> None:
        """Paint anew."""
        self._repaint()

    def watch_ascii_only(self) -> None:
        """Paint anew."""
        self._repaint()

    def watch_compact(self) -> None:
        """Paint anew."""
        self._repaint()

    def watch_empty_text(self) -> None:
        """Paint anew."""
        self._repaint()

    # Drawing

    def notify_style_update(self) -> None:
        """Forget colours when the theme or a style sheet changes."""
        super().notify_style_update()
        self._styles_of.clear()
        self._strips = None

    def render_line(self, y: int) -> Strip:
        """One line of the picture, painted when the first line is asked for."""
        if self._strips is None or self._drawn_size != self.content_size:
            self._strips = self._draw()
            self._drawn_size = self.content_size
        return (
            self._strips[y]
            if y < len(self._strips)
            else Strip.blank(self.content_size.width, self.rich_style)
        )

    def _repaint(self) -> None:
        self._picture = None
        self._strips = None
        self.refresh()

    def _repaint_lines(self) -> None:
        """Paint anew, and have only those lines drawn that look different: most of a growing curve stays."""
        before, self._picture = self._strips, None
        if before is None or self._drawn_size != self.content_size:
            self._repaint()
            return
        after = self._draw()
        if len(after) != len(before):
            self._repaint()
            return
        left, top, width = self.gutter.left, self.gutter.top, self.content_size.width
        changed = [y for y, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        for y in changed:
            before[y] = after[y]
        if changed:
            self.refresh(*(Region(left, top + y, width, 1) for y in changed))

    @property
    def layout_now(self) -> Layout:
        """Which rows hold what: more words have more lines, where there is room."""
        width, height = self.content_size
        if self.compact:
            return arrange(width, height, compact=True)
        legends = legend_lines(self._data, width, self.least_gutter + 1, self._legend_style, _MOST_LEGENDS)
        return arrange(width, height, legends=legends, readouts=readout_lines(self._data, self.axis, width))

    @property
    def _legend_style(self) -> LegendStyle:
        return LegendStyle(
            self._state(self._data.note),
            self.ascii_only,
            numbered=not self.compact,
            brief=self._state(self._data.brief or self._data.note),
        )

    @property
    def picture(self) -> Picture | None:
        """The picture for the present size and view; None where there is nothing to draw."""
        layout = self.layout_now
        if self._picture is None or self._picture.layout != layout:
            full = full_window(self._data, self.axis)
            self._picture = None
            if full is not None and layout.rows > 0 and layout.width > 0:
                window = self._window or full
                self._picture = paint(self._data, self.axis, self.log_y, window, layout, self.least_gutter)
        return self._picture

    def _draw(self) -> list[Strip]:
        picture = self.picture
        style = self._legend_style
        if picture is None:
            frame = empty_frame(self._data, self.empty_text, *self.content_size, style)
        else:
            frame = full_frame(picture, self._data, self._cursor, style)
        self.spots = frame.spots
        width = self.content_size.width
        return [self._strip(line, width) for line in frame.lines]

    def _state(self, note: str) -> str:
        """What differs from the plain view, in a few words."""
        said = [note] if note else []
        said += ["log"] if self.log_y else []
        if self._window:
            lo, hi = self._window
            label = number_label if self.axis in ("step", "tokens") else time_label
            fine = max(self._window.width / 100, 1.0)
            said.append(f"{label(round(lo), fine)} – {label(round(hi), fine)}")
            if not any(_reaches(curve, self.axis, self._window) for curve in self._data.curves):
                said.append("nothing there, esc shows the whole run")
        return " · ".join(said)

    def _strip(self, runs: list[Run], width: int) -> Strip:
        if self.ascii_only:
            runs = [(ink.to_ascii(text), number) for text, number in runs]
        strip = Strip([Segment(text, self._style(number)) for text, number in runs if text])
        return strip.adjust_cell_length(width, self._style(ink.BLANK))

    def _style(self, number: int) -> Style:
        style = self._styles_of.get(number)
        if style is None:
            style = self._styles_of[number] = style_of(self, number, self._data.curves)
        return style


def owner(key: str) -> str:
    """The key of the curve that one with this key backs, or itself."""
    return key.partition("~")[0]


def _reaches(curve: Curve, axis: Axis, window: Window) -> bool:
    """Whether a part of the curve is in the window, be it only the line between two points."""
    first, last = curve.column.first(), curve.column.last()
    return bool(curve.visible and first and last and first.x(axis) <= window.hi and last.x(axis) >= window.lo)


def _look(curve: Curve) -> tuple[str, bool, bool]:
    return curve.color, curve.dim, curve.quiet
