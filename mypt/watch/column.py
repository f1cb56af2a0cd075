"""An append-only series of one measured quantity, cheap to look at from afar however long it gets.

A reader that draws needs, for some window of the x axis, a few hundred buckets that keep every spike.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from weakref import WeakSet

from mypt.watch.extremes import BLOCK, Extremes
from mypt.watch.places import Axis, Places

# Buckets of fewer points than this keep their exact edges: rounding to a block would be visible there.
_ROUND_FROM = 4 * BLOCK
# So few are looked through faster than blocks are found for them.
_FEW = 2 * BLOCK


class Point(NamedTuple):
    """One measurement: its place in the column, its place on each axis, and the value (NaN or infinite is a gap)."""

    place: int
    step: int
    tokens: float
    time: float
    y: float

    def x(self, axis: Axis) -> float:
        """The position on `axis`: updates, tokens or seconds."""
        if axis == "step":
            return self.step
        return self.tokens if axis == "tokens" else self.time


class Bucket(NamedTuple):
    """Neighbouring points as one: x of the first and the last, their y, and the extremes between.

    `first` and `last` are NaN where that very point is a gap; `low` and `high` are over the finite values and NaN
    where there is none. `gap` says that at least one point in here is a gap.
    """

    x0: float
    x1: float
    first: float
    low: float
    high: float
    last: float
    gap: bool


class Column:
    """Points in the order of their steps, on three x axes (updates, tokens, seconds), all non-decreasing.

    A column has `places` of its own, or those of a table, of which its first point stands at index `base`; only the
    table then adds and drops points. Threads: any thread may append or rewind while any other reads. Every call takes
    one short lock (a look at a million points holds it for a millisecond or two), so a reader sees each call's
    effect whole or not at all.
    """

    def __init__(self, places: Places | None = None, base: int = 0) -> None:
        self._places = places or Places()
        self._base = base
        self._extremes = Extremes()
        self._ys = self._extremes.values
        self._revision = 0
        self._derived: WeakSet[Column] | None = None

    def __len__(self) -> int:
        return len(self._ys)

    @property
    def revision(self) -> int:
        """A number that differs whenever the content does: cheap to compare before drawing again."""
        return self._revision

    # ── adding and dropping ─────────────────────────────────────────────────────────────────────────────────────

    def append(self, step: int, tokens: float, time: float, y: float) -> None:
        """Add a point. A `step` below the last one rewinds to it first, since a replay replaces what it replays.

        `y` may be NaN or infinite: a gap. `tokens` and `time` that are unknown (NaN), infinite or lower than before
        repeat the value before them (0 at the start), so that every axis stays sorted. A step that is not finite is
        a ValueError.
        """
        with self._places.lock:
            self._append(step, tokens, time, y)
            self._revision += 1

    def extend(self, points: Iterable[tuple[int, float, float, float]]) -> None:
        """Append many (step, tokens, time, y) at once, as `append` does, holding the lock once."""
        batch = list(points)
        if not batch:
            return
        with self._places.lock:
            steps, tokens, times, ys = zip(*batch, strict=True)
            if self._places.extend(steps, tokens, times):
                self.push(ys)
                return
            for step, token, time, y in batch:
                self._append(step, token, time, y)
            self._revision += 1

    def rewind(self, step: int) -> None:
        """Drop every point at `step` and after: a resumed run is about to replay them."""
        with self._places.lock:
            self.cut_from(step)

    def _append(self, step: int, tokens: float, time: float, y: float) -> None:
        if not -math.inf < step < math.inf:
            raise ValueError(f"a step must be finite, not {step}")
        if self._places.steps and step < self._places.steps[-1]:
            self.cut_from(step)
        self._places.append(step, tokens, time)
        self.push((y,))

    # ── for the table that owns the places; it holds their lock ─────────────────────────────────────────────────

    @property
    def base(self) -> int:
        """The index, among the places, of the first point."""
        return self._base

    @property
    def end(self) -> int:
        """The index, among the places, after that of the last point."""
        return self._base + len(self._ys)

    def push(self, ys: Sequence[float]) -> None:
        """Add the values that belong to the places after the last point. TypeError, and nothing added, for a None."""
        self._extremes.push(ys)
        self._revision += 1

    def take(self, source: Places, indices: Sequence[int], ys: Sequence[float]) -> None:
        """Add the values `ys` at those of the places `source`, which it does not share."""
        for axis in ("step", "tokens", "time"):
            there = source.axis(axis)
            self._places.axis(axis).extend([there[index] for index in indices])
        self.push(ys)

    def cut_from(self, step: int) -> None:
        """Drop every point at `step` and after, where the places are its own."""
        keep = self._places.cut_from(step)
        if keep < len(self._ys):
            self.cut(keep)

    def cut(self, keep: int) -> None:
        """Drop all but the first `keep` points."""
        self._extremes.cut(keep)
        self._revision += 1
        for column in self._derived or ():
            column.cut(keep)

    def move(self, base: int) -> None:
        """Let a column without points begin at another place."""
        self._stand(self._places, base)

    def part(self) -> None:
        """Take places of its own from now on: it is measured no longer together with the others of its table."""
        self._stand(self._places.copy(self._base, self.end), 0)

    def join(self, places: Places) -> None:
        """Share these places from now on: a column without points, which begins with them."""
        self._stand(places, 0)

    def _stand(self, places: Places, base: int) -> None:
        self._places, self._base = places, base
        for column in self._derived or ():
            column._stand(places, base)

    # ── for columns that are computed from this one, point by point ─────────────────────────────────────────────

    def derive(self, column: Column) -> None:
        """Let `column`, which has no points yet, stand at the places of this one, and be cut whenever this one is.

        It has as many points as this one or fewer, until whoever computes it has caught up, and never a point more.
        It is held weakly: nobody needs to take leave.
        """
        with self._places.lock:
            column._stand(self._places, self._base)
            if self._derived is None:
                self._derived = WeakSet()
            self._derived.add(column)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def first(self) -> Point | None:
        """The earliest point, gap or not."""
        with self._places.lock:
            return self._point(0) if self._ys else None

    def last(self) -> Point | None:
        """The latest point, gap or not."""
        with self._places.lock:
            return self._point(len(self._ys) - 1) if self._ys else None

    def best(self) -> Point | None:
        """The point of the smallest finite value (the earliest of equals), None without one."""
        with self._places.lock:
            place = self._extremes.smallest()
            return None if place is None else self._point(place)

    def points(self, start: int = 0, stop: int | None = None) -> list[Point]:
        """The points from index `start` to before `stop` (a copy)."""
        with self._places.lock:
            return [self._point(i) for i in range(*slice(start, stop).indices(len(self._ys)))]

    def nearest(self, axis: Axis, x: float) -> Point | None:
        """The point closest to `x` on `axis`; between two equally close the earlier."""
        with self._places.lock:
            xs, first, end = self._places.axis(axis), self._base, self.end
            after = bisect_right(xs, x, first, end)
            if after == end:
                return self._point(len(self._ys) - 1) if self._ys else None
            if after == first:
                return self._point(0)
            return self._point((after - 1 if x - xs[after - 1] <= xs[after] - x else after) - first)

    def at_or_after(self, axis: Axis, x: float) -> Point | None:
        """The first point whose position on `axis` is `x` or more."""
        with self._places.lock:
            index = self._left(axis, x)
            return self._point(index) if index < len(self._ys) else None

    def at_or_before(self, axis: Axis, x: float) -> Point | None:
        """The last point whose position on `axis` is `x` or less."""
        with self._places.lock:
            index = self._right(axis, x) - 1
            return self._point(index) if index >= 0 else None

    def bounds(self, axis: Axis, lo: float, hi: float) -> tuple[float, float] | None:
        """The smallest and largest finite value with lo <= x <= hi; None where there is none."""
        with self._places.lock:
            low, high = self._extremes.between(self._left(axis, lo), self._right(axis, hi))
            return (low, high) if low <= high else None

    def sample(self, axis: Axis, lo: float, hi: float, buckets: int) -> list[Bucket]:
        """The points with lo <= x <= hi in at most `buckets` buckets of equal width, in order; empty ones are left out.

        Before and after them stands the nearest point outside the window, alone in a bucket, so that a line goes on
        to the edge. Where few points are inside, each has a bucket to itself. With hundreds of points to a bucket an
        edge may lie up to a quarter of a bucket's width early, where a block of the pyramid ends.
        """
        with self._places.lock:
            xs = self._places.axis(axis)
            start, stop = self._left(axis, lo), self._right(axis, hi)
            if stop < start or not self._ys:
                return []
            out: list[Bucket] = []
            if start > 0:
                out.append(self._single(xs, start - 1))
            if stop - start <= buckets:
                out.extend([self._single(xs, i) for i in range(start, stop)])
            elif buckets > 0:
                begin = max(lo, xs[self._base]) if math.isinf(lo) else lo
                end = xs[self.end - 1] if math.isinf(hi) else hi
                self._fill(out, xs, start, stop, begin, end, buckets)
            if stop < len(self._ys):
                out.append(self._single(xs, stop))
            return out

    def _left(self, axis: Axis, x: float) -> int:
        return bisect_left(self._places.axis(axis), x, self._base, self.end) - self._base

    def _right(self, axis: Axis, x: float) -> int:
        return bisect_right(self._places.axis(axis), x, self._base, self.end) - self._base

    def _fill(
        self, out: list[Bucket], xs: array[float], start: int, stop: int, lo: float, hi: float, buckets: int
    ) -> None:
        width = (hi - lo) / buckets
        slack = width / 4
        # The largest blocks of which a bucket of average size holds four, so that one is a quarter at most: their edges cost nothing to look up.
        extremes, level, block = self._extremes, -1, 1
        while block * BLOCK * 4 <= (stop - start) // buckets and level + 1 < len(extremes.lows):
            level, block = level + 1, block * BLOCK
        step = (stop - start) // buckets * 2
        lows = extremes.lows[level] if level >= 0 else None
        highs = extremes.highs[level] if level >= 0 else None
        ys, base, has_gaps = self._ys, self._base, extremes.has_gaps
        # Where blocks begin: few enough to stay at hand, where a search through all points would fetch from memory.
        first, seen = -(-start // block), 0
        places = xs[base + first * block : base + stop : block] if level >= 0 else None
        for number in range(1, buckets + 1):
            edge = lo + width * number
            if places is None:
                # Mostly the edge lies near; a search nearby touches less memory than one through all.
                near = start + step
                lower, upper = start, near if near < stop and xs[base + near] >= edge else stop
            else:
                near = seen + step // block
                near = near if near < len(places) and places[near] >= edge else len(places)
                seen = bisect_left(places, edge, seen, near)
                rounded = (first + seen - 1) * block
                if (
                    lows is not None
                    and highs is not None
                    and number < buckets
                    and rounded - start >= max(_ROUND_FROM - block, 1)
                    and edge - places[seen - 1] < slack
                ):
                    end = rounded
                    if start % block == 0 and not has_gaps:
                        part = slice(start // block, end // block)
                        low, high = min(lows[part]), max(highs[part])
                        x0, x1 = xs[base + start], xs[base + end - 1]
                        out.append(Bucket(x0, x1, ys[start], low, high, ys[end - 1], False))
                    else:
                        out.append(self._bucket(xs, start, end))
                    start = end
                    continue
                lower, upper = max(start, rounded), min(rounded + block, stop)
            end = stop if number == buckets else bisect_left(xs, edge, base + lower, base + upper) - base
            if end > start:
                if has_gaps or end - start > _FEW:
                    out.append(self._bucket(xs, start, end))
                else:
                    few, x0, x1 = ys[start:end], xs[base + start], xs[base + end - 1]
                    out.append(Bucket(x0, x1, few[0], min(few), max(few), few[-1], False))
                start = end

    def _single(self, xs: array[float], index: int) -> Bucket:
        x, y = xs[self._base + index], self._ys[index]
        if -math.inf < y < math.inf:
            return Bucket(x, x, y, y, y, y, False)
        return Bucket(x, x, math.nan, math.nan, math.nan, math.nan, True)

    def _bucket(self, xs: array[float], start: int, end: int) -> Bucket:
        if end - start == 1:
            return self._single(xs, start)
        low, high = self._extremes.between(start, end)
        first, last = self._ys[start], self._ys[end - 1]
        gap = self._extremes.has_gap(start, end)
        if gap:
            first = first if math.isfinite(first) else math.nan
            last = last if math.isfinite(last) else math.nan
            if low > high:
                low = high = math.nan
        return Bucket(xs[self._base + start], xs[self._base + end - 1], first, low, high, last, gap)

    def _point(self, index: int) -> Point:
        places, place = self._places, self._base + index
        return Point(
            index, int(places.steps[place]), places.tokens[place], places.times[place], self._ys[index]
        )
