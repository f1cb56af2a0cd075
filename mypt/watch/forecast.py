"""Where the validation loss will end, with its uncertainty; or in words why nobody can know yet.

The curve since the last change of data or schedule is continued (`mypt.watch.extrapolation`). The spread of the fits,
their own uncertainty, the noise of one evaluation and a share of the change that is expected make the interval. Its two
sides were chosen with 71 real runs of tiny models (16k to 900k parameters, 7 to 120 evaluations) of eleven kinds: stories,
Python, subwords, masked chat, a curriculum, fine-tuned, gone on with for longer, overfitting, evaluated on little, and
learning rates too high and too low.

Then 55 fresh runs of these kinds were asked at 25, 50, 75 and 90 % of their updates (`benchmarks/forecast.py`). It spoke
in 127 of 220 cases; 87 % of its intervals held the end, 10 % of the ends lay below, 3 % above. At half way it held
81 %, at three quarters 91 %, at nine tenths 88 %, with a median width of 11 %, 3.7 % and 1.8 % of the present loss.
Worst were the stories, 60 %, and runs gone on with, 73 %; the others of these all ended lower. That it does not speak
before half of the training is done was decided after this: before, three ends in ten had been missed there.

Of made curves it holds 95 % of power laws and steady ones, 83 % of those that reach a plateau, 75 % of those that take
a late step. A turn to overfitting is seen only after it has begun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, NamedTuple

from mypt.settings.schedule import FLOOR, learning_rate
from mypt.watch.column import Column, Point
from mypt.watch.extrapolation import extrapolated
from mypt.watch.history import RunHistory
from mypt.watch.marks import is_number

PROMISE = (
    "Of the small runs it was measured on, 4 in 5 ended within such an interval, and most others below it; "
    "of large ones nothing is known."
)
"""What is known of the intervals, for people."""

_FEWEST = 5
# Of the training, which is done faster than the updates: three tenths of these. Before, three ends in ten were missed.
_EARLIEST = 0.5
_STEEP = 0.1
# More points than this tell nothing more, and a forecast is made while somebody waits.
_MOST = 40
_BLOCK = 9
_ABSURD = 1e9
# How the uncertainty is put together: found by what makes the intervals of real runs true (see tests and docs).
_SPREAD = 1.2
_SHARE = 0.25
# So many of these deviations below the expected end the interval begins, and so many above it ends.
_BELOW, _ABOVE = 1.4, 1.1
_WIDEST = 0.35


class Forecast(NamedTuple):
    """The expected validation loss after `at_step` updates; four times in five it ends within `low` to `high`."""

    value: float
    low: float
    high: float
    at_step: int


class NoForecast(NamedTuple):
    """That nothing can be said, and why, in words for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a run's schedule: `max_iters` updates, the first `warmup` of them warming up, then a cosine.

    `switches` are the steps at which the validation data changed, `ahead` those at which it still will; `rescheduled`
    is the step of the last resume before which the learning rate followed another one.
    """

    max_iters: int | None = None
    warmup: int = 0
    switches: tuple[int, ...] = ()
    ahead: tuple[int, ...] = ()
    rescheduled: int = 0
    known: bool = True
    """Whether the learning rate is where this schedule has it."""


def plan_of(history: RunHistory) -> Plan:
    """What a run's log says of its schedule."""
    total = history.max_iters
    warmup = history.config.get("warmup_iters")
    steps = float(warmup) if is_number(warmup) and warmup > 0 else 0.0
    if 0 < steps < 1:
        steps *= total or 0
    switches = tuple(mark.step for mark in history.phases)
    ahead = tuple(step for step in _boundaries(history.settings) if step not in switches)
    plan = Plan(total, int(min(steps, total or 0)), switches, ahead)
    peak, lr = history.config.get("learning_rate"), history.curves.get("lr")
    if lr is None or total is None or not is_number(peak) or peak <= 0:
        return plan
    rescheduled = 0
    for mark in reversed(history.resumes):
        before = lr.at_or_before("step", mark.step)
        if before is not None and not _agrees(before, plan, peak):
            rescheduled = mark.step
            break
    last = lr.last()
    return replace(plan, rescheduled=rescheduled, known=last is None or _agrees(last, plan, peak))


def forecast(history: RunHistory) -> Forecast | NoForecast:
    """Where a run's validation loss will end, as its log tells; quick enough to be asked at every evaluation."""
    curves = history.curves
    val = curves.get("val")
    if val is None:
        return NoForecast("no evaluation yet")
    return expected_end(val, plan_of(history), curves.get("train_eval"))


