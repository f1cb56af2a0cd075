"""What is worth a call: told once, and never of the past."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import pytest

from mypt import events
from mypt.events import LogWriter
from mypt.runs.state import RunState
from mypt.watch.alerts import Alert, AlertKind, Alerts, Gold, Said, Snapshot, merged, notices, snapshot
from mypt.watch.inventory import Workspace

OPENED = 1_000_000.0
RUNNING, FINISHED, FAILED, STALLED = RunState.RUNNING, RunState.FINISHED, RunState.FAILED, RunState.STALLED
OLD = Snapshot(
    "logs/a.jsonl", "a", True, RUNNING, "is training", began=OPENED - 100, life="then", attempt="1", word="w1"
)


def kinds(alerts: list[Alert]) -> list[AlertKind]:
    return [alert.kind for alert in alerts]


def watching(run: Snapshot = OLD) -> Alerts:
    """Alerts that know `run` already."""
    alerts = Alerts(OPENED)
    assert alerts.look([run]) == []
    return alerts


@pytest.mark.parametrize("state", [FINISHED, FAILED, STALLED])
def test_the_past_is_not_told(state: RunState) -> None:
    run = dataclasses.replace(OLD, state=state, golds=(Gold(10, 2.0),), nan_step=3)
    alerts = watching(run)
    assert alerts.look([run]) == []


def test_an_end_is_told_once_with_why() -> None:
    alerts = watching()
    failed = dataclasses.replace(OLD, state=FAILED, sentence="killed by signal 9 (out of memory?)", word="w2")
    (alert,) = alerts.look([failed])
    assert alert.kind is AlertKind.FAILED and alert.sentence == "killed by signal 9 (out of memory?)"
    assert alerts.look([failed]) == []


def test_a_finished_run_tells_its_gold() -> None:
    done = dataclasses.replace(
        OLD, state=FINISHED, sentence="trained to the end", golds=(Gold(36_000, 2.377),)
    )
    alerts = watching(dataclasses.replace(OLD, golds=done.golds))
    (alert,) = alerts.look([done])
    assert alert.sentence == "trained to the end; gold 2.3770 at step 36\u202f000"


def test_notices_that_come_together_are_one_and_none_is_told_twice() -> None:
    alerts = watching(dataclasses.replace(OLD, notices=(Said(5, "old"),)))
    spiked = dataclasses.replace(OLD, notices=(Said(5, "old"), Said(10, "up"), Said(20, "up again")))
    (alert,) = alerts.look([spiked])
    assert alert.kind is AlertKind.NOTICE and alert.sentence == "up again, at step 20 (and 1 more before)"
    assert len(alert.ids) == 2 and alerts.look([spiked]) == []
    # Trained again after a resume, it is the same.
    assert alerts.look([dataclasses.replace(OLD, notices=spiked.notices[:2])]) == []
    assert alerts.look([spiked]) == []
    (said,) = notices([alert])
    assert said.title == "a should be looked at"


def test_a_run_that_is_still_being_read_waits() -> None:
    alerts = Alerts(OPENED)
    done = dataclasses.replace(OLD, state=FINISHED)
    assert alerts.look([dataclasses.replace(done, known=False)]) == []
    assert alerts.look([done]) == []


def test_a_run_that_begins_while_one_looks_tells_from_its_first_step() -> None:
    alerts = Alerts(OPENED)
    young = dataclasses.replace(OLD, began=OPENED + 5, golds=(Gold(10, 2.0),), state=FAILED)
    assert kinds(alerts.look([young])) == [AlertKind.GOLD, AlertKind.FAILED]


def test_what_was_there_at_the_beginning_is_the_past_whenever_it_began() -> None:
    alerts = Alerts(OPENED)
    alerts.begin([OLD.key])
    assert (
        alerts.look([dataclasses.replace(OLD, began=OPENED + 1, state=FAILED, golds=(Gold(10, 2.0),))]) == []
    )


def test_a_run_that_began_before_and_is_found_later_tells_from_then_on() -> None:
    alerts = Alerts(OPENED)
    copied = dataclasses.replace(OLD, state=FAILED, golds=(Gold(10, 2.0),))
    assert alerts.look([copied]) == []
    assert kinds(alerts.look([dataclasses.replace(copied, golds=(Gold(10, 2.0), Gold(20, 1.0)))])) == [
        AlertKind.GOLD
    ]


def test_a_run_of_which_nobody_knows_when_it_began_is_of_the_past() -> None:
    assert Alerts(OPENED).look([dataclasses.replace(OLD, began=None, state=FAILED)]) == []


def test_golds_are_told_once_also_when_the_log_is_read_anew() -> None:
    alerts = watching()
    one = dataclasses.replace(OLD, golds=(Gold(10, 2.0),))
    two = dataclasses.replace(OLD, golds=(Gold(10, 2.0), Gold(20, 1.5)))
    assert [alert.sentence for alert in alerts.look([one])] == ["val 2.0000 at step 10"]
    assert [alert.golds for alert in alerts.look([two])] == [(Gold(20, 1.5),)]
    for again in (OLD, one, two, dataclasses.replace(two, known=False), two):
        assert alerts.look([again]) == []


def test_golds_that_come_together_are_one_alert() -> None:
    alerts = watching()
    golds = tuple(Gold(10 * n, 3.0 - n / 10) for n in range(1, 6))
    (alert,) = alerts.look([dataclasses.replace(OLD, golds=golds)])
    assert alert.golds == golds and len(alert.ids) == 5
    assert alert.sentence == "5 of them, the last with val 2.5000 at step 50"


def test_an_exact_replay_of_a_gold_is_no_news_and_another_life_is() -> None:
    alerts = watching(dataclasses.replace(OLD, golds=(Gold(10, 2.0), Gold(20, 1.5))))
    rewound = dataclasses.replace(OLD, golds=(Gold(10, 2.0),), attempt="2")
    assert alerts.look([rewound]) == []
    assert alerts.look([dataclasses.replace(rewound, golds=(Gold(10, 2.0), Gold(20, 1.5)))]) == []
    anew = dataclasses.replace(OLD, golds=(Gold(10, 2.0),), life="now", attempt="3")
    assert kinds(alerts.look([anew])) == [AlertKind.GOLD]


def test_nan_and_the_stop_for_it_are_one_piece_of_news() -> None:
    alerts = watching()
    nan = dataclasses.replace(OLD, nan_step=31)
    (alert,) = alerts.look([nan])
    assert alert.kind is AlertKind.NAN and "since step 31" in alert.sentence
    assert alerts.look([nan]) == []
    stopped = dataclasses.replace(nan, state=FAILED, ended_by_nan=True, sentence="stopped at nan", word="w2")
    assert alerts.look([stopped]) == []


def test_a_run_that_stops_for_nan_at_once_says_why() -> None:
    alerts = watching()
    stopped = dataclasses.replace(
        OLD, state=FAILED, ended_by_nan=True, nan_step=31, sentence="the loss is nan"
    )
    (alert,) = alerts.look([stopped])
    assert (alert.kind, alert.sentence) == (AlertKind.NAN, "the loss is nan")
    resumed = dataclasses.replace(OLD, attempt="2", word="w3")
    assert alerts.look([resumed]) == []
    again = dataclasses.replace(stopped, attempt="2", word="w4")
    assert kinds(alerts.look([again])) == [AlertKind.NAN], "it happened again"


def test_a_loss_that_comes_back_and_goes_again_is_told_again() -> None:
    alerts = watching()
    for step, told in ((5, 1), (None, 0), (9, 1), (9, 0)):
        assert len(alerts.look([dataclasses.replace(OLD, nan_step=step)])) == told


def test_a_stall_is_told_again_only_after_a_word() -> None:
    alerts = watching()
    stalled = dataclasses.replace(OLD, state=STALLED, sentence="no word for 10 minutes")
    assert kinds(alerts.look([stalled])) == [AlertKind.STALLED]
    assert alerts.look([dataclasses.replace(stalled, sentence="no word for 11 minutes")]) == []
    # A clock that jumps makes a silent run look alive, and then not.
    assert alerts.look([OLD]) == [] and alerts.look([stalled]) == []
    assert alerts.look([dataclasses.replace(OLD, word="w2")]) == []
    assert kinds(alerts.look([dataclasses.replace(stalled, word="w2")])) == [AlertKind.STALLED]


def test_a_retry_that_fails_the_same_way_is_told() -> None:
    alerts = watching()
    failed = dataclasses.replace(OLD, state=FAILED)
    assert len(alerts.look([failed])) == 1
    assert alerts.look([dataclasses.replace(OLD, state=RunState.STARTING, attempt="2")]) == []
    assert len(alerts.look([dataclasses.replace(failed, attempt="2")])) == 1


def test_what_a_person_asked_for_is_no_alert() -> None:
    alerts = watching()
    assert (
        alerts.look([dataclasses.replace(OLD, state=RunState.STOPPED, sentence="stopped on request")]) == []
    )


def test_a_value_that_is_no_number_is_a_gold_like_others() -> None:
    alerts = watching()
    strange = dataclasses.replace(OLD, golds=(Gold(1, math.nan),))
    assert len(alerts.look([strange])) == 1
    assert alerts.look([strange]) == []


# ── as they are said ──────────────────────────────────────────────────────────────────────────────────────────────


def failures(number: int) -> list[Alert]:
    alerts = Alerts(OPENED)
    runs = [dataclasses.replace(OLD, key=f"logs/{n}.jsonl", label=f"run{n}") for n in range(number)]
    alerts.look(runs)
    return alerts.look([dataclasses.replace(run, state=FAILED, sentence="no data") for run in runs])


def test_a_few_are_said_one_by_one() -> None:
    said = notices(failures(3))
    assert [notice.title for notice in said] == ["run0 failed", "run1 failed", "run2 failed"]
    assert {notice.text for notice in said} == {"no data"}


def test_many_are_said_as_one() -> None:
    (notice,) = notices(failures(9))
    assert notice.title == "9 runs failed"
    assert notice.text == "run0, run1, run2, run3, run4, run5 and 3 more"
    assert len(notice.alerts) == 9


def test_trouble_comes_first_and_golds_of_a_run_are_one() -> None:
    alerts = watching()
    first = alerts.look([dataclasses.replace(OLD, golds=(Gold(10, 2.0),))])
    second = alerts.look([dataclasses.replace(OLD, golds=(Gold(10, 2.0), Gold(20, 1.5)))])
    said = notices([*first, *second, *failures(1)])
    assert [notice.title for notice in said] == ["run0 failed", "a has a new gold"]
    assert said[1].text == "2 of them, the last with val 1.5000 at step 20"
    (both,) = merged([*first, *second])
    assert both.ids == first[0].ids + second[0].ids


# ── over real logs ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_real_log_that_grows_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "train" / "poems_eval.jsonl"
    workspace = Workspace(tmp_path, rescan_s=0.0)

    def look() -> list[Alert]:
        workspace.poll(1.0)
        return alerts.look(map(snapshot, workspace.runs))

    with LogWriter(path) as log:
        log.write(events.TrainingStart(config={"max_iters": 100}))
        log.write(events.GoldCheckpoint(iter=10, val_loss=3.0))
    alerts = Alerts(time.time() + 10)
    assert look() == []
    with LogWriter(path) as log:
        log.write(events.GoldCheckpoint(iter=20, val_loss=2.0))
    assert [alert.sentence for alert in look()] == ["val 2.0000 at step 20"]
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    look()
    path.write_bytes(whole)
    assert look() == [] and look() == []
    with LogWriter(path) as log:
        log.write(events.TrainingStopped(iter=21, reason="nan", message="the loss is nan at step 21"))
    (alert,) = look()
    assert alert.kind is AlertKind.NAN and "the loss is nan at step 21" in alert.sentence
