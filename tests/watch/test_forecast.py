from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytest

from mypt.events import Eval, PhaseSwitch, TrainingStart
from mypt.settings.schedule import learning_rate
from mypt.watch.column import Column
from mypt.watch.forecast import (
    PROMISE,
    Forecast,
    NoForecast,
    Plan,
    expected_end,
    forecast,
    plan_of,
    training_done,
)
from mypt.watch.history import RunHistory

CUTS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# Validation and training losses at the evaluations of small models of characters (25k to 900k parameters), trained by
# `mypt train` on the built-in stories and on parts of the built-in Python corpus, with and without dropout.
REAL = json.loads((Path(__file__).parent / "real_curves.json").read_text())
# The runs of `benchmarks.curves` that were made when the numbers of the forecast stood, every n-th evaluation of them.
UNSEEN = json.loads((Path(__file__).parent / "unseen_curves.json").read_text())


class Run(NamedTuple):
    plan: Plan
    evals: list[tuple[int, float, float]]

    @property
    def end(self) -> float:
        return self.evals[-1][1]

    def until(self, share: float) -> Forecast | NoForecast:
        """What is said when `share` of the updates are done."""
        done = [e for e in self.evals if e[0] <= share * (self.plan.max_iters or 0)]
        return expected_end(
            column((s, val) for s, val, _ in done), self.plan, column((s, t) for s, _, t in done)
        )


def column(points: object) -> Column:
    made = Column()
    made.extend((step, 0.0, 0.0, y) for step, y in points)  # type: ignore[attr-defined]
    return made


def real_runs(curves: dict[str, Any] = REAL) -> list[Run]:
    return [
        Run(
            Plan(
                run["max_iters"],
                run["warmup"],
                tuple(run.get("switches", ())),
                rescheduled=run.get("rescheduled", 0),
            ),
            [tuple(e) for e in run["evals"]],
        )
        for run in curves.values()
    ]


def made(curve: Callable[[float], float], rng: random.Random, noise: float = 0.004) -> Run:
    """A run whose loss is `curve` of the training done (as a share of all), less what annealing gives, plus noise."""
    total, count = rng.choice([1000, 75_000]), rng.choice([30, 60, 200])
    plan = Plan(total, int(total * rng.choice([0.01, 0.05])))
    whole, _ = training_done(total, plan)
    gain = max(0.0, rng.gauss(0.06, 0.04)) * curve(1)
    evals = []
    for number in range(count + 1):
        step = total * number // count
        done, annealed = training_done(step, plan)
        y = curve(max(done / whole, 0.004)) - gain * annealed
        evals.append((step, y + rng.gauss(0, noise), y + rng.gauss(0, noise)))
    return Run(plan, evals)


def coverage(runs: Sequence[Run], cuts: Sequence[float] = CUTS) -> tuple[float, int, int]:
    """The share of intervals that hold the end, how many there were, and how often nothing was said."""
    said = [(run.until(cut), run.end) for run in runs for cut in cuts]
    told = [(f, end) for f, end in said if isinstance(f, Forecast)]
    held = sum(f.low <= end <= f.high for f, end in told)
    return held / len(told), len(told), len(said) - len(told)


# ── how true the intervals are ──────────────────────────────────────────────────────────────────────────────────


def test_four_of_five_real_runs_end_within_the_interval() -> None:
    runs = real_runs()
    share, told, silent = coverage(runs)
    assert len(runs) >= 15 and told > 2 * silent
    assert 0.75 <= share <= 0.95
    # Late in a run the interval says something: it is narrow, and still true.
    late = [run.until(0.9) for run in runs]
    assert all(isinstance(f, Forecast) and (f.high - f.low) < 0.15 * f.value for f in late)


def test_runs_that_it_was_not_made_with_end_within_the_interval_as_often_as_is_promised() -> None:
    runs = real_runs(UNSEEN)
    share, told, _ = coverage(runs)
    assert "4 in 5" in PROMISE and 0.8 <= share <= 0.95
    assert told > 200 and len(runs) >= 50
    wide = [(f.high - f.low) / f.value for run in runs if isinstance(f := run.until(0.9), Forecast)]
    assert median(wide) < 0.03 and len(wide) > 0.8 * len(runs)


def test_a_forecast_of_real_runs_is_nearer_than_the_present_loss() -> None:
    better = []
    for run in real_runs():
        said, now = (
            run.until(0.6),
            next(y for s, y, _ in reversed(run.evals) if s <= 0.6 * (run.plan.max_iters or 0)),
        )
        if isinstance(said, Forecast):
            better.append(abs(said.value - run.end) < abs(now - run.end))
    assert sum(better) >= 0.9 * len(better) > 10


