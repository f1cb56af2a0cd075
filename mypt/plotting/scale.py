"""Scales and ticks: from values to places, and round numbers along an axis. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from mypt import text

# Beyond this the difference of two values can overflow; nobody reads such a number off a chart anyway.
HUGE = 1e300
# A range narrower than this share of its values would run out of digits.
_NARROWEST = 1e-9

_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400 * days for days in (1, 2, 5)),
)


class Tick(NamedTuple):
    """A round value, the cell where it stands (counted from the low end), and how it is written."""

    value: float
    cell: int
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values, linear or logarithmic; `lo < hi`, and both positive where `log`."""

    lo: float
    hi: float
    log: bool = False

    def mapper(self, size: int) -> Callable[[float], float]:
        """A function from a value to its place in [0, size): lo is 0 and hi a hair below size.

        So floor(place) is the dot or cell that holds it, and cells of several dots agree with their dots. NaN, and on
        a log scale what is not positive, give NaN; values far outside are kept within ±1e6.
        """
        far = 1e6
        room = size * (1 - 1e-12)
        if not self.log:
            lo, factor = self.lo, room / (self.hi - self.lo)

            def linear(value: float) -> float:
                place = (value - lo) * factor
                if -far < place < far:
                    return place
                return math.nan if place != place else math.copysign(far, place)

            return linear
        log10, inf, nan = math.log10, math.inf, math.nan
        low = log10(self.lo)
        log_factor = room / (log10(self.hi) - low)

        def logarithmic(value: float) -> float:
            if not 0 < value < inf:
                return far if value == inf else nan
            place = (log10(value) - low) * log_factor
            return place if -far < place < far else math.copysign(far, place)

        return logarithmic

    def cell(self, value: float, cells: int) -> int | None:
        """The cell of `cells` that holds `value`, None outside or where it has no place."""
        place = self.mapper(cells)(value)
        return math.floor(place) if 0 <= place < cells else None

    def value(self, cell: float, cells: int) -> float:
        """The value at the middle of a cell: the inverse of `cell`."""
        share = (cell + 0.5) / max(cells, 1)
        if self.log:
            low, high = math.log10(self.lo), math.log10(self.hi)
            return float(10 ** (low + (high - low) * share))
        return self.lo + (self.hi - self.lo) * share


def x_scale(lo: float, hi: float) -> Scale:
    """A linear scale from lo to hi, widened to the right where the range is empty or too narrow to tell apart."""
    lo, hi = sorted((_tame(lo), _tame(hi)))
    least = max(1e-9, _NARROWEST * max(abs(lo), abs(hi)))
    return Scale(lo, hi if hi - lo >= least else lo + max(least, 1.0))


