from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.chart.dots import Shape
from tui.chart.raster import Canvas, Run

dots = st.one_of(st.floats(-1e6, 1e6), st.floats(-20, 60), st.just(math.nan))


def text(canvas: Canvas) -> list[str]:
    return ["".join(part for part, _ in row) for row in canvas.rows()]


def point(x: float, y: float) -> Shape:
    return (x, y, y, y, y)


def lit(canvas: Canvas) -> set[tuple[int, int]]:
    """All dots, read back from the braille characters."""
    numbers = {0x01: (0, 0), 0x02: (0, 1), 0x04: (0, 2), 0x40: (0, 3)}
    numbers |= {0x08: (1, 0), 0x10: (1, 1), 0x20: (1, 2), 0x80: (1, 3)}
    found = set()
    for row, line in enumerate(text(canvas)):
        for column, char in enumerate(line):
            bits = ord(char) - 0x2800 if char != " " else 0
            found |= {(column * 2 + x, row * 4 + y) for bit, (x, y) in numbers.items() if bits & bit}
    return found


def test_an_empty_canvas_is_blank() -> None:
    assert Canvas(4, 2).rows() == [[("    ", 0)], [("    ", 0)]]
    assert Canvas(0, 2).rows() == [[], []]


def test_a_dot_is_where_it_was_put() -> None:
    for x in range(4):
        for y in range(8):
            canvas = Canvas(2, 2)
            canvas.span(x, y, y, 1)
            assert lit(canvas) == {(x, y)}


def test_a_span_fills_all_between_its_ends_in_either_order() -> None:
    canvas = Canvas(1, 4)
    canvas.span(1, 13, 2, 1)
    assert lit(canvas) == {(1, y) for y in range(2, 14)}


def test_a_diagonal_is_one_dot_a_column() -> None:
    canvas = Canvas(4, 2)
    canvas.line(0, 7, 7, 0, 1)
    assert lit(canvas) == {(x, 7 - x) for x in range(8)}


def test_a_steep_line_has_no_holes() -> None:
    canvas = Canvas(2, 10)
    canvas.line(0, 0, 3, 39, 1)
    seen = lit(canvas)
    assert {y for _, y in seen} == set(range(40))
    assert len(seen) == 40


def test_a_line_is_cut_at_the_edges() -> None:
    canvas = Canvas(3, 3)
    canvas.line(-1_000_000, -1_000_000, 1_000_000, 1_000_000, 1)
    assert lit(canvas) == {(x, x) for x in range(6)}


def test_a_dashed_line_has_gaps_of_its_length() -> None:
    canvas = Canvas(6, 1)
    canvas.line(0, 0, 11, 0, 1, dash=3)
    assert {x for x, _ in lit(canvas)} == {0, 1, 2, 6, 7, 8}


def test_nan_breaks_a_curve_and_lone_points_are_told() -> None:
    canvas = Canvas(10, 1)
    shapes = [
        point(0, 0),
        point(4, 0),
        point(6, math.nan),
        point(9, 2),
        point(11, math.nan),
        point(14, 0),
        point(16, 0),
    ]
    assert canvas.trace(shapes, 1) == [(9, 2)]
    assert {x for x, _ in lit(canvas)} == {0, 1, 2, 3, 4, 9, 14, 15, 16}


def test_a_single_point_is_alone() -> None:
    assert Canvas(4, 4).trace([point(3, 3)], 1) == [(3, 3)]


def test_a_bucket_is_a_bar_from_low_to_high() -> None:
    canvas = Canvas(2, 4)
    assert canvas.trace([(2.0, 8.0, 3.0, 12.0, 5.0)], 1) == []
    assert lit(canvas) == {(2, y) for y in range(3, 13)}


def test_neighbouring_buckets_touch() -> None:
    canvas = Canvas(2, 4)
    canvas.trace([(0.0, 1.0, 0.0, 2.0, 2.0), (1.0, 10.0, 9.0, 12.0, 10.0)], 1)
    assert {y for x, y in lit(canvas) if x == 1} == set(range(3, 13))


