"""The mouse on a chart: place the cursor, draw it along, zoom with the wheel, click the legend."""

from __future__ import annotations

from textual import events

from tui.chart.cursor import Cursor, snap
from tui.chart.drawn import Drawn

_WHEEL_ZOOM = 1.25


class Pointing(Drawn):
    """A chart that can be pointed at. What is to come of it, whoever is made of this says."""

    _dragging = False

    def place(self, cursor: Cursor | None) -> None:
        """Put the cursor there; None hides it."""
        raise NotImplementedError

    def zoom(self, factor: float, anchor: float | None = None) -> None:
        """See `factor` times less around `anchor`."""
        raise NotImplementedError

    def toggle(self, key: str) -> None:
        """Hide a curve, or show it again."""
        raise NotImplementedError

    def _x_at(self, event: events.MouseEvent) -> float | None:
        """The position on the axis under the pointer; beyond the plot's sides that of its edge."""
        picture = self.picture
        if picture is None or picture.canvas.width <= 0:
            return None
        column = event.x - self.gutter.left - picture.gutter
        return picture.x.value(min(max(column, 0), picture.canvas.width - 1), picture.canvas.width)

    def _point_at(self, event: events.MouseEvent) -> None:
        x, picture = self._x_at(event), self.picture
        if x is not None and picture is not None:
            cell = (picture.x.hi - picture.x.lo) / picture.canvas.width
            # A hand aims less well than a key steps: three cells count as one place.
            self.place(snap(self.data, self.axis, x, cell * 1.5))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Place the cursor, or hide or show the curve whose label was clicked."""
        if event.button != 1:
            return
        row, column = event.y - self.gutter.top, event.x - self.gutter.left
        if row < self.layout_now.legends:
            key = next((s.key for s in self.spots if s.line == row and s.start <= column < s.end), None)
            if key is not None:
                self.toggle(key)
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
        self.zoom(_WHEEL_ZOOM, self._x_at(event))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out around the pointer."""
        event.stop()
        event.prevent_default()
        self.zoom(1 / _WHEEL_ZOOM, self._x_at(event))