def y_scale(values: Iterable[float], log: bool = False, headroom: float = 0.05) -> Scale:
    """A scale that holds all finite `values` (on a log scale: all positive ones) with `headroom` at both ends.

    None at all gives 0 to 1 (log: 0.1 to 10); a single value stands in the middle.
    """
    finite = [_tame(v) for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not finite:
        return Scale(0.1, 10.0, True) if log else Scale(0.0, 1.0)
    lo, hi = min(finite), max(finite)
    if log:
        low, high = math.log10(max(lo, 1 / HUGE)), math.log10(max(hi, 1 / HUGE))
        pad = (high - low) * headroom if high - low > _NARROWEST else 0.3
        return Scale(float(10 ** max(low - pad, -307)), float(10 ** min(high + pad, 307)), True)
    flat = hi - lo <= max(1 / HUGE, _NARROWEST * max(abs(lo), abs(hi)))
    pad = (abs(lo) * 0.1 if abs(lo) > 1 / HUGE else 1.0) if flat else (hi - lo) * headroom
    return Scale(lo - pad, hi + pad)


def y_ticks(scale: Scale, rows: int, spacing: int) -> list[Tick]:
    """Round values along a column of `rows` cells, at least `spacing` rows apart."""

    if scale.log:
        # Across a decade or more two round powers say enough; within one, linear steps say more.
        enough = 3 if scale.hi < 30 * scale.lo else 1
        for values in _log_values(scale):
            ticks = _placed(scale, rows, values, text_of_log)
            if len(ticks) >= enough and _apart(ticks, spacing):
                return ticks
    # On a log scale linear steps stand wide apart at the low end, so that finer ones may fit.
    for step in _steps_125((scale.hi - scale.lo) / max(rows, 1) * spacing * (0.1 if scale.log else 0.9)):
        ticks = _placed(scale, rows, _multiples(scale, step), partial(number_label, step=step))
        if _apart(ticks, spacing):
            return ticks
    return []


def x_ticks(scale: Scale, columns: int, time: bool = False, calm: int = 9, gap: int = 3) -> list[Tick]:
    """Round values along `columns` cells, at least `calm` cells and each label's width plus `gap` apart.

    Without `time` (then they are seconds) the values are counts: no tick between two whole numbers.
    """
    room = (scale.hi - scale.lo) / max(columns, 1) * calm * 0.9
    for step in _steps_time(room) if time else _steps_125(room):
        if not time and step < 1:
            continue
        ticks = _placed(
            scale, columns, _multiples(scale, step), partial(time_label if time else number_label, step=step)
        )
        if _apart(ticks, calm) and all(
            b.cell - a.cell >= gap + (len(a.label) + 1) // 2 + (len(b.label) + 1) // 2
            for a, b in pairwise(ticks)
        ):
            return ticks
    return []


def number_label(value: float, step: float) -> str:
    """A tick's value with as many digits as ticks `step` apart need: 0.5, 2.0, 10k, 1.2M, 1e-5."""
    if value == 0:
        return "0"
    size = abs(value)
    exponent = math.floor(math.log10(step))
    digits = math.floor(math.log10(size)) - exponent + 1
    if size >= 1e15 or (size < 0.01 and step < 5e-4):
        return _scientific(value, digits)
    if size < 1000:
        return f"{value:.{min(max(0, -exponent), 12)}f}"
    if digits > 3 and step >= 1 and size < 1e7:
        return text.whole(round(value))
    return text.count(value, max(1, min(15, digits)))


def text_of_log(value: float) -> str:
    """A tick of a log scale: 0.001, 0.5, 20, 1k, 1e-5."""
    if 9e-4 < value < 1000:
        return f"{value:.{max(0, -math.floor(math.log10(value) + 1e-9))}f}"
    return number_label(value, value)


def time_label(value: float, step: float) -> str:
    """Seconds as a clock reader writes them, in at most two units: 0, 30s, 1m30s, 2h, 1d12h."""
    if value == 0:
        return "0"
    if step < 1:
        return number_label(value, step) + "s"
    sign = "-" if value < 0 else ""
    seconds = round(abs(value))
    units = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    for (size, name), (small, small_name) in zip(units, (*units[1:], (1, "")), strict=True):
        if seconds >= size:
            count = text.count(seconds / size) if seconds >= 86_400 * 1000 else str(seconds // size)
            rest = seconds % size // small if small < size and step < size else 0
            return f"{sign}{count}{name}" + (f"{rest}{small_name}" if rest else "")
    return "0"


def value_label(value: float) -> str:
    """A value read off the chart: 2.3310, 3e-4, 12.3k; NaN and infinite as they are."""
    if not math.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1000:
        return text.loss(value)
    return text.rate(value) if abs(value) < 1e-3 or abs(value) >= 1e15 else text.count(value, 4)


def _tame(value: float) -> float:
    return min(max(value, -HUGE), HUGE) if value == value else 0.0


def _scientific(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{min(max(digits - 1, 0), 12)}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def _apart(ticks: list[Tick], spacing: int) -> bool:
    return all(b.cell - a.cell >= spacing for a, b in pairwise(ticks))


def _placed(scale: Scale, cells: int, values: Iterable[float], label: Callable[[float], str]) -> list[Tick]:
    place = scale.mapper(cells)
    ticks = []
    for value in values:
        where = place(value)
        # A round number at the very end may land a rounding error outside.
        if -1e-6 < where < cells + 1e-6:
            ticks.append(Tick(value, min(max(int(where), 0), cells - 1), label(value)))
    return ticks


def _multiples(scale: Scale, step: float) -> Iterator[float]:
    first, last = math.ceil(scale.lo / step), math.floor(scale.hi / step)
    # A hair beyond the end still counts: 0.3 / 0.1 is 2.9999….
    if (last + 1) * step - scale.hi <= step * 1e-9:
        last += 1
    for number in range(first, min(last, first + 1000) + 1):
        yield number * step


def _steps_125(least: float) -> Iterator[float]:
    """1, 2, 5, 10, … times a power of ten, from about `least` until one step is far more than a whole axis."""
    exponent = math.floor(math.log10(least)) if least > 0 else 0
    for power in range(exponent, min(exponent + 6, 306)):
        for digit in (1, 2, 5):
            # Written out and read back, so that 2 × 10⁻³ is exactly 0.002.
            yield float(f"{digit}e{power}")


def _steps_time(least: float) -> Iterator[float]:
    if least < 1:
        for step in _steps_125(least):
            if step < 1:
                yield step
    yield from (float(s) for s in _TIME_STEPS if s >= least)
    for days in _steps_125(max(least / 86_400, 10)):
        yield days * 86_400


def _log_values(scale: Scale) -> Iterator[list[float]]:
    """Candidates for a log axis, finest first: 1-2-3-5-7 or 1-2-5 in each decade, decades, every second, third, … decade."""
    first, last = math.floor(math.log10(scale.lo)), math.ceil(math.log10(scale.hi))
    powers = [p for p in range(first, last + 1) if -307 < p < 308]
    for digits in ((1, 2, 3, 5, 7), (1, 2, 5)):
        if last - first <= (2 if 3 in digits else 12):
            yield [float(f"{digit}e{power}") for power in powers for digit in digits]
    for every in (1, 2, 3, 5, 10, 20, 50, 100):
        yield [float(f"1e{power}") for power in powers if power % every == 0]
