"""What state a run of SLURM's is in: SLURM's word, the run's own, and none of either."""

from __future__ import annotations

from typing import Any

import pytest

from mypt.runs.directory import CANCELLED, ExitRecord
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord
from mypt.runs.state import Evidence, RunState, decide
from mypt.slurm.squeue import Job, Told

RECORD = RunRecord("r", "m", "logs/m.jsonl", ("mypt",), "2026-01-01T00:00:00+00:00", "slurm", job="12")
STARTED = RunRecord(
    "r", "m", "logs/m.jsonl", ("mypt",), "2026-01-01T00:00:00+00:00", "slurm", job="12", started_at="2026"
)
SAVED = ExitRecord(code=138)
NO_SQUEUE = Told(unanswered="there is no squeue here")


def job(state: str, since_s: float | None = None, starts: str = "", **more: Any) -> Told:
    return Told(Job("12", state, **more), since_s=since_s, starts=starts)


@pytest.mark.parametrize(
    ("evidence", "state", "words"),
    [
        (Evidence(RECORD, slurm=job("PENDING")), RunState.QUEUED, "waits in SLURM (job 12)"),
        (
            Evidence(RECORD, slurm=job("PENDING", starts="14:05", reason="Priority")),
            RunState.QUEUED,
            "waits in SLURM (job 12): others are before it; expected to start 14:05",
        ),
        (
            Evidence(RECORD, slurm=job("PENDING", reason="JobHeldUser")),
            RunState.QUEUED,
            "waits in SLURM (job 12): held; scontrol release 12 lets it go on",
        ),
        (
            Evidence(RECORD, slurm=job("PENDING", reason="Odd")),
            RunState.QUEUED,
            "waits in SLURM (job 12): Odd",
        ),
        (
            Evidence(STARTED, exit=SAVED, closing="stopped:signal:SIGUSR1", slurm=job("PENDING")),
            RunState.QUEUED,
            "saved, and queued again in SLURM (job 12)",
        ),
        (
            Evidence(RECORD, slurm=job("CONFIGURING")),
            RunState.STARTING,
            "SLURM makes its nodes ready (job 12)",
        ),
        (
            Evidence(RECORD, slurm=job("RUNNING", 5.0, nodes="gpu[1-2]")),
            RunState.STARTING,
            "is starting on gpu[1-2] (SLURM job 12)",
        ),
        (
            # A log that last grew before the pause says nothing of this start, and is no sign of a stall.
            Evidence(
                STARTED, closing="stopped:signal:x", wrote_event=True, silent_s=9e4, slurm=job("RUNNING", 5.0)
            ),
            RunState.STARTING,
            "is starting on its nodes (SLURM job 12)",
        ),
        (
            Evidence(STARTED, wrote_event=True, silent_s=3.0, slurm=job("RUNNING", 50.0, nodes="vm")),
            RunState.RUNNING,
            "is training on vm (SLURM job 12)",
        ),
        (
            Evidence(STARTED, wrote_event=True, silent_s=900.0, slurm=job("RUNNING", 5e3, nodes="vm")),
            RunState.STALLED,
            "no word for 15 minutes on vm (SLURM job 12)",
        ),
        (
            Evidence(STARTED, wrote_event=True, silent_s=1.0, stop="request", slurm=job("RUNNING", 50.0)),
            RunState.RUNNING,
            "is saving and stopping, as requested, on its nodes (SLURM job 12)",
        ),
        (Evidence(STARTED, slurm=job("SUSPENDED")), RunState.STALLED, "suspended by SLURM (job 12)"),
        (
            Evidence(STARTED, exit=ExitRecord(0), closing="complete", slurm=job("COMPLETING", 9.0)),
            RunState.FINISHED,
            "trained to the end",
        ),
        (
            Evidence(RECORD, slurm=job("CANCELLED")),
            RunState.STOPPED,
            "its SLURM job 12 was cancelled before it trained",
        ),
        (
            Evidence(STARTED, wrote_event=True, slurm=job("OUT_OF_MEMORY")),
            RunState.FAILED,
            "its SLURM job 12 ran out of memory",
        ),
        (
            Evidence(STARTED, closing="stopped:signal:SIGTERM", slurm=job("CANCELLED")),
            RunState.STOPPED,
            "stopped by SIGTERM, saved",
        ),
        (
            Evidence(RECORD, exit=ExitRecord(None, reason=CANCELLED), slurm=job("PENDING")),
            RunState.STOPPED,
            "taken from the queue before it started",
        ),
        (Evidence(STARTED, slurm=Told()), RunState.FAILED, "its SLURM job 12 ended before it trained"),
        (
            Evidence(STARTED, exit=ExitRecord(0), closing="complete", slurm=Told()),
            RunState.FINISHED,
            "trained to the end",
        ),
        # Of a cluster that does not answer nobody knows whether the run is dead.
        (
            Evidence(RECORD, slurm=NO_SQUEUE),
            RunState.LAST_SEEN,
            "last seen waiting in SLURM (job 12); there is no squeue here",
        ),
        (
            Evidence(STARTED, trainer=Alive.DEAD, wrote_event=True, slurm=NO_SQUEUE),
            RunState.LAST_SEEN,
            "last seen training in SLURM (job 12); there is no squeue here",
        ),
        (
            Evidence(STARTED, exit=SAVED, closing="stopped:signal:SIGUSR1", slurm=NO_SQUEUE),
            RunState.LAST_SEEN,
            "last seen saved before its time limit, to queue again in SLURM (job 12); there is no squeue here",
        ),
        (
            Evidence(STARTED, slurm=Told(Job("12", "RUNNING"), unanswered="squeue gives no answer")),
            RunState.LAST_SEEN,
            "last seen running in SLURM (job 12); squeue gives no answer",
        ),
        (
            Evidence(STARTED, trainer=Alive.ALIVE, wrote_event=True, slurm=NO_SQUEUE),
            RunState.RUNNING,
            "is training",
        ),
        (
            Evidence(STARTED, exit=ExitRecord(1, last_lines=("x",)), slurm=NO_SQUEUE),
            RunState.FAILED,
            "ended with status 1: x",
        ),
    ],
)
def test_the_state_of_a_run_in_slurm(evidence: Evidence, state: RunState, words: str) -> None:
    assert decide(evidence) == (state, words)
