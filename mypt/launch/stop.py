"""Stop a run: by asking (it saves and ends), by a signal (it saves and ends), or by force (it does not save)."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mypt.runs.directory import RunDirectory, read_exit, request_stop
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.record import RunRecord, load
from mypt.runs.state import STOPPED_BY_KILL
from mypt.slurm.cancel import cancel

How = Literal["request", "terminate", "kill"]


@dataclass(frozen=True, slots=True)
class StopResult:
    """Whether the request or the signal was delivered, and a sentence that says what was done or why not."""

    done: bool
    sentence: str


def stop(workspace: Path, record: RunRecord, *, how: How = "request") -> StopResult:
    """Stop the run of `record`.

    "request" leaves a file that the trainer looks for at every step; it works on every system and over shared disks,
    and takes a waiting run from the queue. "terminate" sends SIGTERM, "kill" SIGKILL, each to a process whose identity
    was verified at that moment, never to another that has its pid now. A run of SLURM's is stopped by scancel. Never raises for a run that cannot
    be stopped.
    """
    run = record.directory(workspace)
    current = load(run)
    if isinstance(current, RunRecord):
        record = current  # the trainer may have said who it is since the caller looked
    if record.origin == "slurm":
        # Its exit may be that of a start before it queued again: SLURM knows.
        return StopResult(*cancel(run, record, force=how == "kill"))
    if read_exit(run) is not None:
        return StopResult(False, "the run has ended already")
    alive = {who.is_alive() for who in (record.trainer, record.supervisor) if who is not None}
    if alive == {Alive.DEAD}:
        return StopResult(False, "the run is not running any more")
    if how == "request" or (how == "terminate" and sys.platform == "win32"):
        return _ask(run, record, alive)
    if Alive.ALIVE not in alive:
        where = (record.trainer or record.supervisor) if alive else None
        host = where.host if where is not None else "nobody knows where"
        return StopResult(False, f"a signal does not reach {host}; ask it to stop instead")
    return _signal(run, record, how)


def _ask(run: RunDirectory, record: RunRecord, alive: set[Alive]) -> StopResult:
    try:
        request_stop(run)
    except OSError as error:
        return StopResult(False, f"the request could not be written: {error}")
    if record.queued and record.started_at is None and record.trainer is None:
        return StopResult(True, "taken from the queue")
    if Alive.ALIVE in alive:
        if record.trainer is not None and record.trainer.is_suspended():
            return StopResult(True, f"asked to save and stop: it is {_suspended(record.trainer)}")
        return StopResult(True, "asked to stop: it saves after the step it is at, then ends")
    return StopResult(True, "asked to stop: it ends once its machine sees the request")


def _signal(run: RunDirectory, record: RunRecord, how: How) -> StopResult:
    if record.trainer is not None:
        number = signal.SIGTERM if how == "terminate" or sys.platform == "win32" else signal.SIGKILL
        result = _send(record.trainer, number, "the trainer")
        if result.done and how == "kill":
            # So that the run is later said to have been killed on request, and not for want of memory.
            with contextlib.suppress(OSError):
                request_stop(run, STOPPED_BY_KILL)
        return result
    # No trainer yet: its supervisor cancels a run that waits, and hands the signal on to one that is just starting.
    assert record.supervisor is not None
    return _send(record.supervisor, signal.SIGTERM, "its supervisor, which has not started the trainer yet")


def _send(identity: ProcessIdentity, number: signal.Signals, whom: str) -> StopResult:
    try:
        sent = identity.signal_if_same(number)
    except OSError as error:
        return StopResult(False, f"{number.name} to {whom} (pid {identity.pid}) was not allowed: {error}")
    if not sent:
        return StopResult(False, f"nothing was signalled: {whom} (pid {identity.pid}) is gone")
    rest = f"; it is {_suspended(identity)}" if number != _SIGKILL and identity.is_suspended() else ""
    return StopResult(True, f"{number.name} sent to {whom} (pid {identity.pid}){rest}")


def _suspended(identity: ProcessIdentity) -> str:
    return f"suspended and does so once kill -CONT {identity.pid} lets it go on"


_SIGKILL = getattr(signal, "SIGKILL", None)