def _boundaries(settings: Mapping[str, Any]) -> list[int]:
    curriculum = settings.get("curriculum")
    phases = curriculum.get("phases") if isinstance(curriculum, dict) else None
    found = [phase.get("until_iter") for phase in phases or () if isinstance(phase, dict)]
    return [int(step) for step in found if is_number(step)]


def _agrees(point: Point, plan: Plan, peak: float) -> bool:
    """Whether a learning rate from the log is the schedule's: of this update or, as the original has it, of the next.

    Evaluations tell six decimals of it.
    """
    steps = (max(point.step - 1, 0), point.step, point.step + 1)
    due = [learning_rate(step, peak=peak, warmup=plan.warmup, total=plan.max_iters or 0) for step in steps]
    return not math.isfinite(point.y) or min(due) * 0.97 - 1e-6 <= point.y <= max(due) * 1.03 + 1e-6


def expected_end(val: Column, plan: Plan, train: Column | None = None) -> Forecast | NoForecast:
    """The end of the curve `val` at `plan.max_iters`. `train`, measured at the same evaluations, tells of overfitting.

    Looks at a few hundred points however long the column is.
    """
    last, total = val.last(), plan.max_iters
    if last is None:
        return NoForecast("no evaluation yet")
    if total is None:
        return NoForecast("the run does not say where it ends")
    if last.step >= total:
        return NoForecast("the run is at its end")
    if not math.isfinite(last.y):
        return NoForecast("the loss is not a number")
    ahead = [step for step in plan.ahead if last.step <= step < total]
    if ahead:
        return NoForecast(f"at step {ahead[0]} the data changes")
    if not plan.known:
        return NoForecast("the learning rate follows a schedule that is not known here")
    if last.step < plan.warmup:
        return NoForecast("the learning rate is still warming up")
    # What was learnt before the data or the schedule changed tells nothing of the curve since.
    begin = max((0, *plan.switches, plan.rescheduled))
    after = (
        f" after the {'phase switch' if begin in plan.switches else 'change of the schedule'}"
        if begin
        else ""
    )
    (before, _), (now, _) = training_done(begin, plan), training_done(last.step, plan)
    end, annealed = training_done(total, plan)
    # Nor does the steep fall at first, of which the exponents know nothing.
    first = _when(before + _STEEP * (now - before), begin, last.step, plan)
    start = val.at_or_after("step", first)
    points = _thinned(val, start.place if start else len(val))
    if len(points) < _FEWEST:
        return NoForecast(f"too early{after}: {len(points)} of {_FEWEST} evaluations since step {first}")
    enough = before + _EARLIEST * (end - before)
    if now < enough:
        return NoForecast(f"too early{after}: not before step {_when(enough, begin, total, plan)}")
    noise = _noise(val, start.place if start else 0)
    points = _without_spikes(points)
    if max(noise, *(abs(y) for _, y in points)) > _ABSURD:
        return NoForecast("the loss is beyond all measure")
    gap = _gap(train, points, noise)
    wrong = _rising(points, noise) or gap.why
    if wrong:
        return NoForecast(wrong)
    trained = [training_done(step, plan) for step, _ in points]
    return _from_fits(
        [(x - before, annealed, y) for (x, annealed), (_, y) in zip(trained, points, strict=True)],
        (end - before, annealed),
        noise,
        gap.rate * (total - last.step),
        total,
    )


def training_done(step: float, plan: Plan) -> tuple[float, float]:
    """The integral of lr / peak from 0 to `step`, in updates, and 1 - lr / peak at `step` (0 while warming up).

    The schedule is that of `mypt.settings.schedule`.
    """
    total, warmup = float(plan.max_iters or 0), float(plan.warmup)
    if step < warmup:
        return step * step / (2 * warmup), 0.0
    part = min((step - warmup) / max(total - warmup, 1.0), 1.0)
    middle, swing = (1 + FLOOR) / 2, (1 - FLOOR) / 2
    done = warmup / 2 + (total - warmup) * (middle * part + swing * math.sin(math.pi * part) / math.pi)
    return done, 1 - (middle + swing * math.cos(math.pi * part))


def _when(done: float, low: int, high: int, plan: Plan) -> int:
    """The first step after `low`, or else `high`, at which so much training is done."""
    low += 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if training_done(middle, plan)[0] < done else (low, middle)
    return low


