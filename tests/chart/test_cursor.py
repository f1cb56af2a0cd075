from __future__ import annotations

import math

from tui.chart.cursor import Cursor, mark_at, moved, snap, translated
from tui.chart.model import ChartData, Column, Curve, Mark
from tui.chart.scale import Scale

SCALE = Scale(0.0, 1000.0)


def column(*steps: int) -> Column:
    made = Column()
    for step in steps:
        made.append(step, step * 10.0, step * 0.5, 1.0)
    return made


def chart(*columns: Column, marks: tuple[Mark, ...] = (), hidden: int = -1) -> ChartData:
    return ChartData(
        tuple(Curve(f"c{i}", f"c{i}", "series-1", c, visible=i != hidden) for i, c in enumerate(columns)),
        marks,
    )


def mark(step: int, kind: str = "gold") -> Mark:
    return Mark(step, step * 10.0, step * 0.5, 1.0, kind)  # type: ignore[arg-type]


EVALS = column(0, 100, 200, 300, 1000)
STEPS = column(*range(0, 1001, 2))


def test_without_points_there_is_nowhere_to_stand() -> None:
    assert snap(chart(), "step", 5.0, 1.0) is None
    assert moved(chart(), "step", 5.0, SCALE, 100, 1) is None
    assert snap(chart(column(5), hidden=0), "step", 5.0, 1.0) is None


def test_the_first_curve_is_preferred_within_reach() -> None:
    data = chart(EVALS, STEPS)
    assert snap(data, "step", 96.0, 5.0) == Cursor(100.0, 100)
    assert snap(data, "step", 80.0, 5.0) == Cursor(80.0, 80)


def test_beyond_reach_the_nearest_point_of_any_curve_is_taken() -> None:
    assert snap(chart(EVALS), "tokens", 6200.0, 5.0) == Cursor(3000.0, 300)


def test_marks_come_before_points() -> None:
    assert snap(chart(STEPS, marks=(mark(97), mark(95, "phase"))), "step", 94.0, 5.0) == Cursor(97.0, 97)


def test_a_step_goes_to_the_next_point_of_the_first_curve_where_it_is_near() -> None:
    # 50 cells of 20 steps: the next evaluation is five cells away.
    data = chart(EVALS, STEPS)
    assert moved(data, "step", 100.0, SCALE, 50, 1) == Cursor(200.0, 200)
    assert moved(data, "step", 100.0, SCALE, 50, -1) == Cursor(0.0, 0)


def test_where_it_is_far_the_step_goes_cell_by_cell() -> None:
    there = moved(chart(EVALS, STEPS), "step", 300.0, SCALE, 100, 1)
    assert there is not None
    assert 310 <= there.x < 320


def test_every_step_leaves_the_cell_and_the_ends_hold() -> None:
    data = chart(STEPS)
    x, seen = 0.0, [0.0]
    while (there := moved(data, "step", x, SCALE, 100, 1)) and there.x > x:
        x = there.x
        seen.append(x)
    assert x == 1000.0
    assert len(seen) == 101
    assert moved(data, "step", 1000.0, SCALE, 100, 1) == Cursor(1000.0, 1000)
    assert moved(data, "step", 0.0, SCALE, 100, -10) == Cursor(0.0, 0)


def test_a_jump_crosses_a_hole_to_the_point_beyond() -> None:
    assert moved(chart(EVALS), "step", 300.0, SCALE, 100, 10) == Cursor(1000.0, 1000)
    assert moved(chart(EVALS), "step", 1000.0, SCALE, 100, -10) == Cursor(300.0, 300)


def test_a_place_is_carried_from_axis_to_axis() -> None:
    assert translated(chart(EVALS), 210.0, "step", "time") == 100.0
    assert translated(chart(), 210.0, "step", "time") is None


def test_the_mark_to_speak_of_is_the_nearest_and_trouble_first() -> None:
    marks = (mark(100), mark(100, "blocked"), mark(130, "phase"), mark(100, "best"))
    data = chart(EVALS, marks=marks)
    assert mark_at(data, "step", 101.0, 10.0) is marks[1]
    assert mark_at(data, "step", 128.0, 10.0) is marks[2]
    assert mark_at(data, "step", 500.0, 10.0) is None
    spike = mark(103, "notice")
    marked = chart(EVALS, marks=(*marks, spike))
    assert mark_at(marked, "step", 103.0, 10.0) is spike
    assert snap(marked, "step", 103.4, 1.0) == Cursor(103.0, 103)


def test_points_without_a_value_are_places_too() -> None:
    made = Column()
    made.append(3, 3.0, 3.0, math.nan)
    assert snap(chart(made), "step", 0.0, 1.0) == Cursor(3.0, 3)
