from __future__ import annotations

import math
import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mypt.watch.column import Bucket, Column, Point
from mypt.watch.places import Axis

AXES: tuple[Axis, ...] = ("step", "tokens", "time")

values = st.one_of(
    st.floats(-100, 100), st.just(math.nan), st.just(math.inf), st.just(-math.inf), st.floats(allow_nan=False)
)
unknowns = st.one_of(st.floats(0, 1000), st.just(math.nan), st.just(math.inf))


class Model:
    """The same contract, by brute force."""

    def __init__(self) -> None:
        self.points: list[tuple[int, float, float, float]] = []

    def append(self, step: int, tokens: float, time: float, y: float) -> None:
        # A smaller step rewinds; an equal one stands beside it.
        if self.points and step < self.points[-1][0]:
            self.rewind(step)
        before = self.points[-1] if self.points else (0, 0.0, 0.0, 0.0)
        known_tokens = tokens if math.isfinite(tokens) and tokens >= before[1] else before[1]
        known_time = time if math.isfinite(time) and time >= before[2] else before[2]
        self.points.append((step, known_tokens, known_time, y))

    def rewind(self, step: int) -> None:
        self.points = [p for p in self.points if p[0] < step]

    def xs(self, axis: Axis) -> list[float]:
        return [p[AXES.index(axis)] for p in self.points]

    def finite(self, axis: Axis, lo: float, hi: float) -> list[float]:
        return [
            p[3]
            for p, x in zip(self.points, self.xs(axis), strict=True)
            if lo <= x <= hi and math.isfinite(p[3])
        ]


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def tidy(y: float) -> float:
    return y if math.isfinite(y) else math.nan


operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 5), unknowns, unknowns, values),
        st.tuples(st.just("many"), st.integers(1, 150), st.floats(0, 3), st.floats(0, 3), values),
        st.tuples(st.just("rewind"), st.integers(0, 400), st.just(0.0), st.just(0.0), st.just(0.0)),
        st.tuples(st.just("back"), st.integers(1, 40), unknowns, unknowns, values),
    ),
    max_size=40,
)


def play(script: list[tuple[str, int, float, float, float]]) -> tuple[Column, Model]:
    column, model = Column(), Model()

    def append(step: int, tokens: float, time: float, y: float) -> None:
        column.append(step, tokens, time, y)
        model.append(step, tokens, time, y)

    for kind, number, tokens, time, y in script:
        last = model.points[-1] if model.points else (0, 0.0, 0.0, 0.0)
        if kind == "append":
            append(last[0] + number, tokens, time, y)
        elif kind == "many":
            for i in range(number):
                wave = y + math.sin(i) if math.isfinite(y) else y
                append(last[0] + 1 + i, last[1] + tokens * i, last[2] + time * i, wave)
        elif kind == "rewind":
            column.rewind(number)
            model.rewind(number)
        else:
            append(max(0, last[0] - number), tokens, time, y)
    return column, model


@settings(max_examples=150, deadline=None)
@given(operations, st.sampled_from(AXES), st.floats(-10, 500), st.floats(0, 500), st.integers(1, 60))
def test_a_column_says_what_brute_force_says(
    script: list[tuple[str, int, float, float, float]], axis: Axis, lo: float, width: float, buckets: int
) -> None:
    column, model = play(script)
    hi = lo + width
    xs = model.xs(axis)
    assert len(column) == len(model.points)
    assert [tuple(p[1:4]) for p in column.points()] == [p[:3] for p in model.points]
    assert all(same(p.y, q[3]) for p, q in zip(column.points(), model.points, strict=True))
    for each in AXES:
        assert model.xs(each) == sorted(model.xs(each))

    finite = model.finite(axis, lo, hi)
    assert column.bounds(axis, lo, hi) == ((min(finite), max(finite)) if finite else None)

    best = column.best()
    everything = model.finite("step", -math.inf, math.inf)
    assert (best.y if best else None) == (min(everything) if everything else None)
    if best:
        assert best.step == next(p[0] for p in model.points if p[3] == best.y)

    nearest = column.nearest(axis, lo)
    assert (nearest is None) == (not xs)
    if nearest:
        assert abs(nearest.x(axis) - lo) == min(abs(x - lo) for x in xs)

    after, before = column.at_or_after(axis, lo), column.at_or_before(axis, lo)
    assert (after.x(axis) if after else None) == min((x for x in xs if x >= lo), default=None)
    assert (before.x(axis) if before else None) == max((x for x in xs if x <= lo), default=None)

    check_sample(column, model, axis, lo, hi, buckets)