@pytest.mark.parametrize(
    ("family", "least"),
    [
        (lambda e, a, b: lambda x: e + a * x**-b, 0.85),
        (lambda e, a, b: lambda x: e + a * (1 - x), 0.85),
        (lambda e, a, b: lambda x: e + a * math.exp(-x / (0.05 * (1 + b))), 0.65),
        (lambda e, a, b: lambda x: e + 2 * a / (1 + math.exp((x - 0.1 - b / 3) / 0.1)), 0.6),
    ],
    ids=["power law", "steady", "plateau", "a late step"],
)
def test_made_curves_end_within_the_interval(
    family: Callable[[float, float, float], Callable[[float], float]], least: float
) -> None:
    rng = random.Random(7)
    runs = [
        made(family(rng.uniform(0.8, 3), rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.9)), rng)
        for _ in range(25)
    ]
    share, told, silent = coverage(runs)
    assert share >= least and told > silent


def test_a_run_that_has_begun_to_overfit_is_not_promised_a_good_end() -> None:
    rng = random.Random(3)
    promised = 0
    for _ in range(40):
        run = made(lambda x: 1 + 0.5 * x**-0.4, rng)
        total = run.plan.max_iters or 0
        evals = [
            (step, val + 1.5 * max(0.0, step / total - 0.4), train - 0.3 * max(0.0, step / total - 0.4))
            for step, val, train in run.evals
        ]
        said = Run(run.plan, evals).until(0.7)
        promised += isinstance(said, Forecast) and said.high < evals[-1][1]
    assert promised <= 4


# ── when nobody can know ────────────────────────────────────────────────────────────────────────────────────────


def law(steps: Sequence[int], total: int = 10_000) -> Column:
    return column((step, 2 + 3 * (1 + step / 100) ** -0.5) for step in steps)


