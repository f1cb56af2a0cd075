"""An append-only series of one measured quantity, cheap to look at from afar however long it gets.

A reader that draws needs, for some window of the x axis, a few hundred buckets that keep every spike. A pyramid of
minima and maxima over blocks of 16, 16², … points answers that without walking the points.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from threading import Lock
from typing import Literal, NamedTuple

Axis = Literal["step", "tokens", "time"]

_BLOCK = 16
# Buckets of fewer points than this keep their exact edges: rounding to a block would be visible there.
_ROUND_FROM = 16 * _BLOCK


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

    Threads: any thread may append or rewind while any other reads. Every call takes one short lock (a look at a
    million points holds it for a millisecond or two), so a reader sees each call's effect whole or not at all.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps = array("d")
        self._tokens = array("d")
        self._times = array("d")
        self._ys = array("d")
        # Indices of the gaps, and of the points lower than all before them: both shrink by a bisect at a rewind.
        self._gaps = array("q")
        self._records = array("q")
        # Level k holds one entry for each full block of _BLOCK**(k+1) points.
        self._lows: list[array[float]] = []
        self._highs: list[array[float]] = []
        self._revision = 0

    def __len__(self) -> int:
        return len(self._ys)

    @property
    def revision(self) -> int:
        """A number that differs whenever the content does: cheap to compare before drawing again."""
        return self._revision

    def append(self, step: int, tokens: float, time: float, y: float) -> None:
        """Add a point. A `step` below the last one rewinds to it first, since a replay replaces what it replays.

        `y` may be NaN or infinite: a gap. `tokens` and `time` that are unknown (NaN), infinite or lower than before
        repeat the value before them (0 at the start), so that every axis stays sorted. A step that is not finite is
        a ValueError.
        """
        with self._lock:
            self._append(step, tokens, time, y)
            self._revision += 1

    def extend(self, points: Iterable[tuple[int, float, float, float]]) -> None:
        """Append many (step, tokens, time, y) at once, as `append` does, holding the lock once."""
        batch = list(points)
        if not batch:
            return
        with self._lock:
            if len(batch) < _BLOCK or not self._extend_plain(batch):
                for step, tokens, time, y in batch:
                    self._append(step, tokens, time, y)
            self._revision += 1

    def rewind(self, step: int) -> None:
        """Drop every point at `step` and after: a resumed run is about to replay them."""
        with self._lock:
            keep = bisect_left(self._steps, step)
            if keep < len(self._ys):
                self._cut(keep)
                self._revision += 1

    def first(self) -> Point | None:
        """The earliest point, gap or not."""
        with self._lock:
            return self._point(0) if self._ys else None

    def last(self) -> Point | None:
        """The latest point, gap or not."""
        with self._lock:
            return self._point(len(self._ys) - 1) if self._ys else None

    def best(self) -> Point | None:
        """The point of the smallest finite value (the earliest of equals), None without one."""
        with self._lock:
            return self._point(self._records[-1]) if self._records else None

    def points(self, start: int = 0, stop: int | None = None) -> list[Point]:
        """The points from index `start` to before `stop` (a copy)."""
        with self._lock:
            return [self._point(i) for i in range(*slice(start, stop).indices(len(self._ys)))]

    def nearest(self, axis: Axis, x: float) -> Point | None:
        """The point closest to `x` on `axis`; between two equally close the earlier."""
        with self._lock:
            xs = self._xs(axis)
            after = bisect_right(xs, x)
            if after == len(xs):
                return self._point(after - 1) if xs else None
            if after == 0:
                return self._point(0)
            return self._point(after - 1 if x - xs[after - 1] <= xs[after] - x else after)

    def at_or_after(self, axis: Axis, x: float) -> Point | None:
        """The first point whose position on `axis` is `x` or more."""
        with self._lock:
            index = bisect_left(self._xs(axis), x)
            return self._point(index) if index < len(self._ys) else None

    def at_or_before(self, axis: Axis, x: float) -> Point | None:
        """The last point whose position on `axis` is `x` or less."""
        with self._lock:
            index = bisect_right(self._xs(axis), x) - 1
            return self._point(index) if index >= 0 else None

    def bounds(self, axis: Axis, lo: float, hi: float) -> tuple[float, float] | None:
        """The smallest and largest finite value with lo <= x <= hi; None where there is none."""
        with self._lock:
            xs = self._xs(axis)
            low, high = self._extremes(bisect_left(xs, lo), bisect_right(xs, hi))
            return (low, high) if low <= high else None

    def sample(self, axis: Axis, lo: float, hi: float, buckets: int) -> list[Bucket]:
        """The points with lo <= x <= hi in at most `buckets` buckets of equal width, in order; empty ones are left out.

        Before and after them stands the nearest point outside the window, alone in a bucket, so that a line goes on
        to the edge. Where few points are inside, each has a bucket to itself. With hundreds of points to a bucket an
        edge may lie up to a quarter of a bucket's width early, where a block of the pyramid ends.
        """
        with self._lock:
            xs = self._xs(axis)
            start, stop = bisect_left(xs, lo), bisect_right(xs, hi)
            if stop < start or not xs:
                return []
            out: list[Bucket] = []
            if start > 0:
                out.append(self._single(xs, start - 1))
            if stop - start <= buckets:
                out.extend([self._single(xs, i) for i in range(start, stop)])
            elif buckets > 0:
                self._fill(out, xs, start, stop, max(lo, xs[0]) if math.isinf(lo) else lo, hi, buckets)
            if stop < len(xs):
                out.append(self._single(xs, stop))
            return out

    def _fill(
        self, out: list[Bucket], xs: array[float], start: int, stop: int, lo: float, hi: float, buckets: int
    ) -> None:
        width = ((xs[-1] if math.isinf(hi) else hi) - lo) / buckets
        slack = width / 4
        # The largest blocks of which a bucket of average size holds a few: their edges cost nothing to look up.
        level, block = -1, 1
        while block * _BLOCK * 8 <= (stop - start) // buckets and level + 1 < len(self._lows):
            level, block = level + 1, block * _BLOCK
        step = (stop - start) // buckets * 2
        lows = self._lows[level] if level >= 0 else None
        highs = self._highs[level] if level >= 0 else None
        ys, has_gaps = self._ys, bool(self._gaps)
        for number in range(1, buckets + 1):
            edge = lo + width * number
            # Mostly the edge lies near; a search nearby touches less memory than one through all.
            near = start + step
            upper = near if near < stop and xs[near] >= edge else stop
            end = stop if number == buckets else bisect_left(xs, edge, start, upper)
            if lows is not None and highs is not None and end - start >= _ROUND_FROM and end < stop:
                rounded = end - end % block
                if rounded > start and edge - xs[rounded] < slack:
                    end = rounded
                    if start % block == 0 and not has_gaps:
                        part = slice(start // block, end // block)
                        low, high = min(lows[part]), max(highs[part])
                        out.append(Bucket(xs[start], xs[end - 1], ys[start], low, high, ys[end - 1], False))
                        start = end
                        continue
            if end > start:
                out.append(self._bucket(xs, start, end))
                start = end

    def _single(self, xs: array[float], index: int) -> Bucket:
        x, y = xs[index], self._ys[index]
        if -math.inf < y < math.inf:
            return Bucket(x, x, y, y, y, y, False)
        return Bucket(x, x, math.nan, math.nan, math.nan, math.nan, True)

    def _bucket(self, xs: array[float], start: int, end: int) -> Bucket:
        if end - start == 1:
            return self._single(xs, start)
        low, high = self._extremes(start, end)
        first, last = self._ys[start], self._ys[end - 1]
        gap = self._has_gap(start, end)
        if gap:
            first = first if math.isfinite(first) else math.nan
            last = last if math.isfinite(last) else math.nan
            if low > high:
                low = high = math.nan
        return Bucket(xs[start], xs[end - 1], first, low, high, last, gap)

    def _xs(self, axis: Axis) -> array[float]:
        if axis == "step":
            return self._steps
        return self._tokens if axis == "tokens" else self._times

    def _point(self, index: int) -> Point:
        return Point(index, int(self._steps[index]), self._tokens[index], self._times[index], self._ys[index])

    def _append(self, step: int, tokens: float, time: float, y: float) -> None:
        if not -math.inf < step < math.inf:
            raise ValueError(f"a step must be finite, not {step}")
        if self._steps and step < self._steps[-1]:
            self._cut(bisect_left(self._steps, step))
        index = len(self._ys)
        tokens_before = self._tokens[-1] if index else 0.0
        time_before = self._times[-1] if index else 0.0
        # Written so that NaN, which compares false with all, takes the value before.
        self._tokens.append(tokens if tokens_before <= tokens < math.inf else tokens_before)
        self._times.append(time if time_before <= time < math.inf else time_before)
        self._steps.append(step)
        self._ys.append(y)
        if not -math.inf < y < math.inf:
            self._gaps.append(index)
        elif not self._records or y < self._ys[self._records[-1]]:
            self._records.append(index)
        if (index + 1) % _BLOCK == 0:
            self._summarise(index + 1)

    def _extend_plain(self, batch: list[tuple[int, float, float, float]]) -> bool:
        """Add a batch that has nothing to mend, array by array; False, and nothing done, where it has."""
        axes = [array("d", axis) for axis in zip(*batch, strict=True)]
        ys = axes.pop()
        if not math.isfinite(sum(ys)) or not all(
            _grows(old, new) for old, new in zip((self._steps, self._tokens, self._times), axes, strict=True)
        ):
            return False
        first = len(self._ys)
        for old, new in zip((self._steps, self._tokens, self._times, self._ys), (*axes, ys), strict=True):
            old.extend(new)
        best = self._ys[self._records[-1]] if self._records else math.inf
        if min(ys) < best:
            for index, y in enumerate(ys, first):
                if y < best:
                    best = y
                    self._records.append(index)
        for end in range(first - first % _BLOCK + _BLOCK, len(self._ys) + 1, _BLOCK):
            self._summarise(end)
        return True

    def _summarise(self, end: int) -> None:
        low, high = self._raw(end - _BLOCK, end)
        level = 0
        while True:
            if level == len(self._lows):
                self._lows.append(array("d"))
                self._highs.append(array("d"))
            lows, highs = self._lows[level], self._highs[level]
            lows.append(low)
            highs.append(high)
            if len(lows) % _BLOCK:
                return
            low, high = min(lows[-_BLOCK:]), max(highs[-_BLOCK:])
            level += 1

    def _cut(self, keep: int) -> None:
        for column in (self._steps, self._tokens, self._times, self._ys):
            del column[keep:]
        for indices in (self._gaps, self._records):
            del indices[bisect_left(indices, keep) :]
        for lows, highs in zip(self._lows, self._highs, strict=True):
            keep //= _BLOCK
            del lows[keep:], highs[keep:]

    def _has_gap(self, start: int, end: int) -> bool:
        gaps = self._gaps
        if not gaps:
            return False
        place = bisect_left(gaps, start)
        return place < len(gaps) and gaps[place] < end

    def _raw(self, start: int, end: int) -> tuple[float, float]:
        values: Iterable[float] = self._ys[start:end]
        if self._has_gap(start, end):
            values = [y for y in values if -math.inf < y < math.inf]
        return min(values, default=math.inf), max(values, default=-math.inf)

    def _extremes(self, start: int, end: int) -> tuple[float, float]:
        """Smallest and largest finite value of the points start to before end; (inf, -inf) where there is none."""
        low, high = math.inf, -math.inf
        level = -1
        while start < end:
            # What does not fill a block of the next level is looked at here, the rest one level up.
            first, last = -(-start // _BLOCK), end // _BLOCK
            if first < last and level + 1 < len(self._lows):
                parts = ((start, first * _BLOCK), (last * _BLOCK, end))
            else:
                parts = ((start, end), (end, end))
                first = last
            for part_start, part_end in parts:
                if part_start == part_end:
                    continue
                if level < 0:
                    a, b = self._raw(part_start, part_end)
                else:
                    a = min(self._lows[level][part_start:part_end])
                    b = max(self._highs[level][part_start:part_end])
                low, high = min(low, a), max(high, b)
            start, end = first, last
            level += 1
        return low, high


def _grows(old: array[float], new: array[float]) -> bool:
    """Whether `new` is finite, and sorted, and goes on where `old` (or 0, before anything) ends."""
    # The sum of what is finite may overflow, which only costs the slower way.
    return math.isfinite(sum(new)) and new[0] >= (old[-1] if old else 0.0) and new.tolist() == sorted(new)