def test_a_bucket_that_ends_in_a_gap_is_not_joined() -> None:
    canvas = Canvas(4, 4)
    canvas.trace([(0.0, 1.0, 0.0, 2.0, math.nan), (5.0, 9.0, 9.0, 12.0, 9.0)], 1)
    assert {x for x, _ in lit(canvas)} == {0, 5}


def test_the_later_ink_has_the_cell_alone() -> None:
    canvas = Canvas(1, 1)
    canvas.span(0, 0, 3, 1)
    canvas.span(1, 0, 0, 2)
    assert canvas.rows() == [[("⠈", 2)]]


bars = st.tuples(st.integers(-1, 6), st.integers(-3, 14), st.integers(-3, 14), st.integers(1, 3))


@given(st.lists(bars, max_size=12))
def test_each_cell_has_the_dots_of_the_ink_that_came_last(drawn: list[tuple[int, int, int, int]]) -> None:
    canvas = Canvas(3, 3)
    cells: dict[tuple[int, int], tuple[int, frozenset[tuple[int, int]]]] = {}
    for x, y0, y1, ink in drawn:
        canvas.span(x, y0, y1, ink)
        for y in range(min(y0, y1), max(y0, y1) + 1):
            if 0 <= x < 6 and 0 <= y < 12:
                before, dots = cells.get((x // 2, y // 4), (ink, frozenset()))
                cells[x // 2, y // 4] = (ink, (dots if before == ink else frozenset()) | {(x, y)})
    assert lit(canvas) == {dot for _, dots in cells.values() for dot in dots}
    inks = [[ink for part, ink in row for _ in part] for row in canvas.rows()]
    assert inks == [[cells[x, y][0] if (x, y) in cells else 0 for x in range(3)] for y in range(3)]


def test_runs_join_cells_of_one_ink() -> None:
    canvas = Canvas(4, 1)
    canvas.line(0, 0, 3, 0, 1)
    canvas.line(4, 0, 5, 0, 2)
    assert canvas.rows() == [[("⠉⠉", 1), ("⠉", 2), (" ", 0)]]


def test_glyphs_lie_below_and_above_the_dots() -> None:
    canvas = Canvas(3, 1)
    canvas.span(0, 0, 0, 1)
    canvas.span(4, 0, 0, 1)
    canvas.under(0, 0, "abc", 5)
    canvas.over(2, 0, "★", 6)
    assert canvas.rows() == [[("⠁", 1), ("b", 5), ("★", 6)]]
    assert canvas.has_sign(2, 0)
    assert not canvas.has_sign(0, 0)


def test_wide_characters_keep_the_width_even_when_half_covered() -> None:
    canvas = Canvas(7, 1)
    canvas.under(0, 0, "漢字漢", 5)
    canvas.over(1, 0, "x", 6)
    canvas.over(2, 0, "y", 6)
    assert text(canvas) == [" xy 漢 "]


def test_ascii_draws_each_ink_with_its_character() -> None:
    canvas = Canvas(3, 1)
    canvas.span(0, 0, 0, 16)
    canvas.span(4, 0, 0, 17)
    assert canvas.rows({16: "o"}) == [[("o", 16), (" ", 0), (".", 17)]]


def test_a_copy_is_drawn_on_by_itself() -> None:
    canvas = Canvas(2, 1)
    canvas.under(0, 0, "a", 1)
    other = canvas.copy()
    other.under(0, 0, "b", 1)
    other.span(2, 0, 0, 1)
    assert text(canvas) == ["a "]


@given(
    st.integers(0, 30),
    st.integers(0, 12),
    st.lists(st.tuples(dots, dots, dots, dots, dots), max_size=12),
    st.integers(0, 3),
    st.text(max_size=12),
    st.integers(-5, 30),
)
def test_whatever_is_drawn_rows_have_the_width(
    width: int, height: int, shapes: list[Shape], dash: int, words: str, column: int
) -> None:
    canvas = Canvas(width, height)
    canvas.trace(shapes, 3, dash)
    canvas.under(column, 0, words, 4)
    canvas.over(column + 1, height - 1, words, 5)
    rows: list[list[Run]] = canvas.rows()
    assert len(rows) == height
    for row in rows:
        assert sum(cell_len(part) for part, _ in row) == width
