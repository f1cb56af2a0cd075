"""A column that is being filled: points gather here and go over in batches, and repeated steps replace."""

from __future__ import annotations

from mypt.watch.column import Column

Row = tuple[int, float, float, float]
"""A point on its way: (step, tokens, seconds, value)."""


class Series:
    """Feeds one `Column`, whose lock it takes once a batch. One thread adds; `column` may be read by any."""

    __slots__ = ("_pending", "column", "top")

    def __init__(self) -> None:
        self.column = Column()
        self._pending: list[Row] = []
        self.top = -1
        """The step of the last point, -1 without one."""

    def add(self, row: Row) -> None:
        """Add a point; what stands at its step or later is replaced."""
        if row[0] <= self.top:
            self.rewind(row[0])
        self._pending.append(row)
        self.top = row[0]

    def flush(self) -> None:
        """Hand over what has gathered."""
        if self._pending:
            rows, self._pending = self._pending, []
            self.column.extend(rows)

    def rewind(self, step: int) -> None:
        """Drop every point at `step` and after."""
        if self.top >= step:
            self.flush()
            self.column.rewind(step)
            last = self.column.last()
            self.top = last.step if last else -1


def sparkline(column: Column, width: int) -> list[float]:
    """At most `width` finite values, evenly spread over the steps, that show the shape of the column."""
    first, last = column.first(), column.last()
    if first is None or last is None or width <= 0:
        return []
    buckets = column.sample("step", first.step, last.step, width)
    # NaN is the middle of a bucket that holds nothing finite.
    return [middle for b in buckets if (middle := (b.low + b.high) / 2) == middle]