def check_sample(column: Column, model: Model, axis: Axis, lo: float, hi: float, buckets: int) -> None:
    xs = model.xs(axis)
    sample = column.sample(axis, lo, hi, buckets)
    inside = [i for i, x in enumerate(xs) if lo <= x <= hi]
    start = inside[0] if inside else sum(x < lo for x in xs)
    stop = inside[-1] + 1 if inside else start
    if start > 0:
        head = sample.pop(0)
        assert head.x0 == head.x1 == xs[start - 1]
        assert same(head.first, tidy(model.points[start - 1][3]))
    if stop < len(xs):
        tail = sample.pop()
        assert tail.x0 == tail.x1 == xs[stop]
        assert same(tail.last, tidy(model.points[stop][3]))
    assert len(sample) <= buckets

    groups = grouped(xs, start, stop, lo, hi, buckets)
    if all(len(group) < 256 for group in groups):
        assert [tuple(map(nan_as_text, b)) for b in sample] == [
            tuple(map(nan_as_text, expected(model, xs, g))) for g in groups
        ]
    finite = model.finite(axis, lo, hi)
    lows = [b.low for b in sample if not math.isnan(b.low)]
    highs = [b.high for b in sample if not math.isnan(b.high)]
    assert ((min(lows), max(highs)) if lows else None) == ((min(finite), max(finite)) if finite else None)


def grouped(xs: list[float], start: int, stop: int, lo: float, hi: float, buckets: int) -> list[list[int]]:
    inside = range(start, stop)
    if len(inside) <= buckets:
        return [[i] for i in inside]
    width = (hi - lo) / buckets
    edges = [lo + width * k for k in range(1, buckets)]
    groups: dict[int, list[int]] = {}
    for i in inside:
        groups.setdefault(sum(edge <= xs[i] for edge in edges), []).append(i)
    return list(groups.values())


def expected(model: Model, xs: list[float], group: list[int]) -> Bucket:
    ys = [model.points[i][3] for i in group]
    finite = [y for y in ys if math.isfinite(y)] or [math.nan]
    gap = not all(map(math.isfinite, ys))
    return Bucket(xs[group[0]], xs[group[-1]], tidy(ys[0]), min(finite), max(finite), tidy(ys[-1]), gap)


def nan_as_text(value: float) -> float | str:
    return "nan" if math.isnan(value) else value


def filled(number: int) -> Column:
    column = Column()
    column.extend((i, i * 10.0, i * 0.5, math.cos(i * 0.01)) for i in range(number))
    return column


def test_an_empty_column_has_nothing_to_say() -> None:
    column = Column()
    assert len(column) == 0
    assert column.first() is column.last() is column.best() is column.nearest("step", 3) is None
    assert column.bounds("step", 0, 1) is None
    assert column.sample("tokens", 0, 1, 10) == []


def test_a_spike_survives_among_many_points() -> None:
    column = filled(40_000)
    column.append(40_000, 400_000.0, 20_000.0, 99.0)
    column.extend((i, i * 10.0, i * 0.5, 0.0) for i in range(40_001, 90_000))
    sample = column.sample("time", 0, 45_000, 50)
    assert len(sample) == 50
    assert max(b.high for b in sample) == 99.0


def test_dense_buckets_lie_within_a_quarter_of_where_they_were_asked() -> None:
    column = filled(100_000)
    sample = column.sample("step", 0, 100_000, 25)
    assert [b.x1 + 1 for b in sample[:-1]] == [b.x0 for b in sample[1:]]
    assert all(0 <= 4000 * k - b.x0 < 1000 for k, b in enumerate(sample))


def test_a_rewind_across_blocks_leaves_nothing_of_what_it_dropped() -> None:
    column = filled(5000)
    column.append(5000, math.nan, math.nan, -50.0)
    column.append(5001, math.nan, math.nan, math.nan)
    column.rewind(3000)
    column.extend((i, i * 10.0, i * 0.5, 2.0) for i in range(3000, 6000))
    bounds = column.bounds("step", 0, 10_000)
    assert bounds is not None
    assert bounds[0] == min(math.cos(i * 0.01) for i in range(3000))
    assert bounds[1] == 2.0
    assert column.bounds("step", 3000, 6000) == (2.0, 2.0)
    assert not any(b.gap for b in column.sample("step", 0, 6000, 20))


def test_a_smaller_step_replaces_what_it_replays() -> None:
    column = Column()
    for step in (0, 10, 20, 30):
        column.append(step, step, step, float(step))
    column.append(15, 15, 15, -1.0)
    assert [(p.step, p.y) for p in column.points()] == [(0, 0.0), (10, 10.0), (15, -1.0)]


