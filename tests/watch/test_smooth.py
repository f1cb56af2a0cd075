from __future__ import annotations

import gc
import math
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mypt.watch.column import Column
from mypt.watch.smooth import Smoothed, Smoothing
from mypt.watch.table import Table

values = st.one_of(st.floats(-100, 100), st.just(math.nan), st.just(math.inf))


def column_of(ys: list[float], steps: list[int] | None = None) -> Column:
    column = Column()
    column.extend(
        (step, 0.0, 0.0, y) for step, y in zip(steps or range(0, 10 * len(ys), 10), ys, strict=True)
    )
    return column


def ys_of(column: Column) -> list[float]:
    return [point.y for point in column.points()]


def smoothed(column: Column, weight: float) -> list[float]:
    average = Smoothed(column, weight)
    assert not average.update()
    return ys_of(average)


def tensorboards(ys: list[float], weight: float) -> list[float]:
    """As the documentation of TensorBoard has it: an average that starts at 0, divided by what is missing."""
    last, out = 0.0, []
    for number, y in enumerate(ys, 1):
        last = weight * last + (1 - weight) * y
        out.append(last / (1 - weight**number))
    return out


def by_definition(column: Column, weight: float, unit: float) -> list[float]:
    points = column.points()
    out = []
    for point in points:
        if not math.isfinite(point.y):
            out.append(math.nan)
            continue
        parts = [
            (weight ** ((point.step - p.step) / unit) if weight or p is point else 0.0, p.y)
            for p in points[: point.place + 1]
            if math.isfinite(p.y)
        ]
        out.append(sum(part * y for part, y in parts) / sum(part for part, _ in parts))
    return out


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.6, 0.9, 0.99, 0.999])
def test_evenly_spaced_points_are_averaged_as_in_tensorboard(weight: float) -> None:
    ys = [3 / (1 + n / 50) + math.sin(n * 12.9898) for n in range(700)]
    assert smoothed(column_of(ys), weight) == pytest.approx(tensorboards(ys, weight), rel=1e-9)


def test_weight_0_is_the_curve_itself_and_a_flat_one_stays_flat() -> None:
    assert smoothed(column_of([1.0, 5.0, 2.0]), 0.0) == [1.0, 5.0, 2.0]
    assert smoothed(column_of([2.5] * 9000), 0.9) == pytest.approx([2.5] * 9000, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), values), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.5, 0.9, 0.99]),
)
def test_uneven_steps_and_gaps_follow_the_formula(points: list[tuple[int, float]], weight: float) -> None:
    steps, step = [], 0
    for gap, _ in points:
        step += gap
        steps.append(step)
    column = column_of([y for _, y in points], steps)
    average = Smoothed(column, weight)
    average.update()
    assert ys_of(average) == pytest.approx(
        by_definition(column, weight, average._unit), nan_ok=True, abs=1e-9
    )
    assert [(p.step, p.tokens, p.time) for p in average.points()] == [
        (p.step, p.tokens, p.time) for p in column.points()
    ]


@pytest.mark.parametrize("weight", [0.0, 0.6, 0.99])
def test_a_growing_column_comes_to_the_same_as_a_whole_one(weight: float) -> None:
    ys = [math.cos(n * n) + (math.nan if n % 997 == 5 else 0.0) for n in range(12_000)]
    steps = [n * 10 + (n // 700) * 3 for n in range(len(ys))]
    whole = column_of(ys, steps)
    growing, average = Column(), None
    for start in range(0, len(ys), 1234):
        part = range(start, min(start + 1234, len(ys)))
        growing.extend((steps[n], 0.0, 0.0, ys[n]) for n in part)
        average = average or Smoothed(growing, weight)
        while average.update(500):
            assert len(average) < len(growing)
    assert average is not None
    assert ys_of(average) == pytest.approx(smoothed(whole, weight), nan_ok=True, rel=1e-9, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("grow"), st.integers(1, 60), values),
            st.tuples(st.just("rewind"), st.integers(0, 900), st.just(0.0)),
            st.tuples(st.just("update"), st.integers(1, 50), st.just(0.0)),
        ),
        max_size=20,
    )
)
def test_a_rewind_leaves_no_trace(script: list[tuple[str, int, float]]) -> None:
    column = Column()
    average = Smoothed(column, 0.8)
    for kind, number, y in script:
        last = column.last()
        step = last.step if last else 0
        if kind == "grow":
            column.extend((step + 5 * (n + 1), 0.0, 0.0, y + n % 7) for n in range(number))
        elif kind == "rewind":
            column.rewind(number)
        else:
            average.update(number)
        assert len(average) <= len(column)
        assert [p.step for p in average.points()] == [p.step for p in column.points(0, len(average))]
    average.update()
    assert ys_of(average) == pytest.approx(smoothed(column, 0.8), nan_ok=True, rel=1e-9, abs=1e-9)


