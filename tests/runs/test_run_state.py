from __future__ import annotations

import itertools
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mypt import signals
from mypt.runs.directory import CANCELLED, NOT_STARTED, ExitRecord, request_stop, write_exit
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.record import RunRecord, create, update
from mypt.runs.state import Evidence, RunState, decide, evidence_of

ALIVE, DEAD, AWAY = Alive.ALIVE, Alive.DEAD, Alive.OTHER_HOST
HERE = ProcessIdentity("here", "boot", 10, 1, 1.0)
THERE = ProcessIdentity("gpu-box", "boot", 10, 1, 1.0)
RECORD = RunRecord("r", "dante", "logs/x.jsonl", ("mypt",), "2026-11-20T16:00:00+00:00", "shell")
STARTED = replace(RECORD, started_at="2026-11-20T16:00:01+00:00", trainer=HERE, supervisor=HERE)
QUEUED = replace(RECORD, queued=True, supervisor=HERE)
REMOTE = replace(STARTED, trainer=THERE, supervisor=THERE)


def ended(code: int | None = None, number: int | None = None, reason: str = "", *lines: str) -> ExitRecord:
    return ExitRecord(code=code, signal=number, time="", reason=reason, last_lines=lines)


def run(**changes: object) -> Evidence:
    """A run that trains: alive, its log growing, but for `changes`."""
    base = Evidence(record=STARTED, trainer=ALIVE, supervisor=ALIVE, silent_s=3.0, wrote_event=True)
    return replace(base, **changes)  # type: ignore[arg-type]


def gone(**changes: object) -> Evidence:
    """A run whose processes are dead, but for `changes`."""
    return run(**{"trainer": DEAD, "supervisor": DEAD, **changes})


