"""The chart: curves and marks over steps, tokens or time, with zoom, pan and a cursor that reads values off.

The picture is painted once for its data, size and view; a moved cursor is drawn on a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.actions import SkipAction
from textual.binding import BindingType
from textual.message import Message

from tui.chart.cursor import Cursor, columns_of, moved, snap, translated
from tui.chart.drawn import owner
from tui.chart.keys import KEYS
from tui.chart.model import AXES, Axis
from tui.chart.picture import full_window
from tui.chart.pointing import Pointing
from tui.chart.view import Window, panned, zoomed

_ZOOM = 2.0
_PAN = 0.25


class Chart(Pointing, can_focus=True):
    """Curves over one x axis. Give it data with `show`, as often as they change: it draws only what is new."""

    HELP_NAME = "the chart"

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

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

    def toggle(self, key: str) -> None:
        """Hide a curve, or show it again."""
        self.hide(self._hidden ^ {owner(key)})
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