def test_what_is_replayed_with_other_values_is_averaged_anew_though_it_is_as_long_as_before() -> None:
    column = column_of([float(n) for n in range(100)])
    average = Smoothed(column, 0.9)
    average.update()
    before = average.revision
    column.extend((n, 0.0, 0.0, -1.0) for n in range(500, 1000, 10))
    # Nothing of the old values is to be seen, even before the update.
    assert len(average) == 50 and average.revision != before
    average.update()
    assert len(average) == 100 and ys_of(average) == pytest.approx(smoothed(column, 0.9))
    assert (average.last() or pytest.fail()).y < 0


def test_columns_of_a_table_are_averaged_where_they_stand() -> None:
    table = Table()
    table.extend([1, 2, 3], [0.0] * 3, [0.0] * 3, {"a": [1.0, 2.0, 3.0]})
    table.extend([4, 5], [0.0] * 2, [0.0] * 2, {"a": [4.0, 5.0], "late": [7.0, 9.0]})
    late, whole = table.get("late"), table.get("a")
    assert late is not None and whole is not None
    averages = [Smoothed(column, 0.5) for column in (late, whole)]
    assert [average.update() for average in averages] == [False, False]
    assert [p.step for p in averages[0].points()] == [4, 5] and averages[0]._places is whole._places
    # A row without a value takes the column away from its table, a rewind to before its start moves it.
    table.extend([6, 7], [0.0] * 2, [0.0] * 2, {"a": [6.0, 7.0], "late": [None, 3.0]})
    averages[0].update()
    assert ys_of(averages[0]) == pytest.approx(smoothed(late, 0.5)) and averages[0]._places is late._places
    table.rewind(2)
    assert [len(average) for average in averages] == [0, 1]
    table.extend([2, 3], [0.0] * 2, [0.0] * 2, {"a": [8.0, 8.0], "late": [1.0, 2.0]})
    assert [average.update() for average in averages] == [False, False]
    assert [p.step for p in averages[0].points()] == [2, 3]
    assert ys_of(averages[1]) == pytest.approx(smoothed(whole, 0.5))


def test_huge_values_stay_finite() -> None:
    assert all(map(math.isfinite, smoothed(column_of([1e308, -1e308] * 50), 0.9)))


@pytest.mark.parametrize("weight", [-0.1, 1.0, 0.9999, math.nan])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        Smoothed(Column(), weight)


def test_averages_are_made_once_and_go_with_their_column() -> None:
    column, smoothing = column_of([1.0, 2.0]), Smoothing(0.5)
    average = smoothing.of(column)
    assert smoothing.of(column) is average and len(average) == 2
    gone = weakref.ref(column)
    del column
    gc.collect()
    assert gone() is None and not average.update() and len(average) == 2


def test_others_may_read_while_a_run_is_resumed_again_and_again() -> None:
    column = column_of([1.0] * 200, list(range(200)))
    average = Smoothed(column, 0.9)
    done = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            points = average.points()
            if [p.step for p in points] != list(range(len(points))):
                wrong.append("steps")
            average.sample("step", 0, 5000, 50)
            average.nearest("step", 700)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(40):
            column.extend((step, 0.0, 0.0, 1.0) for step in range(100, 1500))
            average.update(900)
            column.extend((step, 0.0, 0.0, 1.0) for step in range(200))
            average.update()
    finally:
        done.set()
        reader.join()
    assert not wrong
