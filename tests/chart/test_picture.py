from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.chart import ink
from tui.chart.model import AXES, Axis, ChartData, Column, Curve, Mark, MarkKind
from tui.chart.picture import Picture, arrange, axis_runs, full_window, gutter_runs, label_runs, paint
from tui.chart.view import Window


def curve(*points: tuple[int, float], key: str = "val", visible: bool = True) -> Curve:
    made = Column()
    for step, y in points:
        made.append(step, step * 100.0, step * 0.5, y)
    return Curve(key, key, "series-1", made, visible=visible)


def painted(
    data: ChartData, size: tuple[int, int] = (60, 20), axis: Axis = "step", log: bool = False
) -> Picture:
    window = full_window(data, axis)
    assert window is not None
    return paint(data, axis, log, window, arrange(*size))


def rows(picture: Picture) -> list[str]:
    return ["".join(text for text, _ in row) for row in picture.canvas.rows()]


def slope(number: int = 101) -> Curve:
    return curve(*((i * 10, 4.0 - i * 0.02) for i in range(number)))


@pytest.mark.parametrize("height", range(30))
def test_a_layout_uses_every_row_once(height: int) -> None:
    layout = arrange(80, height)
    taken = [row for row in (layout.legend, layout.axis, layout.labels, layout.readout) if row >= 0]
    taken += range(layout.top, layout.top + layout.rows)
    assert sorted(taken) == list(range(height))


def test_nothing_visible_has_no_window() -> None:
    assert full_window(ChartData(), "step") is None
    assert full_window(ChartData((curve((1, 1.0), visible=False),)), "step") is None


def test_the_window_starts_at_zero_when_the_first_point_is_near_it() -> None:
    assert full_window(ChartData((curve((10, 1.0), (1000, 1.0)),)), "step") == Window(0, 1000)
    assert full_window(ChartData((curve((600, 1.0), (1000, 1.0)),)), "time") == Window(300, 500)


def test_a_curve_goes_from_corner_to_corner() -> None:
    picture = painted(ChartData((slope(),)))
    seen = rows(picture)
    assert "".join(seen[:2])[0 :: len(seen[0])].strip()
    assert "".join(seen[-2:])[-1 :: -len(seen[0])].strip()
    assert all(any(row[column] != " " for row in seen) for column in range(picture.canvas.width))


def test_ticks_stand_beside_their_rows() -> None:
    picture = painted(ChartData((slope(),)), (60, 24))
    told = {}
    for row in range(picture.canvas.height):
        runs = gutter_runs(picture, row)
        if runs[-1][0] == "┤":
            told[float(runs[0][0])] = row
    assert told
    for value, row in told.items():
        assert picture.row(value) == row


def test_labels_stand_below_their_ticks_and_the_axis_is_named() -> None:
    picture = painted(ChartData((slope(),)), (80, 20))
    line = "".join(text for text, _ in axis_runs(picture))
    labels = "".join(text for text, _ in label_runs(picture))
    assert len(line) == len(labels) == 80
    assert "steps" in labels
    for tick in picture.x_ticks:
        at = picture.gutter + tick.cell
        assert line[at] == "┬"
        assert tick.label in labels[max(at - 4, 0) : at + 5]


@pytest.mark.parametrize("axis", AXES)
def test_a_mark_sits_on_its_point_on_every_axis(axis: Axis) -> None:
    data = ChartData((slope(),), (Mark(500, 50_000, 250, 3.0, "gold", "gold 3.0"),))
    picture = painted(data, axis=axis)
    column, row = picture.column(data.marks[0].x(axis)), picture.row(3.0)
    assert column is not None
    assert row is not None
    assert rows(picture)[row][column] == "★"


def test_the_last_gold_is_bright_and_crowded_ones_are_left_out() -> None:
    marks = tuple(Mark(i, i * 100, i * 0.5, 4 - i * 0.002, "gold", "") for i in range(0, 1001, 10))
    picture = painted(ChartData((slope(),), marks))
    inks = [number for row in picture.canvas.rows() for text, number in row for char in text if char == "★"]
    assert inks.count(ink.GOLD) == 1
    assert 3 <= inks.count(ink.GOLD_PAST) <= picture.canvas.width // 6 + 1


