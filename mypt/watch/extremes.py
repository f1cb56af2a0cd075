"""Values in a row, and quickly the smallest and largest of any stretch of them, however many they are.

A pyramid of minima and maxima over blocks of 64, 64², … values answers that without walking the values.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

BLOCK = 64
"""So many values are one in the level above."""


class Extremes:
    """An append-only series of numbers, of which NaN and infinite ones are gaps. Whoever shares it holds a lock."""

    def __init__(self) -> None:
        self.values = array("d")
        self.lows: list[array[float]] = []
        """Level k holds the smallest finite value of each full block of BLOCK**(k+1) values; of none infinity."""
        self.highs: list[array[float]] = []
        """The largest likewise."""
        # Indices of the gaps; shrinks by a bisect at a cut.
        self._gaps = array("q")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def has_gaps(self) -> bool:
        """Whether any value is a gap."""
        return bool(self._gaps)

    def push(self, values: Sequence[float]) -> None:
        """Add these. TypeError, and nothing added, for a None."""
        new = array("d", values)
        first = len(self.values)
        self.values.extend(new)
        # A sum of finite numbers may overflow, which only costs a closer look.
        if not math.isfinite(sum(values)):
            self._gaps.extend(i for i, y in enumerate(values, first) if not -math.inf < y < math.inf)
        for end in range(first - first % BLOCK + BLOCK, len(self.values) + 1, BLOCK):
            self._summarise(end)

    def cut(self, keep: int) -> None:
        """Drop all but the first `keep` values."""
        del self.values[keep:]
        del self._gaps[bisect_left(self._gaps, keep) :]
        blocks = keep
        for lows, highs in zip(self.lows, self.highs, strict=True):
            blocks //= BLOCK
            del lows[blocks:], highs[blocks:]

    def has_gap(self, start: int, end: int) -> bool:
        """Whether one of the values from index `start` to before `end` is a gap."""
        gaps = self._gaps
        if not gaps:
            return False
        place = bisect_left(gaps, start)
        return place < len(gaps) and gaps[place] < end

    def between(self, start: int, end: int) -> tuple[float, float]:
        """Smallest and largest finite value from index `start` to before `end`; (inf, -inf) where there is none."""
        low, high = math.inf, -math.inf
        level = -1
        while start < end:
            # What does not fill a block of the next level is looked at here, the rest one level up.
            first, last = -(-start // BLOCK), end // BLOCK
            if first < last and level + 1 < len(self.lows):
                parts = ((start, first * BLOCK), (last * BLOCK, end))
            else:
                parts = ((start, end), (end, end))
                first = last
            for part_start, part_end in parts:
                if part_start == part_end:
                    continue
                if level < 0:
                    a, b = self._raw(part_start, part_end)
                else:
                    a = min(self.lows[level][part_start:part_end])
                    b = max(self.highs[level][part_start:part_end])
                low, high = min(low, a), max(high, b)
            start, end = first, last
            level += 1
        return low, high

    def smallest(self) -> int | None:
        """The index of the smallest finite value, of equals the earliest; None without one."""
        low, high = self.between(0, len(self.values))
        if low > high:
            return None
        start = 0
        if self.lows:
            blocks = self.lows[0]
            start = BLOCK * (blocks.index(low) if low in blocks else len(blocks))
        return self.values.index(low, start)

    def _summarise(self, end: int) -> None:
        low, high = self._raw(end - BLOCK, end)
        level = 0
        while True:
            if level == len(self.lows):
                self.lows.append(array("d"))
                self.highs.append(array("d"))
            lows, highs = self.lows[level], self.highs[level]
            lows.append(low)
            highs.append(high)
            if len(lows) % BLOCK:
                return
            low, high = min(lows[-BLOCK:]), max(highs[-BLOCK:])
            level += 1

    def _raw(self, start: int, end: int) -> tuple[float, float]:
        values: Iterable[float] = self.values[start:end]
        if self.has_gap(start, end):
            values = [y for y in values if -math.inf < y < math.inf]
        return min(values, default=math.inf), max(values, default=-math.inf)