@pytest.mark.parametrize(
    ("val", "plan", "why"),
    [
        (Column(), Plan(1000), "no evaluation yet"),
        (law(range(0, 5000, 100)), Plan(None), "does not say where it ends"),
        (law(range(0, 1001, 100)), Plan(1000), "at its end"),
        (column([(0, 4.0), (10, math.nan)]), Plan(1000), "not a number"),
        (law(range(0, 400, 10)), Plan(1000, 500), "still warming up"),
        (law(range(0, 500, 100)), Plan(1000, 50), "too early: 4 of 5 evaluations since step 60"),
        (law([0, 500]), Plan(1000), "too early: 1 of 5 evaluations"),
        (law(range(0, 1000, 10)), Plan(100_000, 50), "too early: not before step 29302"),
        (law(range(0, 5001, 100)), Plan(10_000, 50, ahead=(7000,)), "at step 7000 the data changes"),
        (
            law(range(0, 7401, 100)),
            Plan(10_000, 50, switches=(7000,)),
            "too early after the phase switch: 4 of 5 eval",
        ),
        (
            law(range(0, 7001, 100)),
            Plan(10_000, 50, switches=(7000,)),
            "after the phase switch: 0 of 5 evaluations",
        ),
        (
            law(range(0, 7401, 100)),
            Plan(10_000, 50, rescheduled=7000),
            "after the change of the schedule: 4 of 5 evaluations",
        ),
        (law(range(0, 7501, 100)), Plan(10_000, 50, known=False), "schedule that is not known"),
        (
            column((s, 2 + (s - 3000) ** 2 / 1e7) for s in range(0, 6001, 100)),
            Plan(10_000, 50),
            "rising since",
        ),
        (column((s, 1e30) for s in range(0, 6001, 100)), Plan(10_000, 50), "beyond all measure"),
        (
            column((s, 3 + 2 * (-1) ** (s // 100 % 3)) for s in range(100, 6001, 100)),
            Plan(10_000, 50),
            "uncertain: anywhere from|rising",
        ),
    ],
)
def test_it_says_why_it_cannot_know(val: Column, plan: Plan, why: str) -> None:
    said = expected_end(val, plan)
    assert isinstance(said, NoForecast)
    assert re.search(why, said.why)


def falling(step: float, plan: Plan) -> float:
    """A power law of the training done, and what annealing gives."""
    done, annealed = training_done(step, plan)
    return 2 + 3 / math.sqrt(1 + done / (plan.max_iters or 1) * 30) - 0.1 * annealed


def test_a_spike_and_gaps_change_little() -> None:
    plan = Plan(10_000, 100)
    clean = [(s, falling(s, plan)) for s in range(0, 6001, 100)]
    plain = expected_end(column(clean), plan)
    spiky = expected_end(
        column([(s, 40.0 if s == 3000 else math.nan if s in (2000, 4400) else y) for s, y in clean]), plan
    )
    assert isinstance(plain, Forecast) and isinstance(spiky, Forecast)
    assert spiky.value == pytest.approx(plain.value, abs=0.02) and plain.at_step == 10_000
    assert plain.low < falling(10_000, plan) < plain.high


def test_a_long_curve_is_forecast_as_a_short_one_of_the_same_shape() -> None:
    def curve(count: int) -> Forecast | NoForecast:
        steps = [n * 1_000_000 // count for n in range(count * 6 // 10)]
        return expected_end(
            column((s, 2 + 3 * (1 + s / 30_000) ** -0.5) for s in steps), Plan(1_000_000, 10_000)
        )

    few, many = curve(100), curve(100_000)
    assert isinstance(few, Forecast) and isinstance(many, Forecast)
    assert many.value == pytest.approx(few.value, abs=0.02)


def test_nothing_in_a_curve_makes_it_fail() -> None:
    rng = random.Random(1)
    for _ in range(300):
        count = rng.randrange(1, 60)
        scale = 10.0 ** rng.randrange(-300, 300)
        ys = [rng.choice([0.0, scale, -scale, rng.gauss(0, 1), math.inf, math.nan]) for _ in range(count)]
        total, changed = rng.randrange(1, 900), rng.choice([0, 0, 5, 30, 2000])
        plan = Plan(
            total, rng.choice([0, 5]), switches=(changed,) if changed else (), rescheduled=changed // 2
        )
        said = expected_end(column((n * 10, y) for n, y in enumerate(ys)), plan)
        assert isinstance(said, NoForecast) or said.low <= said.value <= said.high


def test_after_a_switch_only_what_came_after_it_counts() -> None:
    plan = Plan(10_000, 100, switches=(3000,))
    start, _ = training_done(3000, plan)

    def second(step: int) -> float:
        done, annealed = training_done(step, plan)
        return 1 + 2 / math.sqrt(1 + (done - start) / 200) - 0.1 * annealed

    for first in (lambda step: 9.0, lambda step: 0.5 + step / 10_000):
        seen = [(step, first(step) if step <= 3000 else second(step)) for step in range(0, 7001, 100)]
        said = expected_end(column(seen), plan)
        assert isinstance(said, Forecast)
        assert said.low < second(10_000) < said.high and said.high - said.low < 0.15


def test_the_training_done_is_the_integral_of_the_schedule() -> None:
    plan = Plan(1000, 100)
    done = 0.0
    for update in range(1, 1001):
        done += learning_rate(update, peak=1.0, warmup=100, total=1000)
        if update % 200 == 0:
            near, annealed = training_done(update, plan)
            assert near == pytest.approx(done, rel=0.01)
            assert annealed == pytest.approx(1 - learning_rate(update, peak=1.0, warmup=100, total=1000))


# ── from the log of a run ───────────────────────────────────────────────────────────────────────────────────────


def start(total: int = 1000, at: int = 0, **more: object) -> TrainingStart:
    config = {"max_iters": total, "warmup_iters": 50, "learning_rate": 0.001, "start_step": at}
    return TrainingStart(config={**config, "resumed": at > 0}, timestamp="t", **more)  # type: ignore[arg-type]


def evals(steps: Sequence[int], total: int = 1000) -> list[Eval]:
    return [
        Eval(
            iter=step,
            val_loss=falling(step, Plan(total, 50)),
            train_loss=falling(step, Plan(total, 50)),
            lr=round(learning_rate(step, peak=0.001, warmup=50, total=total), 6),
            timestamp="t",
        )
        for step in steps
    ]


def test_a_history_tells_its_plan_and_its_end() -> None:
    history = RunHistory()
    history.feed([start(), *evals(range(0, 601, 25))])
    assert plan_of(history) == Plan(1000, 50)
    said = forecast(history)
    assert isinstance(said, Forecast) and said.low < falling(1000, Plan(1000, 50)) < said.high
    assert forecast(RunHistory()) == NoForecast("no evaluation yet")


def test_a_run_that_goes_on_longer_is_judged_by_its_present_schedule() -> None:
    history = RunHistory()
    history.feed(
        [start(500), *evals(range(0, 501, 25), 500), start(2000, at=500), *evals(range(525, 601, 25), 2000)]
    )
    assert plan_of(history).rescheduled == 500
    said = forecast(history)
    assert (
        isinstance(said, NoForecast)
        and "after the change of the schedule: 4 of 5 evaluations since step 510" in said.why
    )
    history = RunHistory()
    history.feed([start(), *evals(range(0, 401, 25)), start(at=400), *evals(range(425, 601, 25))])
    assert plan_of(history) == Plan(1000, 50) and isinstance(forecast(history), Forecast)


def test_the_phases_of_a_curriculum_are_known_before_they_come() -> None:
    phases = [{"name": "a", "until_iter": 500}, {"name": "b", "until_iter": None}]
    history = RunHistory()
    history.feed([start(settings={"curriculum": {"phases": phases}}), *evals(range(0, 451, 25))])
    assert forecast(history) == NoForecast("at step 500 the data changes")
    history.feed([*evals([475, 500]), PhaseSwitch(iter=500, new_phase="b", timestamp="t"), *evals([525])])
    assert plan_of(history) == Plan(1000, 50, switches=(500,))
    said = forecast(history)
    assert isinstance(said, NoForecast) and "after the phase switch: 1 of 5 evaluations" in said.why


def test_a_schedule_of_another_trainer_is_no_ground_for_a_forecast() -> None:
    history = RunHistory()
    constant = [Eval(iter=s, val_loss=3 - s / 1000, lr=0.001, timestamp="t") for s in range(0, 601, 25)]
    history.feed([start(), *constant])
    said = forecast(history)
    assert isinstance(said, NoForecast) and "schedule" in said.why