def test_unknown_tokens_and_times_carry_the_value_before() -> None:
    column = Column()
    column.append(0, math.nan, math.nan, 1.0)
    column.append(1, 100, 5, 1.0)
    column.append(2, math.nan, 4.0, 1.0)
    column.append(3, math.inf, 6.0, 1.0)
    assert [(p.tokens, p.time) for p in column.points()] == [(0, 0), (100, 5), (100, 5), (100, 6)]


def test_a_step_that_is_no_number_is_refused_and_leaves_the_column_whole() -> None:
    column = filled(3)
    with pytest.raises(ValueError, match="finite"):
        column.append(math.nan, 1.0, 1.0, 1.0)  # type: ignore[arg-type]
    assert [p.step for p in column.points()] == [0, 1, 2]


def test_infinite_windows_mean_everything() -> None:
    column = filled(1000)
    sample = column.sample("step", -math.inf, math.inf, 10)
    assert len(sample) == 10
    assert (sample[0].x0, sample[-1].x1) == (0, 999)


def test_last_shows_a_gap_as_it_was_said() -> None:
    column = Column()
    column.append(1, 1, 1, math.inf)
    assert column.last() == Point(0, 1, 1.0, 1.0, math.inf)
    assert column.best() is None


def test_the_revision_tells_change_from_rest() -> None:
    column = filled(10)
    seen = column.revision
    column.sample("step", 0, 10, 5)
    column.rewind(99)
    assert column.revision == seen
    column.append(10, 0, 0, 0)
    assert column.revision != seen
    seen = column.revision
    column.rewind(5)
    assert column.revision != seen


def test_a_reader_beside_a_writer_never_sees_half_a_point() -> None:
    column = Column()
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            last = column.last()
            if last and (last.tokens != last.step or last.y != last.step):
                wrong.append(f"torn point {last}")
            for bucket in column.sample("tokens", 0, 1e9, 30):
                if not bucket.x0 == bucket.first == bucket.low <= bucket.high == bucket.last == bucket.x1:
                    wrong.append(f"torn bucket {bucket}")

    reader = threading.Thread(target=read)
    reader.start()
    for lap in range(4):
        column.rewind(lap * 500)
        for step in range(lap * 500, 4000):
            column.append(step, step, step, step)
    done.set()
    reader.join()
    assert wrong == []


rows = st.lists(st.tuples(st.integers(0, 3), unknowns, unknowns, values), max_size=60)


@given(st.lists(st.tuples(st.booleans(), rows), max_size=5))
@settings(deadline=None)
def test_many_at_once_are_the_same_as_one_by_one(
    batches: list[tuple[bool, list[tuple[int, float, float, float]]]],
) -> None:
    at_once, one_by_one = Column(), Column()
    step, count = 0, 0
    for plain, batch in batches:
        points = []
        for delta, tokens, time, y in batch:
            count += 1
            step += delta
            # Plain batches are what a log without faults gives, and take the short way.
            points.append(
                (step, 1000.0 + count, 1000.0 + count, math.sin(count))
                if plain
                else (step - 1, tokens, time, y)
            )
        points = [p for p in points if p[0] >= 0]
        at_once.extend(points)
        for point in points:
            one_by_one.append(*point)
    assert repr(at_once.points()) == repr(one_by_one.points())
    assert repr(at_once.best()) == repr(one_by_one.best())
    for axis in AXES:
        assert repr(at_once.sample(axis, -math.inf, math.inf, 3)) == repr(
            one_by_one.sample(axis, -math.inf, math.inf, 3)
        )
        assert at_once.bounds(axis, -math.inf, math.inf) == one_by_one.bounds(axis, -math.inf, math.inf)


def test_buckets_of_uneven_points_are_none_but_these() -> None:
    """Far more points to a bucket than a block has, and buckets in which no block begins."""
    ahead, alone = Column(), Column()
    ahead.extend((step, 0.0, 0.0, 1.0) for step in range(4000))
    ahead.extend((step, 0.0, 0.0, 2.0) for step in range(1_000_000, 1_400_000))
    # The first of a block stands by itself, near the end of its bucket.
    steps = [*range(8192), 98_000, *range(100_000, 600_000)]
    alone.extend((step, 0.0, 0.0, float(place)) for place, step in enumerate(steps))
    for column, lo in ((ahead, 3000), (alone, 0)):
        last = column.last()
        assert last is not None
        for buckets in range(1, 40):
            found = column.sample("step", lo, last.step, buckets)
            assert all(a.x1 < b.x0 for a, b in pairwise(found))
            inside = [bucket for bucket in found if bucket.x0 >= lo]
            assert (min(b.low for b in inside), max(b.high for b in inside)) == column.bounds(
                "step", lo, last.step
            )
