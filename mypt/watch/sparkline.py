"""The shape of a curve in a few values, for a list."""

from __future__ import annotations

from mypt.watch.column import Column


def sparkline(column: Column, width: int) -> list[float]:
    """At most `width` finite values, evenly spread over the steps, that show the shape of the column."""
    first, last = column.first(), column.last()
    if first is None or last is None or width <= 0:
        return []
    buckets = column.sample("step", first.step, last.step, width)
    # NaN is the middle of a bucket that holds nothing finite.
    return [middle for b in buckets if (middle := (b.low + b.high) / 2) == middle]
