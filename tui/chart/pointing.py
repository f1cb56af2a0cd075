"""The mouse on a chart: place the cursor, draw it along, zoom with the wheel, click the legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from tui.chart.cursor import snap
from tui.chart.drawn import Drawn

if TYPE_CHECKING:
    from tui.chart.widget import Chart

_WHEEL_ZOOM = 1.25


class Pointing(Drawn):
    """What `tui.chart.widget.Chart` does when it is pointed at; for nothing else."""

    _dragging = False

    @property
    def _chart(self) -> Chart:
        from tui.chart.widget import Chart

        assert isinstance(self, Chart)
        return self

    def _x_at(self, event: events.MouseEvent) -> float | None:
        """The position on the axis under the pointer; beyond the plot's sides that of its edge."""
        picture = self._chart.picture
        if picture is None or picture.canvas.width <= 0:
            return None
        column = event.x - self.gutter.left - picture.gutter
        return picture.x.value(min(max(column, 0), picture.canvas.width - 1), picture.canvas.width)

    def _point_at(self, event: events.MouseEvent) -> None:
        chart = self._chart
        x, picture = self._x_at(event), chart.picture
        if x is not None and picture is not None:
            cell = (picture.x.hi - picture.x.lo) / picture.canvas.width
            # A hand aims less well than a key steps: three cells count as one place.
            chart.place(snap(chart.data, chart.axis, x, cell * 1.5))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Place the cursor, or hide or show the curve whose label was clicked."""
        if event.button != 1:
            return
        chart = self._chart
        row, column = event.y - self.gutter.top, event.x - self.gutter.left
        if row < chart.layout_now.legends:
            key = next((s.key for s in chart.spots if s.line == row and s.start <= column < s.end), None)
            if key is not None:
                chart.toggle(key)
            return
        self._dragging = True
        self.capture_mouse()
        self._point_at(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Draw the cursor along while the button is held."""
        if self._dragging:
            self._point_at(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go of the cursor."""
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in around the pointer."""
        event.stop()
        event.prevent_default()
        self._chart.zoom(_WHEEL_ZOOM, self._x_at(event))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out around the pointer."""
        event.stop()
        event.prevent_default()
        self._chart.zoom(1 / _WHEEL_ZOOM, self._x_at(event))
