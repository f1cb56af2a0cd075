"""How fast a run is: speed and cost of a step, from its curves alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from statistics import median

from mypt.watch.column import Column, Point

_RECENT_POINTS = 15
_RECENT_EVALS = 6


def tokens_per_sec(curves: Mapping[str, Column]) -> float | None:
    """The median of the last measured speeds; of a log that measures none, that between its last evaluations."""
    column = curves.get("tokens_per_sec")
    if column is not None:
        speeds = [p.y for p in column.points(-_RECENT_POINTS) if math.isfinite(p.y)]
        if speeds:
            return median(speeds)
    val = curves.get("val")
    if val is None:
        return None
    points = val.points(-_RECENT_EVALS)
    speeds = [
        (b.tokens - a.tokens) / (b.time - a.time)
        for a, b in pairwise(points)
        if b.time > a.time and b.tokens > a.tokens
    ]
    return median(speeds) if speeds else None


def seconds_per_step(curves: Mapping[str, Column], *, since: int, eval_interval: int | None) -> float | None:
    """Seconds a step over the last two intervals between evaluations, so that these weigh what they weigh.

    Only steps after `since` (the last resume: perhaps another machine) count, while there are any. None where time
    has not visibly passed.
    """
    columns = [curves[name] for name in ("train", "val") if name in curves]
    last = _furthest([c.last() for c in columns])
    if last is None:
        return None
    window = 2 * eval_interval if eval_interval else max(50, last.step // 10)
    for floor in (max(since, last.step - window), last.step - window, 0):
        starts = [
            p for c in columns if (p := c.at_or_after("step", floor)) is not None and p.step < last.step
        ]
        if not starts:
            continue
        first = min(starts, key=lambda p: (p.step, -p.time))
        if last.time > first.time:
            return (last.time - first.time) / (last.step - first.step)
    return None


def position(curves: Mapping[str, Column], step: int, tokens_per_step: int | None) -> tuple[float, float]:
    """Tokens and seconds of a run when it had done `step` updates, read off (or between) its points."""
    columns = [curves[name] for name in ("train", "val") if name in curves]
    before = _furthest([c.at_or_before("step", step) for c in columns]) or Point(0, 0, 0.0, 0.0, math.nan)
    missing = step - before.step
    if not missing:
        return before.tokens, before.time
    afters = [p for c in columns if (p := c.at_or_after("step", step)) is not None]
    after = min(afters, key=lambda p: p.step, default=None)
    tokens = before.tokens + missing * (tokens_per_step or 0)
    if after is None:
        cost = seconds_per_step(curves, since=0, eval_interval=None) or 0.0
        return tokens, before.time + missing * cost
    part = missing / (after.step - before.step)
    if not tokens_per_step:
        tokens = before.tokens + part * (after.tokens - before.tokens)
    return tokens, before.time + part * (after.time - before.time)


def _furthest(points: list[Point | None]) -> Point | None:
    return max((p for p in points if p is not None), key=lambda p: (p.step, p.time), default=None)
