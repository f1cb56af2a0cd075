"""The keys of the chart."""

from __future__ import annotations

from textual.binding import Binding

JUMP = 10
"""So many cells the cursor jumps with shift."""
CURVES = "Hide or show a curve, by its number in the legend"


def _key(id: str, keys: str, action: str, name: str, tooltip: str, display: str | None = None) -> Binding:
    return Binding(keys, action, name, show=False, key_display=display, id=f"chart.{id}", tooltip=tooltip)


KEYS = (
    _key("cursor-left", "left", "cursor(-1)", "Cursor left", "Read the point before"),
    _key("cursor-right", "right", "cursor(1)", "Cursor right", "Read the next point"),
    _key("jump-left", "shift+left", f"cursor(-{JUMP})", "Jump left", "Ten cells to the left"),
    _key("jump-right", "shift+right", f"cursor({JUMP})", "Jump right", "Ten cells to the right"),
    _key("escape", "escape", "escape", "Back", "Hide the cursor, then show the whole run"),
    _key("zoom-in", "plus,equals_sign", "zoom_in", "Zoom in", "See half as much", "+"),
    _key("zoom-out", "minus", "zoom_out", "Zoom out", "See twice as much", "-"),
    _key("pan-left", "less_than_sign,comma", "pan_left", "Pan left", "See what was before", "<"),
    _key("pan-right", "greater_than_sign,full_stop", "pan_right", "Pan right", "See what came after", ">"),
    _key("reset", "0", "reset_view", "Whole run", "See the whole run and follow it"),
    _key("log", "y", "log_y", "Log", "Logarithmic values, or linear"),
    *(
        _key(f"curve-{n}", str(n), f"toggle_curve({n})", f"Curve {n}", CURVES, "1-9" if n == 1 else None)
        for n in range(1, 10)
    ),
)
"""Each with an id, so that it can be remapped, and a tooltip for the help."""
