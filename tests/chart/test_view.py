from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.chart.view import Window, panned, zoomed

FULL = Window(0.0, 1000.0)


def test_zooming_in_keeps_the_anchor_in_its_place() -> None:
    assert zoomed(FULL, FULL, 2, 250.0, 1.0) == Window(125.0, 625.0)


def test_zooming_out_beyond_the_run_shows_all_of_it() -> None:
    assert zoomed(Window(400, 800), FULL, 1 / 4, 500, 1.0) is None


def test_there_is_a_least_width() -> None:
    window = zoomed(Window(400, 402), FULL, 100, 401, 1.0)
    assert window is not None
    assert window.width == 1.0


def test_pan_stops_at_the_ends() -> None:
    assert panned(Window(100, 300), FULL, -10) == Window(0, 200)
    assert panned(Window(100, 300), FULL, 10) == Window(800, 1000)
    assert panned(Window(100, 300), FULL, 0.25) == Window(150, 350)


@given(st.floats(0, 900), st.floats(1, 100), st.floats(0.1, 10), st.floats(-100, 1100))
def test_a_zoomed_window_stays_inside(lo: float, width: float, factor: float, anchor: float) -> None:
    window = zoomed(Window(lo, lo + width), FULL, factor, anchor, 1.0)
    assert window is None or (FULL.lo <= window.lo < window.hi <= FULL.hi + 1e-9)
