"""The x axes of a curve: where its points stand, counted in updates, in tokens and in seconds.

"time" is relative: seconds of training since the run's first update, the time that it lay stopped between two resumes
left out. So two runs can be compared by it, whenever each was started; it is what other tools call relative time.
"clock" stands at the same places and is written as the clock on the wall stood, so that no point needs a fourth number.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from threading import Lock
from typing import Literal

Axis = Literal["step", "tokens", "time", "clock"]
"""What x counts. "clock" has its points where "time" has them; only what is written at them differs."""


class Places:
    """Where points stand on the three axes. Columns that are measured together share one, and its lock."""

    __slots__ = ("lock", "steps", "times", "tokens")

    def __init__(self) -> None:
        self.lock = Lock()
        self.steps = array("d")
        self.tokens = array("d")
        self.times = array("d")

    def axis(self, name: Axis) -> array[float]:
        """The positions on one axis, sorted."""
        if name == "step":
            return self.steps
        return self.tokens if name == "tokens" else self.times

    def append(self, step: int, tokens: float, time: float) -> None:
        """Add a place; what is unknown or lower than before repeats the value before. The lock is the caller's."""
        known = len(self.steps) > 0
        tokens_before = self.tokens[-1] if known else 0.0
        time_before = self.times[-1] if known else 0.0
        # Written so that NaN, which compares false with all, takes the value before.
        self.tokens.append(tokens if tokens_before <= tokens < math.inf else tokens_before)
        self.times.append(time if time_before <= time < math.inf else time_before)
        self.steps.append(step)

    def extend(self, steps: Sequence[float], tokens: Sequence[float], times: Sequence[float]) -> bool:
        """Add many places that have nothing to mend; False, and nothing done, where they have."""
        new = [array("d", axis) for axis in (steps, tokens, times)]
        old = (self.steps, self.tokens, self.times)
        if not all(_grows(before, after) for before, after in zip(old, new, strict=True)):
            return False
        for before, after in zip(old, new, strict=True):
            before.extend(after)
        return True

    def cut_from(self, step: int) -> int:
        """Drop every place at `step` and after; how many stay. The lock is the caller's."""
        keep = bisect_left(self.steps, step)
        for axis in (self.steps, self.tokens, self.times):
            del axis[keep:]
        return keep

    def copy(self, start: int, stop: int) -> Places:
        """The places from `start` to before `stop`, on their own."""
        mine = Places()
        mine.steps, mine.tokens, mine.times = (
            axis[start:stop] for axis in (self.steps, self.tokens, self.times)
        )
        # Whoever waits for the lock at this moment must find it guards what it finds.
        mine.lock = self.lock
        return mine


def _grows(old: array[float], new: array[float]) -> bool:
    """Whether `new` is finite, and sorted, and goes on where `old` (or 0, before anything) ends."""
    # The sum of what is finite may overflow, which only costs the slower way.
    return math.isfinite(sum(new)) and new[0] >= (old[-1] if old else 0.0) and new.tolist() == sorted(new)