def test_a_notice_is_seen_wherever_its_loss_is() -> None:
    def row_of(y: float | None) -> int:
        picture = painted(ChartData((slope(),), (Mark(500, 5e4, 250, y, "notice", "up"),)))
        (row,) = (number for number, text in enumerate(rows(picture)) if "▲" in text)
        return row

    below = len(rows(painted(ChartData((slope(),))))) - 1
    assert row_of(99.0) == 0 and row_of(None) == row_of(-99.0) == below
    assert 0 < row_of(3.0) < below


def test_blocked_marks_phases_resumes_and_the_best_are_drawn() -> None:
    marks = (
        Mark(500, 5e4, 250, 3.0, "blocked", "blocked: trend"),
        Mark(0, 0, 0, None, "phase", "circuit_formation"),
        Mark(700, 7e4, 350, None, "phase", "balanced"),
        Mark(800, 8e4, 400, None, "resume", ""),
        Mark(900, 9e4, 450, 2.2, "best", ""),
    )
    picture = painted(ChartData((slope(),), marks))
    seen = rows(picture)
    assert "✕" in "".join(seen)
    assert "circuit_formation" in seen[0]
    assert "┊ balanced" in seen[0]
    assert "↻" in seen[-1]
    best = picture.row(2.2)
    assert best is not None
    assert seen[best].count("╌") > 20


def test_phase_names_never_run_into_the_next_phase() -> None:
    marks = tuple(Mark(i * 100, 0, 0, None, "phase", "a very long name of a phase") for i in range(10))
    assert "…" in rows(painted(ChartData((slope(),), marks)))[0]


def test_a_single_point_is_plain_to_see() -> None:
    assert "".join(rows(painted(ChartData((curve((5, 2.0)),))))).count("●") == 1


def test_a_point_between_gaps_is_plain_to_see() -> None:
    data = ChartData(
        (curve((0, 1.0), (10, 1.5), (20, math.nan), (30, 2.0), (40, math.nan), (50, 1.0), (60, 1.0)),)
    )
    assert "".join(rows(painted(data))).count("•") == 1


def test_a_zoom_between_two_points_still_shows_the_line() -> None:
    data = ChartData((curve((0, 1.0), (1000, 2.0)),))
    picture = paint(data, "step", False, Window(400, 600), arrange(60, 20))
    assert all(any(row[column] != " " for row in rows(picture)) for column in range(picture.canvas.width))


def test_the_first_curve_lies_on_top() -> None:
    data = ChartData((slope(), slope()))
    inks = {number for row in painted(data).canvas.rows() for _, number in row if number >= ink.FIRST_CURVE}
    assert inks == {ink.of_curve(0)}


def test_a_spike_among_very_many_points_reaches_its_height() -> None:
    made = Column()
    made.extend((i, i, i, 9.0 if i == 33_333 else 1.0) for i in range(100_000))
    picture = painted(ChartData((Curve("a", "a", "series-1", made),)))
    row = picture.row(9.0)
    assert row is not None
    assert rows(picture)[row].strip() != ""


hostile = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, -1.0, 5e-324, 2.0])
)
kinds: st.SearchStrategy[MarkKind] = st.sampled_from(["gold", "blocked", "notice", "phase", "resume", "best"])


@settings(deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 10**12), hostile), max_size=6), max_size=3),
    st.lists(st.tuples(st.integers(0, 10**12), hostile, hostile, kinds, st.text(max_size=9)), max_size=4),
    st.sampled_from(AXES),
    st.booleans(),
    st.integers(0, 90),
    st.integers(0, 30),
)
def test_whatever_the_data_every_line_has_the_width(
    curves: list[list[tuple[int, float]]],
    marks: list[tuple[int, float, float, MarkKind, str]],
    axis: Axis,
    log: bool,
    width: int,
    height: int,
) -> None:
    data = ChartData(
        tuple(curve(*points) for points in curves),
        tuple(Mark(step, tokens, tokens, y, kind, text) for step, tokens, y, kind, text in marks),
    )
    window = full_window(data, axis)
    if window is None:
        return
    picture = paint(data, axis, log, window, arrange(width, height))
    for number, row in enumerate(picture.canvas.rows()):
        assert sum(cell_len(text) for text, _ in [*gutter_runs(picture, number), *row]) == width
    assert sum(cell_len(text) for text, _ in axis_runs(picture)) == width
    assert sum(cell_len(text) for text, _ in label_runs(picture)) == width
