"""A curve with its noise averaged away: an exponential moving average that starts without bias and keeps gaps.

At point i with step x_i the average is Σ_j w^((x_i - x_j)/u) · y_j / Σ_j w^((x_i - x_j)/u) over the finite points
j ≤ i, where w is the weight and u the usual distance of two points. With evenly spaced points this is the average of
TensorBoard's scalar charts (s ← w·s + (1-w)·y, divided by 1 - wⁿ, the correction for a start at 0 of Kingma and Ba
2015), so that 0.6 or 0.9 do what people know. Where points stand further apart than usual, the older ones count less,
as in the time-weighted average of Weights & Biases; unlike there, a weight means the same at every zoom.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from statistics import median
from weakref import WeakKeyDictionary, ref

from mypt.watch.column import Column

HEAVIEST = 0.999
"""A weight beyond this would need tens of thousands of points to show anything."""
# So many points tell how far apart they usually stand.
_USUAL = 33
# A point counts no more once its weight is less than this.
_NOTHING = 1e-15
_CHUNK = 4096


class Smoothed(Column):
    """The average of `source`, a column on the same places: it is read like any other.

    `update` takes in what has come to `source`; in between this column has fewer points. Points that `source` drops
    (a run that is resumed) are gone from here at the same moment. One thread calls `update`, any may read. The source
    is held weakly: this column alone does not keep it. ValueError for a weight outside 0 (no smoothing) to 0.999.
    """

    def __init__(self, source: Column, weight: float) -> None:
        if not 0 <= weight <= HEAVIEST:
            raise ValueError(f"a weight must be between 0 and {HEAVIEST}, not {weight}")
        super().__init__()
        self._source = ref(source)
        self.weight = weight
        # What the next point needs of those before it; None where it must be found again.
        self._state: _State | None = None
        self._unit = 0.0
        self._cuts = 0
        source.derive(self)

    def update(self, most: int | None = None) -> bool:
        """Average what `source` has and this has not, `most` points of it; True while there is more.

        The lock is held only to copy: others read while a long column is averaged.
        """
        while (source := self._source()) is not None:
            with self._places.lock:
                cuts = self._cuts
                if len(self._ys) < _USUAL and len(source) > len(self._ys):
                    self._settle_unit(len(source))
                start = len(self._ys)
                stop = len(source) if most is None else min(len(source), start + most)
                if start >= stop:
                    return False
                state = self._state or self._found_again(start, source._ys)
                steps = self._places.steps[self._base + start : self._base + stop]
                ys = source._ys[start:stop]
            averages, state = _averages(steps, ys, state, self.weight, self._unit)
            with self._places.lock:
                if cuts == self._cuts:
                    self.push(averages)
                    self._state = state
                    return stop < len(source)
        return False

    def cut(self, keep: int) -> None:
        """Drop all but the first `keep` points; the lock is the caller's."""
        self._cuts += 1
        if keep < len(self._ys):
            self._state = None
            super().cut(keep)

    # ── inside; the lock is held ────────────────────────────────────────────────────────────────────────────────

    def _settle_unit(self, points: int) -> None:
        """While the first points come, each may change what is usual: they are averaged again."""
        steps = self._places.steps[self._base : self._base + min(points, _USUAL)]
        unit = median([b - a for a, b in pairwise(steps) if b > a] or [1.0])
        if unit != self._unit:
            self._unit = unit
            self._state = None
            super().cut(0)

    def _found_again(self, start: int, ys: array[float]) -> _State:
        """The state after the first `start` points, from as many of them as still count."""
        steps = self._places.steps
        last = next((i for i in range(start - 1, -1, -1) if math.isfinite(ys[i])), None)
        if last is None:
            return _State(math.nan, 0.0, 0.0)
        here, total = steps[self._base + last], 0.0
        for index in range(last, -1, -1):
            part = _decay(self.weight, (here - steps[self._base + index]) / self._unit)
            if part < _NOTHING:
                break
            if math.isfinite(ys[index]):
                total += part
        return _State(self._ys[last], total, here)


class _State:
    """The average so far, the sum of the weights in it, and the step of the last finite point."""

    __slots__ = ("average", "step", "total")

    def __init__(self, average: float, total: float, step: float) -> None:
        self.average, self.total, self.step = average, total, step


def _decay(weight: float, distance: float) -> float:
    return weight**distance if weight else 0.0


def _averages(
    steps: array[float], ys: array[float], state: _State, weight: float, unit: float
) -> tuple[array[float], _State]:
    out = array("d")
    state = _State(state.average, state.total, state.step)
    limit = 1 / (1 - weight)
    for start in range(0, len(steps), _CHUNK):
        some_steps, some_ys = steps[start : start + _CHUNK], ys[start : start + _CHUNK]
        if limit - state.total < 1e-12 * limit and _is_even(some_steps, some_ys, state.step, unit):
            # Nothing varies any more but y.
            averages = accumulate(some_ys, _mixer(1 / limit), initial=state.average)
            next(averages)
            out.extend(averages)
            state.average, state.step = out[-1], some_steps[-1]
        else:
            _one_by_one(out, some_steps, some_ys, state, weight, unit)
    return out, state


def _one_by_one(
    out: array[float], steps: Sequence[float], ys: Sequence[float], state: _State, weight: float, unit: float
) -> None:
    average, total, before = state.average, state.total, state.step
    for step, y in zip(steps, ys, strict=True):
        if not -math.inf < y < math.inf:
            out.append(math.nan)
            continue
        if total:
            decay = weight if step - before == unit else _decay(weight, (step - before) / unit)
            total = total * decay + 1
            share = 1 / total
            # Never the difference of the two, which can overflow.
            average = average * (1 - share) + y * share
        else:
            average, total = y, 1.0
        before = step
        out.append(average)
    state.average, state.total, state.step = average, total, before


def _mixer(share: float) -> Callable[[float, float], float]:
    keep = 1 - share
    return lambda average, y: average * keep + y * share


def _is_even(steps: array[float], ys: array[float], before: float, unit: float) -> bool:
    """Whether every value is finite and every step `unit` after the one before."""
    if steps[-1] - before != len(steps) * unit or not math.isfinite(sum(ys)):
        return False
    return all(step == before + number * unit for number, step in enumerate(steps, 1))


class Smoothing:
    """The averages of many columns with one weight: each is made when first asked for, and goes with its column."""

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._made: WeakKeyDictionary[Column, Smoothed] = WeakKeyDictionary()

    def of(self, source: Column, most: int | None = None) -> Smoothed:
        """The average of `source`, brought up to date by at most `most` points."""
        made = self._made.get(source)
        if made is None:
            made = self._made[source] = Smoothed(source, self.weight)
        made.update(most)
        return made
