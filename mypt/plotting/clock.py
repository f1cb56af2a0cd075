"""Ticks of an axis that counts seconds of training, written as the clock on the wall stood. Pure but for the time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import pairwise

from mypt.plotting.scale import Scale, Tick
from mypt.watch.clock import Clock

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
_FORMS = ((0, "%H:%M:%S"), (6, "%a %H:%M"), (330, "%b %d %H:%M"), (float("inf"), "%Y-%m-%d %H:%M"))
"""How a moment is written that is so many days away."""
# Beyond the year 9999 nothing is written, and before 1900 nothing was trained.
_EARLIEST, _LATEST = -2_208_988_800.0, 253_370_764_800.0


def clock_ticks(scale: Scale, columns: int, clock: Clock, calm: int = 9, gap: int = 3) -> list[Tick]:
    """Round times of day along `columns` cells, as `mypt.plotting.scale.x_ticks` has round numbers.

    Each process of a run has its own stretch of the axis; where it was stopped in between, the clock jumps.
    """
    place = scale.mapper(columns)
    least = (scale.hi - scale.lo) / max(columns, 1) * calm * 0.9
    for step in _STEPS:
        if step < least:
            continue
        ticks: list[Tick] = []
        for seconds, moment in _round_moments(scale, clock, step):
            where = place(seconds)
            if -1e-6 < where < columns + 1e-6:
                cell = min(max(int(where), 0), columns - 1)
                label = _label(moment, step)
                if ticks and cell - ticks[-1].cell < gap + len(label):
                    # Two stretches meet: the later one says where it went on.
                    ticks.pop()
                ticks.append(Tick(seconds, cell, label))
        if all(b.cell - a.cell >= calm for a, b in pairwise(ticks)):
            return ticks
    return []


def moment_label(moment: float) -> str:
    """A moment as people say it: `14:45:12`, with the day where it is not today."""
    if not _EARLIEST < moment < _LATEST:
        return ""
    there = time.localtime(moment)
    today = time.strftime("%Y-%m-%d", there) == time.strftime("%Y-%m-%d")
    return time.strftime("%H:%M:%S" if today else "%b %d %H:%M:%S", there)


def stamp_labels(stamps: Sequence[str], today: date) -> list[str]:
    """ISO stamps below each other as people say them, all in one form and as wide; what is no stamp is blank.

    The time of day where all are of today; with the day of the week where that says which; else with the date.
    """
    moments = [_read(stamp) for stamp in stamps]
    away = [abs((moment.date() - today).days) for moment in moments if moment is not None]
    farthest = max(away, default=0)
    form = next(form for days, form in _FORMS if farthest <= days)
    labels = ["" if moment is None else moment.strftime(form) for moment in moments]
    width = max(map(len, labels), default=0)
    return [label.ljust(width) for label in labels]


def _read(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp[:19]) if len(stamp) >= 19 else None
    except ValueError:
        return None


def _round_moments(scale: Scale, clock: Clock, step: int) -> Iterator[tuple[float, float]]:
    ends = (*clock.begins[1:], float("inf"))
    for number, (begin, offset, end) in enumerate(zip(clock.begins, clock.offsets, ends, strict=True)):
        lo = scale.lo if number == 0 else max(scale.lo, begin)
        hi = min(scale.hi, end)
        first, last = lo + offset, hi + offset
        if not (lo <= hi and first > _EARLIEST and last < _LATEST):
            continue
        # Round in the time zone of whoever looks.
        zone = time.localtime(first).tm_gmtoff or 0
        moment = -(-(first + zone) // step) * step - zone
        for _ in range(1000):
            if moment > last:
                break
            yield moment - offset, moment
            moment += step


def _label(moment: float, step: int) -> str:
    there = time.localtime(moment)
    if step >= _DAY or (there.tm_hour, there.tm_min, there.tm_sec) == (0, 0, 0):
        return time.strftime("%b %d", there)
    return time.strftime("%H:%M" if step >= _MINUTE else "%H:%M:%S", there)
