"""The chart: curves and marks over steps, tokens or time, with zoom, pan and a cursor that reads values off.

The picture is painted once for its data, size and view; a moved cursor is drawn on a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.actions import SkipAction
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tui.chart import ink
from tui.chart.cursor import Cursor, columns_of, moved, snap, translated
from tui.chart.frame import Words, empty_frame, full_frame
from tui.chart.keys import KEYS
from tui.chart.look import COMPONENTS, CSS, style_of
from tui.chart.model import AXES, Axis, ChartData, Curve
from tui.chart.picture import Picture, arrange, full_window, paint
from tui.chart.pointing import Pointing
from tui.chart.raster import Run
from tui.chart.scale import number_label, time_label
from tui.chart.view import Window, panned, zoomed

_ZOOM = 2.0
_PAN = 0.25


class Chart(Pointing, can_focus=True):
    """Curves over one x axis. Give it data with `show`, as often as they change: it draws only what is new."""

    HELP_NAME = "the chart"

    COMPONENT_CLASSES: ClassVar[set[str]] = {*COMPONENTS}

    DEFAULT_CSS = CSS

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    axis: reactive[Axis] = reactive[Axis]("step", init=False)
    """What x counts: "step", "tokens", "time" of training, or that by the "clock". The window and the cursor keep their place in the run."""
    log_y: reactive[bool] = reactive(False, init=False)
    """Whether values stand on a logarithmic scale (those that are not positive are left out)."""
    ascii_only: reactive[bool] = reactive(False, init=False)
    """Draw with plain ASCII, for terminals without braille."""
    empty_text: reactive[str] = reactive("No points yet", init=False)
    """What stands in the middle while there is nothing to draw."""

    @dataclass
    class CursorMoved(Message):
        """The cursor was placed, moved or hidden (then both are None)."""

        chart: Chart
        step: int | None
        x: float | None

        @property
        def control(self) -> Chart:
            """The chart that speaks."""
            return self.chart

    @dataclass
    class ViewChanged(Message):
        """Axis, log or window changed by the reader; `window` None is the whole run, followed."""

        chart: Chart
        axis: Axis
        log_y: bool
        window: tuple[float, float] | None

        @property
        def control(self) -> Chart:
            """The chart that speaks."""
            return self.chart

    @dataclass
    class CurvesChosen(Message):
        """The reader hid or showed a curve; `hidden` are the keys of those that are not to be seen."""

        chart: Chart
        hidden: frozenset[str]

        @property
        def control(self) -> Chart:
            """The chart that speaks."""
            return self.chart

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
        self.set_reactive(Chart.empty_text, empty_text)
        self.set_reactive(Chart.ascii_only, ascii_only)
        self.compact = compact
        """Whether there is only a legend beside the plot: for a chart below another one that has the rest."""
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
        self.spots: list[tuple[int, int, str]] = []
        """Where in the legend the curves' labels are: (first cell, cell after the last, key)."""

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
            hides = [_owner(curve.key) in self._hidden for curve in data.curves]
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

    def toggle(self, key: str) -> None:
        """Hide a curve, or show it again."""
        self.hide(self._hidden ^ {_owner(key)})
        self.post_message(self.CurvesChosen(self, self._hidden))

    def action_toggle_curve(self, number: int) -> None:
        """Hide or show the curve of this number (from 1, as the legend counts them)."""
        told = [curve for curve in self._data.curves if not curve.quiet]
        if 1 <= number <= len(told):
            self.toggle(told[number - 1].key)

    def follow(self, other: Chart) -> None:
        """Stand where `other` stands: its axis, window and cursor. Tells nobody."""
        moved = self._cursor != other.cursor
        if (self.axis, self._window) != (other.axis, other.window):
            self.set_reactive(Chart.axis, other.axis)
            self._window, self._cursor = other.window, other.cursor
            self._repaint()
        elif moved:
            self._cursor, self._strips = other.cursor, None
            self.refresh()

    # View

    def action_zoom_in(self) -> None:
        """See half as much, around the cursor; without one around the end."""
        self.zoom(_ZOOM)

    def action_zoom_out(self) -> None:
        """See twice as much."""
        self.zoom(1 / _ZOOM)

    def action_pan_left(self) -> None:
        """See earlier points."""
        self._pan(-_PAN)

    def action_pan_right(self) -> None:
        """See later points."""
        self._pan(_PAN)

    def action_reset_view(self) -> None:
        """See the whole run, and follow it as it grows."""
        self._look_at(None)

    def forget_view(self) -> None:
        """No cursor and the whole run: what was looked at in one run means nothing in another."""
        self.place(None)
        self._look_at(None)

    def action_log_y(self) -> None:
        """Logarithmic values, or linear again."""
        self.log_y = not self.log_y
        self._say_view()

    def action_next_axis(self) -> None:
        """From steps to tokens to time and round."""
        self.axis = AXES[(AXES.index(self.axis) + 1) % len(AXES)]
        self._say_view()

    def look_at(self, lo: float, hi: float) -> None:
        """See the stretch from lo to hi of the axis (cut to where points are)."""
        full = full_window(self._data, self.axis)
        if full and lo < hi:
            window = Window(max(lo, full.lo), min(hi, full.hi))
            self._look_at(window if window.lo < window.hi and window != full else None)

    def zoom(self, factor: float, anchor: float | None = None) -> None:
        """See `factor` times less around `anchor`; without one around the cursor, or the end."""
        full = full_window(self._data, self.axis)
        if full is None or full.width <= 0:
            return
        window = self._window or full
        if anchor is None:
            anchor = self._cursor.x if self._cursor and window.lo <= self._cursor.x <= window.hi else None
        if anchor is None:
            # What is new interests most; in the midst of a run nothing does more than the middle.
            anchor = window.hi if window.hi >= full.hi else (window.lo + window.hi) / 2
        least = max(full.width * 1e-7, 4.0 if self.axis == "step" else 1.0)
        self._look_at(zoomed(window, full, factor, anchor, least))

    def _pan(self, share: float) -> None:
        full = full_window(self._data, self.axis)
        if full and self._window:
            self._look_at(panned(self._window, full, share))

    def _look_at(self, window: Window | None) -> None:
        if window != self._window:
            self._window = window
            self._repaint()
            self._say_view()

    def place_at_step(self, step: int) -> None:
        """Put the cursor on the point that is nearest to this step."""
        for column in columns_of(self._data):
            point = column.nearest("step", step)
            if point:
                self.place(Cursor(point.x(self.axis), point.step))
                return

    def _say_view(self) -> None:
        self.post_message(self.ViewChanged(self, self.axis, self.log_y, self._window))

    def watch_axis(self, before: Axis, after: Axis) -> None:
        """Carry window and cursor over to the same place of the run."""
        if self._cursor:
            x = translated(self._data, self._cursor.x, before, after)
            self._cursor = None if x is None else Cursor(x, self._cursor.step)
        if self._window:
            lo = translated(self._data, self._window.lo, before, after)
            hi = translated(self._data, self._window.hi, before, after)
            self._window = Window(lo, hi) if lo is not None and hi is not None and lo < hi else None
        self._repaint()

    def validate_axis(self, axis: Axis) -> Axis:
        """An unknown axis is the step axis."""
        return axis if axis in AXES else "step"

    def watch_log_y(self) -> None:
        """Paint anew."""
        self._repaint()

    def watch_ascii_only(self) -> None:
        """Paint anew."""
        self._repaint()

    def watch_empty_text(self) -> None:
        """Paint anew."""
        self._repaint()

    # Cursor

    def action_cursor(self, by: int) -> None:
        """Move the cursor by so many cells, or to the next point where there is none so near."""
        picture = self.picture
        if picture is None:
            return
        if self._cursor is None:
            self.place(snap(self._data, self.axis, picture.x.hi, 0.0))
            return
        self.place(moved(self._data, self.axis, self._cursor.x, picture.x, picture.canvas.width, by))

    def action_escape(self) -> None:
        """Hide the cursor; if there is none, see the whole run; if it is seen, leave the key to others."""
        if self._cursor is not None:
            self.place(None)
        elif self._window is not None:
            self._look_at(None)
        else:
            raise SkipAction

    def place(self, cursor: Cursor | None) -> None:
        """Put the cursor there, and see the part of the axis where it is; None hides it."""
        if cursor == self._cursor:
            return
        self._cursor = cursor
        full = full_window(self._data, self.axis)
        if cursor and self._window and full and not self._window.lo <= cursor.x <= self._window.hi:
            beyond = cursor.x - (self._window.lo if cursor.x < self._window.lo else self._window.hi)
            self._look_at(panned(self._window, full, beyond / self._window.width))
        self._strips = None
        self.refresh()
        self.post_message(
            self.CursorMoved(self, cursor.step if cursor else None, cursor.x if cursor else None)
        )

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
    def picture(self) -> Picture | None:
        """The picture for the present size and view; None where there is nothing to draw."""
        width, height = self.content_size
        layout = arrange(width, height, self.compact)
        if self._picture is None or self._picture.layout != layout:
            full = full_window(self._data, self.axis)
            self._picture = None
            if full is not None and layout.rows > 0 and width > 0:
                window = self._window or full
                self._picture = paint(self._data, self.axis, self.log_y, window, layout, self.least_gutter)
        return self._picture

    def _draw(self) -> list[Strip]:
        picture = self.picture
        words = Words(self._state(), not self.compact, self.ascii_only)
        if picture is None:
            frame = empty_frame(self._data, self.empty_text, *self.content_size, words)
        else:
            frame = full_frame(picture, self._data, self._cursor, words)
        self.spots = frame.spots
        width = self.content_size.width
        return [self._strip(line, width) for line in frame.lines]

    def _state(self) -> str:
        """What differs from the plain view, in a few words."""
        said = [self._data.note] if self._data.note else []
        said += ["log"] if self.log_y else []
        if self._window:
            lo, hi = self._window
            label = number_label if self.axis in ("step", "tokens") else time_label
            fine = max(self._window.width / 100, 1.0)
            said.append(f"{label(round(lo), fine)} – {label(round(hi), fine)}")
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


def _owner(key: str) -> str:
    """The key of the curve that one with this key backs, or itself."""
    return key.partition("~")[0]


def _look(curve: Curve) -> tuple[str, bool, bool]:
    return curve.color, curve.dim, curve.quiet