def _thinned(val: Column, start: int) -> list[tuple[float, float]]:
    """At most `_MOST` (step, loss) evenly over the points from `start` on: medians of neighbours where there are more."""
    count = len(val) - start
    if count <= 3 * _MOST:
        whole = [(float(p.step), p.y) for p in val.points(start) if math.isfinite(p.y)]
        size = max(1, math.ceil(len(whole) / _MOST))
        # Whole groups, the last one ending at the present.
        groups = [whole[max(end - size, 0) : end] for end in range(len(whole), 0, -size)]
    else:
        ends = [start + count * number // _MOST for number in range(1, _MOST + 1)]
        pieces = [val.points(max(end - _BLOCK, 0), end) for end in reversed(ends)]
        groups = [[(float(p.step), p.y) for p in piece if math.isfinite(p.y)] for piece in pieces]
    return [
        (sum(step for step, _ in group) / len(group), median(y for _, y in group))
        for group in reversed(groups)
        if group
    ]


def _without_spikes(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Each loss but the outermost replaced by the median of itself and its neighbours: a falling curve stays as it is."""
    calm = [
        (here[0], median((before[1], here[1], after[1])))
        for before, here, after in zip(points, points[1:], points[2:], strict=False)
    ]
    return [points[0], *calm, points[-1]]


def _noise(val: Column, start: int) -> float:
    """The standard deviation of one evaluation about the curve, from second differences of the last ones."""
    ys = [p.y for p in val.points(max(start, len(val) - _MOST)) if math.isfinite(p.y)]
    bends = [abs(a - 2 * b + c) for a, b, c in zip(ys, ys[1:], ys[2:], strict=False)]
    return 1.4826 * median(bends) / math.sqrt(6) if bends else 0.0


def _rising(points: Sequence[tuple[float, float]], noise: float) -> str | None:
    ys = [y for _, y in points]
    calm = [median(ys[max(n - 1, 0) : n + 2]) for n in range(len(ys))]
    best = min(range(len(calm)), key=calm.__getitem__)
    since = len(ys) - 1 - best
    if since >= 3 and median(ys[-3:]) - calm[best] > max(2 * noise, 0.004 * abs(calm[best])):
        return f"rising since step {points[best][0]:.0f}"
    return None


class _Gap(NamedTuple):
    """How the training loss parts from the validation loss: that it says overfitting, and by how much in one update."""

    why: str | None = None
    rate: float = 0.0


def _gap(train: Column | None, points: Sequence[tuple[float, float]], noise: float) -> _Gap:
    """What the second half of the points tells; nothing without a training loss that was measured beside them."""
    late = points[len(points) // 2 :]
    third = max(len(late) // 3, 2)
    ends = []
    for part in (late[:third], late[-third:]):
        trains = [train.at_or_before("step", step) for step, _ in part] if train else []
        known = [p.y for p in trains if p and math.isfinite(p.y)]
        if not known:
            return _Gap()
        step = sum(step for step, _ in part) / len(part)
        ends.append((step, median(y for _, y in part), median(known)))
    (before, val_before, train_before), (now, val_now, train_now) = ends
    fell, learnt = val_before - val_now, train_before - train_now
    widened = learnt - fell
    if widened <= max(2 * noise, 0.002 * abs(val_now)) or now <= before:
        return _Gap()
    if fell < 0.4 * learnt and widened > max(3 * noise, 0.01 * abs(val_now)):
        return _Gap("overfitting may have begun: only the training loss falls")
    return _Gap(None, widened / (now - before))


def _from_fits(
    points: Sequence[tuple[float, float, float]],
    end: tuple[float, float],
    noise: float,
    widening: float,
    total_steps: int,
) -> Forecast | NoForecast:
    """From (training done, how far annealed, loss) at each evaluation to the loss where the first two are `end`."""
    xs, annealed, losses = ([point[i] for point in points] for i in range(3))
    level = losses[-1]
    scale = max(abs(level), 1e-9)
    ys = [y - level for y in losses]
    mean, spread = extrapolated(xs, annealed, ys, end, scale, max(noise / 3, 1e-3 * scale))
    deviation = math.sqrt(_SPREAD**2 * spread + (_SHARE * mean) ** 2 + noise**2)
    value = level + mean
    low, high = value - _BELOW * deviation, value + _ABOVE * deviation + widening
    if level > 0:
        # No loss of ours is negative.
        low, value, high = max(low, 0.0), max(value, 0.0), max(high, 0.0)
    if not math.isfinite(deviation) or high - low > 2 * _WIDEST * scale:
        return NoForecast(f"too uncertain: anywhere from {low:.2f} to {high:.2f}")
    return Forecast(value, low, high, total_steps)
