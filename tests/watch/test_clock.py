from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from mypt import events
from mypt.plotting.clock import clock_ticks, moment_label
from mypt.plotting.scale import Scale
from mypt.watch.clock import Clock, seconds_since_epoch
from mypt.watch.history import RunHistory


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_a_resume_moves_the_clock_on_and_a_replay_takes_the_time_before_it_away() -> None:
    clock = Clock().went_on(0.0, "2026-11-20T10:00:00")
    began = seconds_since_epoch("2026-11-20T10:00:00")
    assert began is not None and clock.at(90.0) == began + 90
    clock = clock.went_on(100.0, "2026-11-20T12:00:00")
    assert clock.at(90.0) == began + 90
    assert clock.at(110.0) == began + 7200 + 10
    again = clock.went_on(50.0, "2026-11-20T15:00:00")
    assert again.begins == (0.0, 50.0)
    assert again.at(110.0) == began + 5 * 3600 + 60
    assert Clock().at(5.0) is None
    assert clock.went_on(120.0, "not a time") == clock


def test_a_run_tells_when_it_trained_over_its_resumes() -> None:
    history = RunHistory()
    history.feed(
        [
            events.TrainingStart(timestamp="2026-11-20T10:00:00", config={"max_iters": 100, "start_step": 0}),
            *(
                events.Eval(iter=n, elapsed_s=float(n), tokens_processed=n, val_loss=1.0)
                for n in range(0, 50, 10)
            ),
            events.TrainingStart(
                timestamp="2026-11-21T08:00:00", config={"max_iters": 100, "start_step": 30}
            ),
            *(
                events.Eval(iter=n, elapsed_s=float(n), tokens_processed=n, val_loss=1.0)
                for n in range(40, 60, 10)
            ),
        ]
    )
    assert history.clock.begins == (0.0, 30.0)
    assert history.clock.at(20.0) == seconds_since_epoch("2026-11-20T10:00:20")
    assert history.clock.at(50.0) == seconds_since_epoch("2026-11-21T08:00:20")
    history.reset()
    assert history.clock == Clock()


def test_ticks_are_round_times_of_day_where_one_is(zone: str) -> None:
    clock = Clock().went_on(0.0, "2026-11-20T10:07:00")
    ticks = clock_ticks(Scale(0.0, 7200.0), 60, clock)
    assert [tick.label for tick in ticks] == ["10:30", "11:00", "11:30", "12:00"]
    assert [tick.value for tick in ticks] == [23 * 60, 53 * 60, 83 * 60, 113 * 60]
    days = clock_ticks(Scale(0.0, 3 * 86_400.0), 60, clock)
    assert [tick.label for tick in days] == ["12:00", "Nov 21", "12:00", "Nov 22", "12:00", "Nov 23"]


def test_where_a_run_was_stopped_the_clock_jumps() -> None:
    clock = Clock().went_on(0.0, "2026-11-20T10:00:00").went_on(3600.0, "2026-11-20T20:00:00")
    ticks = clock_ticks(Scale(0.0, 7200.0), 60, clock)
    assert [tick.label for tick in ticks] == ["10:00", "10:30", "20:00", "20:30", "21:00"]
    assert all(a.cell < b.cell for a, b in pairwise(ticks))


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1e18, 1e18])
def test_impossible_times_say_nothing(moment: float) -> None:
    assert moment_label(moment) == ""
    assert clock_ticks(Scale(0.0, 10.0), 50, Clock((0.0,), (moment,))) == []


def test_a_moment_has_its_day_where_that_is_not_today() -> None:
    now = time.time()
    assert moment_label(now) == time.strftime("%H:%M:%S", time.localtime(now))
    assert moment_label(now - 5 * 86_400) == time.strftime("%b %d %H:%M:%S", time.localtime(now - 5 * 86_400))