R = RunState
_BUS = int(getattr(signal, "SIGBUS", 7))
CASES: list[tuple[str, Evidence, RunState, str]] = [
    # A log that nobody recorded
    ("foreign, complete", Evidence(closing="complete", silent_s=9e9), R.FINISHED, "trained to the end"),
    ("foreign, growing", Evidence(silent_s=599, wrote_event=True), R.RUNNING, "its log is growing"),
    ("foreign, empty", Evidence(silent_s=1), R.STOPPED, "its log holds no event"),
    (
        "foreign, silent",
        Evidence(silent_s=600, wrote_event=True),
        R.STOPPED,
        "its log ends without a closing line",
    ),
    ("foreign, unknown age", Evidence(wrote_event=True), R.STOPPED, "its log ends without a closing line"),
    ("foreign, nan", Evidence(closing="stopped:nan:at step 7"), R.FAILED, "not a number: at step 7"),
    (
        "foreign, just stopped",
        Evidence(closing="stopped:request:", silent_s=1),
        R.STOPPED,
        "stopped on request",
    ),
    # Alive
    ("running", run(), R.RUNNING, "is training"),
    ("running without a supervisor", run(supervisor=None), R.RUNNING, "is training"),
    ("running under a dead supervisor", run(supervisor=DEAD), R.RUNNING, "is training"),
    ("starting", run(wrote_event=False), R.STARTING, "is loading"),
    ("starting, no trainer yet", run(trainer=None, wrote_event=False), R.STARTING, "is loading"),
    ("stalled", run(silent_s=14 * 60 + 5), R.STALLED, "no word for 14 minutes"),
    ("stalled at the limit", run(silent_s=600), R.STALLED, "no word for 10 minutes"),
    ("not yet stalled", run(silent_s=599.9), R.RUNNING, "is training"),
    ("stalled for hours", run(silent_s=3 * 3600 + 720), R.STALLED, "no word for 3h 12m"),
    (
        "stalled before it began",
        run(silent_s=660, wrote_event=False),
        R.STALLED,
        "11 minutes since it was started",
    ),
    (
        "suspended",
        run(suspended=True, silent_s=11),
        R.STALLED,
        "suspended (Ctrl-Z or SIGSTOP): kill -CONT 10 lets it go on",
    ),
    ("suspended and asked to stop", run(suspended=True, stop="request"), R.STALLED, "kill -CONT 10"),
    ("stopping", run(stop="request"), R.RUNNING, "is saving and stopping"),
    ("stopping, but silent", run(stop="request", silent_s=1200), R.STALLED, "no word for 20 minutes"),
    ("trainer gone, supervisor writing", run(trainer=DEAD), R.RUNNING, "has just ended"),
    ("closing line before the exit record", run(closing="complete"), R.FINISHED, "trained to the end"),
    ("stopped line before the exit record", run(closing="stopped:signal:SIGTERM"), R.STOPPED, "SIGTERM"),
    # The queue
    (
        "queued",
        Evidence(record=QUEUED, supervisor=ALIVE, silent_s=5),
        R.QUEUED,
        "waits for the runs before it",
    ),
    ("queued for hours", Evidence(record=QUEUED, supervisor=ALIVE, silent_s=9e4), R.QUEUED, "waits"),
    (
        "leaving the queue",
        Evidence(record=QUEUED, supervisor=ALIVE, stop="request"),
        R.QUEUED,
        "is being taken",
    ),
    ("cancelled", Evidence(record=QUEUED, exit=ended(reason=CANCELLED)), R.STOPPED, "taken from the queue"),
    (
        "queue lost",
        Evidence(record=QUEUED, supervisor=DEAD, silent_s=5),
        R.FAILED,
        "while it waited in the queue",
    ),
    (
        "its turn has come",
        Evidence(record=replace(QUEUED, started_at="x"), supervisor=ALIVE, silent_s=1),
        R.STARTING,
        "is loading",
    ),
    # Exit records
    ("finished", gone(exit=ended(0), closing="complete"), R.FINISHED, "trained to the end"),
    ("status 0, no closing line", gone(exit=ended(0)), R.FINISHED, "ended with status 0"),
    (
        "nothing to do",
        gone(exit=ended(0, None, "", "already at step 5000", ""), wrote_event=False),
        R.FINISHED,
        "had nothing left to do: already at step 5000",
    ),
    (
        "stopped by the dashboard",
        gone(exit=ended(0), closing="stopped:request:"),
        R.STOPPED,
        "stopped on request",
    ),
    ("stopped, log unread", gone(exit=ended(0), stop="request"), R.STOPPED, "stopped on request"),
    ("ctrl-c", gone(exit=ended(130)), R.STOPPED, "SIGINT"),
    ("terminated", gone(exit=ended(143)), R.STOPPED, "SIGTERM"),
    (
        "terminated, said in the log",
        gone(exit=ended(143), closing="stopped:signal:"),
        R.STOPPED,
        "after saving",
    ),
    (
        "terminated twice",
        gone(exit=ended(143), closing="stopped:signal:SIGTERM, sent twice, at step 7, not saved; none kept"),
        R.STOPPED,
        "stopped by SIGTERM, sent twice, at step 7, not saved; none kept",
    ),
    (
        "warned of a time limit",
        gone(exit=ended(signals.STATUS.get("SIGUSR1", 143)), closing="stopped:signal:SIGUSR1 at step 7"),
        R.STOPPED,
        "stopped by SIGUSR1 at step 7, saved",
    ),
    ("ended by a signal after its last word", gone(exit=ended(130), closing="complete"), R.FINISHED, "end"),
    ("stopped while it read its data", gone(exit=ended(143), wrote_event=False), R.STOPPED, "SIGTERM before"),
    ("a signal in the first instant", gone(exit=ended(None, 15), wrote_event=False), R.STOPPED, "it began"),
    ("out of memory", gone(exit=ended(None, 9)), R.FAILED, "killed by signal 9 (out of memory?)"),
    ("data cut", gone(exit=ended(None, _BUS)), R.FAILED, f"killed by signal {_BUS} (a data file that became"),
    ("crash", gone(exit=ended(None, 11)), R.FAILED, "killed by signal 11"),
    ("killed on request", gone(exit=ended(None, 9), stop="kill"), R.STOPPED, "killed on request"),
    ("killed while stopping", gone(exit=ended(None, 9), stop="request"), R.FAILED, "killed by signal 9"),
    ("terminated at once", gone(exit=ended(None, 15)), R.STOPPED, "before it could save"),
    (
        "killed after its last word",
        gone(exit=ended(None, 9), closing="complete"),
        R.FINISHED,
        "then killed by",
    ),
    (
        "failed after its last word",
        gone(exit=ended(1), closing="complete"),
        R.FAILED,
        "then ended with status 1",
    ),
    (
        "nan",
        gone(exit=ended(1), closing="stopped:nan:loss at step 12"),
        R.FAILED,
        "not a number: loss at step 12",
    ),
    ("error", gone(exit=ended(1), closing="stopped:error:disk: full"), R.FAILED, "failed: disk: full"),
    ("new reason", gone(exit=ended(0), closing="stopped:time limit:"), R.STOPPED, "stopped (time limit)"),
    ("status 1", gone(exit=ended(1)), R.FAILED, "ended with status 1"),
    (
        "status 1, with words",
        gone(exit=ended(1, None, "", "a", "disk full", " ")),
        R.FAILED,
        "status 1: disk full",
    ),
    ("status 1, with a reason", gone(exit=ended(1, None, "no room", "a")), R.FAILED, "status 1: no room"),
    (
        "bad input",
        gone(exit=ended(2, None, "", "no data"), wrote_event=False),
        R.FAILED,
        "(status 2): no data",
    ),
    (
        "not started",
        gone(exit=ended(reason=f"{NOT_STARTED}: no python")),
        R.FAILED,
        "not be started: no python",
    ),
    ("unreadable exit record", gone(exit=ended(reason="it cannot be read")), R.FAILED, "it cannot be read"),
    ("empty exit record", gone(exit=ended()), R.FAILED, "nobody knows how"),
    ("exit record beats live pids", run(exit=ended(1)), R.FAILED, "status 1"),
    # Gone without an exit record
    ("vanished", gone(), R.FAILED, "ended without a word"),
    ("vanished shell run", gone(supervisor=None), R.FAILED, "ended without a word"),
    ("vanished, but complete", gone(closing="complete"), R.FINISHED, "trained to the end"),
    ("vanished after a request", gone(stop="request"), R.STOPPED, "after it was asked to stop"),
    ("shell run killed on request", gone(supervisor=None, stop="kill"), R.STOPPED, "killed on request"),
    ("supervisor killed early", gone(trainer=None), R.FAILED, "before it trained"),
    ("just recorded", Evidence(record=RECORD, silent_s=2), R.STARTING, "is being started"),
    ("never started", Evidence(record=RECORD, silent_s=31), R.FAILED, "was never started"),
    ("never started, undated", Evidence(record=RECORD), R.FAILED, "was never started"),
    # Another machine
    ("away, growing", run(record=REMOTE, trainer=AWAY, supervisor=AWAY), R.RUNNING, "is training on gpu-box"),
    (
        "away, silent",
        run(record=REMOTE, trainer=AWAY, supervisor=AWAY, silent_s=7200),
        R.LAST_SEEN,
        "last seen on gpu-box, 2h 00m ago",
    ),
    (
        "away, unknown",
        run(record=REMOTE, trainer=AWAY, supervisor=AWAY, silent_s=None),
        R.LAST_SEEN,
        "on gpu-box",
    ),
    (
        "away, complete",
        run(record=REMOTE, trainer=AWAY, closing="complete"),
        R.FINISHED,
        "trained to the end",
    ),
    (
        "away, but of this machine's name",
        run(record=REMOTE, trainer=AWAY, supervisor=AWAY, silent_s=7200, here="gpu-box"),
        R.LAST_SEEN,
        "last seen on another machine or container called gpu-box, 2h 00m ago",
    ),
    ("away, ended", run(record=REMOTE, exit=ended(1)), R.FAILED, "status 1"),
    (
        "away, starting",
        run(record=REMOTE, trainer=AWAY, supervisor=None, wrote_event=False),
        R.STARTING,
        "is starting on gpu-box",
    ),
    (
        "away, queued",
        Evidence(record=replace(QUEUED, supervisor=THERE), supervisor=AWAY, silent_s=5),
        R.QUEUED,
        "waits in the queue of gpu-box",
    ),
]


