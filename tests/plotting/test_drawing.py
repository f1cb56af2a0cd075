from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.plotting.drawing import Line, Sign, View, scales, shown_marks, strokes, window_of
from mypt.plotting.scale import Scale, x_scale
from tests.plotting.curves import column, line


def test_the_window_is_what_the_curves_cover() -> None:
    curves = [line(1, 2, 3), line(1, 2)]
    assert window_of(curves, View()) == (0, 20)
    assert window_of(curves, View("tokens")) == (0, 2000)
    assert window_of(curves, View("time", window=(5, math.inf))) == (5, 40)
    assert window_of([], View()) is None
    late = Line("late", "series-1", column([(500, 1.0), (510, 1.0)]))
    assert window_of([late], View()) == (500, 510)


def values(curve: Line, found: tuple[Scale, Scale]) -> list[list[tuple[int, int]]]:
    """The points of `strokes`, taken back from places."""
    x, y = found
    return [
        [(round(x.value(u - 0.5, 1)), round(y.value(v - 0.5, 1))) for u, v in line]
        for line in strokes(curve, x, y, "step", 100)
    ]


def test_a_gap_breaks_a_line_and_so_does_what_a_log_axis_cannot_show() -> None:
    curve = line(4, 3, math.nan, 2, 0, 1)
    found = scales([curve], [], View(), 100)
    assert found is not None
    assert values(curve, found) == [[(0, 4), (10, 3)], [(30, 2), (40, 0), (50, 1)]]
    found = scales([curve], [], View(log_y=True), 100)
    assert found is not None and found[1].lo > 0
    assert values(curve, found) == [[(0, 4), (10, 3)], [(30, 2)], [(50, 1)]]


def test_a_long_curve_keeps_its_spikes_in_few_points() -> None:
    ys = [2.0] * 100_000
    ys[54_321] = 9.0
    curve = Line("val", "series-1", column(enumerate(ys)))
    found = scales([curve], [], View(), 200)
    assert found is not None
    (points,) = strokes(curve, *found, "step", 200)
    high = max(points, key=lambda point: point[1])
    assert (
        len(points) < 1000
        and found[1].mapper(1)(9.0) == high[1]
        and high[0] == pytest.approx(0.543, abs=0.01)
    )


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30), st.booleans())
def test_whatever_was_measured_becomes_finite_places(ys: list[float], log_y: bool) -> None:
    curve = line(*ys)
    found = scales([curve], [], View(log_y=log_y), 20)
    assert found is not None
    for points in strokes(curve, *found, "step", 20):
        assert points and all(-1 <= place <= 2 for point in points for place in point)


def test_a_forecast_has_room() -> None:
    marks = [Sign("forecast", 20, 2000, 40, 0.5, low=0.25, high=0.75)]
    found = scales([line(3, 2, 1)], marks, View(), 10)
    assert found is not None and found[1].lo < 0.25


def gold(step: int, run: str = "", y: float | None = 1.0) -> Sign:
    return Sign("gold", step, 0, 0, y, run=run)


@pytest.mark.parametrize(
    ("marks", "kept"),
    [
        ([gold(10), gold(20), gold(50)], [(10, False), (50, True)]),
        ([gold(10), gold(30, y=None)], [(10, False)]),
        ([gold(10), gold(300)], [(10, False)]),
        ([gold(10, "a"), gold(12, "b"), gold(50, "b")], [(10, True), (12, False), (50, True)]),
        ([gold(48, "a"), gold(50, "b")], [(48, True), (50, True)]),
    ],
)
def test_stars_keep_apart_and_the_latest_of_each_run_shines(
    marks: list[Sign], kept: list[tuple[int, bool]]
) -> None:
    shown = shown_marks(marks, "step", Scale(0, 100), 35)
    assert sorted((int(mark.x("step")), latest) for mark, latest in shown) == kept


def test_other_marks_are_all_shown_where_they_are_seen() -> None:
    marks = [Sign("phase", 50, 0, 0), Sign("blocked", 51, 0, 0, 1.0), Sign("phase", 150, 0, 0)]
    assert [mark for mark, _ in shown_marks(marks, "step", x_scale(0, 100), 30)] == marks[:2]