@pytest.mark.parametrize(("evidence", "state", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_state(evidence: Evidence, state: RunState, words: str) -> None:
    found, sentence = decide(evidence)
    assert found is state, sentence
    assert words in sentence


def test_every_combination_has_a_state_and_a_sentence() -> None:
    known = (None, ALIVE, DEAD, AWAY)
    for record, trainer, supervisor, end, closing, silent, wrote, stop in itertools.product(
        (None, RECORD, STARTED, QUEUED, REMOTE),
        known,
        known,
        (None, ended(0), ended(1), ended(None, 9), ended()),
        (None, "complete", "stopped:nan:x", "stopped:", ""),
        (None, 0.0, 1e6),
        (False, True),
        (None, "request", "kill"),
    ):
        state, sentence = decide(Evidence(record, trainer, supervisor, end, closing, silent, wrote, stop))
        assert sentence and sentence == sentence.strip() and not sentence.endswith(".")
        if record is not None and end is not None:
            assert state.is_over
        if record is not None and trainer is DEAD and supervisor in (DEAD, None):
            assert state.is_over


def test_words_of_a_run_cannot_move_the_cursor() -> None:
    _, sentence = decide(gone(exit=ended(1, None, "", "a\x1b[2Jb")))
    assert "\\x1b[2Jb" in sentence


def _record(workspace: Path) -> RunRecord:
    return create(workspace, model_name="m", log_file="l.jsonl", command=["x"], origin="shell")


def test_evidence_of_a_live_process(tmp_path: Path) -> None:
    record = _record(tmp_path)
    record = update(record.directory(tmp_path), trainer=ProcessIdentity.of_self())
    evidence = evidence_of(tmp_path, record, closing=None, silent_s=700, wrote_event=True)
    assert (evidence.trainer, evidence.supervisor, evidence.exit) == (ALIVE, None, None)
    assert decide(evidence)[0] is R.STALLED
    request_stop(record.directory(tmp_path), "kill")
    write_exit(record.directory(tmp_path), ExitRecord(code=None, signal=9))
    assert decide(evidence_of(tmp_path, record, closing=None, silent_s=1, wrote_event=True))[0] is R.STOPPED


def test_before_the_first_event_the_console_shows_that_a_run_lives(tmp_path: Path) -> None:
    record = _record(tmp_path)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    record = update(
        record.directory(tmp_path), trainer=ProcessIdentity.of_self(), started_at=long_ago.isoformat()
    )
    silent = evidence_of(tmp_path, record, closing=None, silent_s=None, wrote_event=False)
    assert decide(silent)[0] is R.STALLED
    console = record.directory(tmp_path).console
    console.write_text("reading data")
    assert (
        decide(evidence_of(tmp_path, record, closing=None, silent_s=None, wrote_event=False))[0] is R.STARTING
    )
    os.utime(console, (long_ago.timestamp(), long_ago.timestamp()))
    assert (
        decide(evidence_of(tmp_path, record, closing=None, silent_s=None, wrote_event=False))[0] is R.STALLED
    )
