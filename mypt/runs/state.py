"""What state a run is in: a pure function of the evidence, with the sentence that says why.

Nothing here looks at the clock, at files or at processes, except `evidence_of`, which gathers.
"""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path
from types import EllipsisType

from mypt import signals
from mypt.cgroup import killed_since
from mypt.files import read_file
from mypt.runs.directory import (
    CANCELLED,
    NOT_STARTED,
    ExitRecord,
    RunDirectory,
    read_exit,
    stop_requested,
)
from mypt.runs.evidence import (
    GROWS,
    STALLED_AFTER_S,
    STARTING_GRACE_S,
    TRAINS,
    USUAL,
    Evidence,
    RunState,
    span,
)
from mypt.runs.identity import Alive, host_name
from mypt.runs.in_slurm import in_slurm
from mypt.runs.record import RunRecord
from mypt.runs.silence import Silence
from mypt.slurm.squeue import Told
from mypt.text import printable

__all__ = ["STALLED_AFTER_S", "STOPPED_BY_KILL", "USUAL", "Evidence", "RunState", "decide", "evidence_of"]

STOPPED_BY_KILL = "kill"
"""The reason in a stop request that a kill on request leaves behind, so that its state can tell."""
# Debuggers and profilers stop a process for a moment; one that a person suspended stays so.
_SUSPENDED_AFTER_S = 10.0


def evidence_of(
    workspace: Path,
    record: RunRecord,
    *,
    closing: str | None,
    silent_s: float | None,
    wrote_event: bool,
    silence: Silence | None = None,
    slurm: Told | None = None,
    exit_record: ExitRecord | EllipsisType | None = ...,
) -> Evidence:
    """Look at the processes and files of a recorded run; what its log says comes from the caller, who reads it.

    `silent_s` is the age of the log's last growth where this run has written to it, else None. Who asks again and again
    gives a `silence` of this run, which goes on counting when the clock on the wall is set. Who has just read the
    `exit_record` saves a second look at the file.
    """
    run = record.directory(workspace)
    if exit_record is ...:
        exit_record = read_exit(run)
    if not wrote_event:
        # Before its first event the console is where a run shows that it lives (reading data, compiling).
        signs = (_moment(record.started_at or record.created_at), _changed_at(run.console))
        last = max((sign for sign in signs if sign is not None), default=None)
        silent_s = None if last is None else (silence or Silence()).of(last)
    # An exit record settles what became of the processes; asking the system again would only cost time.
    ended = exit_record is not None
    last_sign = None if silent_s is None else time.time() - silent_s
    trainer, supervisor = (
        None if ended or who is None else who.is_alive(last_sign)
        for who in (record.trainer, record.supervisor)
    )
    at_rest = silent_s is not None and silent_s >= _SUSPENDED_AFTER_S
    return Evidence(
        record=record,
        trainer=trainer,
        supervisor=supervisor,
        exit=exit_record,
        closing=closing,
        silent_s=silent_s,
        wrote_event=wrote_event,
        stop=stop_requested(run),
        suspended=trainer is Alive.ALIVE
        and at_rest
        and record.trainer is not None
        and record.trainer.is_suspended(),
        here=host_name(),
        slurm=slurm,
        death=death_of(record, run) if trainer is Alive.DEAD else "",
    )


def death_of(record: RunRecord, run: RunDirectory) -> str:
    """How a trainer died that left no word, as far as its crash and the system's counters tell; empty: nobody knows."""
    try:
        first, _, _ = read_file(run.crash_file).decode("utf-8", "replace").partition("\n")
    except OSError:
        first = ""
    if what := first.removeprefix("Fatal Python error:").strip():
        guess = _GUESSES[_BUS_ERROR] if what == "Bus error" else ""
        return f"crashed: {what}{f' ({guess}?)' if guess else ''}"
    same = record.trainer is not None and record.trainer.is_of_this_kernel()
    how = killed_since(record.kills) if record.kills is not None and same else ""
    return f"killed {how}" if how else ""


def decide(evidence: Evidence) -> tuple[RunState, str]:
    """The state of a run and one sentence that says why; printable, without a full stop."""
    state, sentence = _decide(evidence)
    return state, printable(sentence, newline=False)


def _decide(evidence: Evidence) -> tuple[RunState, str]:
    if evidence.record is None:
        return _foreign(evidence)
    if evidence.record.origin == "slurm" and (found := in_slurm(evidence, evidence.record)) is not None:
        return found
    return _on_a_machine(evidence, evidence.record)


def _on_a_machine(evidence: Evidence, record: RunRecord) -> tuple[RunState, str]:
    """The state of a run as its processes and its own words tell it."""
    if evidence.exit is not None:
        return _ended(evidence, evidence.exit)
    if evidence.closing is not None:
        return _closed(evidence.closing)
    known = (evidence.trainer, evidence.supervisor)
    if Alive.ALIVE in known:
        return _alive(evidence, record)
    if Alive.OTHER_HOST in known:
        return _elsewhere(evidence, record)
    return _vanished(evidence, record)


def _foreign(evidence: Evidence) -> tuple[RunState, str]:
    if evidence.closing is not None:
        return _closed(evidence.closing)
    if not evidence.wrote_event:
        # An empty file, or one of another kind: that it is young does not make it a run.
        return RunState.STOPPED, "its log holds no event, and no run is recorded that would write it"
    if evidence.silent_s is not None and evidence.silent_s < STALLED_AFTER_S:
        return RunState.RUNNING, GROWS
    return RunState.STOPPED, "its log ends without a closing line"


def _closed(closing: str) -> tuple[RunState, str]:
    """The state that a closing event of the log tells."""
    if closing == "complete":
        return RunState.FINISHED, "trained to the end"
    _, _, rest = closing.partition(":")
    reason, _, message = rest.partition(":")
    tail = f": {message}" if message else ""
    if reason == "request":
        return RunState.STOPPED, f"stopped on request{tail}"
    if reason == "signal":
        if message.startswith("SIG"):
            # One that came twice did not wait for the checkpoint, and says itself what there is.
            return RunState.STOPPED, f"stopped by {message}{'' if 'sent twice' in message else ', saved'}"
        return RunState.STOPPED, f"stopped by a signal, after saving{tail}"
    if reason == "nan":
        return RunState.FAILED, f"stopped at a loss that is not a number{tail}"
    if reason == "error":
        return RunState.FAILED, f"failed{tail}"
    return RunState.STOPPED, f"stopped ({reason or 'no reason given'}){tail}"


def _ended(evidence: Evidence, end: ExitRecord) -> tuple[RunState, str]:
    """The state of a run with an exit record."""
    if end.reason == CANCELLED:
        return RunState.STOPPED, "taken from the queue before it started"
    if end.reason.startswith(NOT_STARTED):
        return RunState.FAILED, f"could not be started{end.reason.removeprefix(NOT_STARTED)}"
    last = end.reason or next((line.strip() for line in reversed(end.last_lines) if line.strip()), "")
    said = f": {_shorten(last)}" if last else ""
    if evidence.closing is not None:
        # The log's last word says more than a status does; what befell the process after it is added.
        state, sentence = _closed(evidence.closing)
        if end.signal is not None:
            return state, f"{sentence}; then killed by signal {end.signal}"
        if state is RunState.FINISHED and end.code not in (0, None) and not signals.name_of_status(end.code):
            return RunState.FAILED, f"{sentence}, then ended with status {end.code}{said}"
        return state, sentence
    if end.signal is not None:
        return _killed(evidence, end.signal)
    if end.code == 0:
        if evidence.stop is not None:
            return RunState.STOPPED, "stopped on request"
        if evidence.wrote_event:
            return RunState.FINISHED, "ended with status 0"
        return RunState.FINISHED, f"had nothing left to do{said}"
    if name := signals.name_of_status(end.code):
        shown = "SIGINT (Ctrl-C)" if name == "SIGINT" else name
        when = "" if evidence.wrote_event else " before it began to train"
        return RunState.STOPPED, f"stopped by {shown}{when}"
    if end.code == 2:
        return RunState.FAILED, f"refused its settings or data (status 2){said}"
    if end.code is None:
        return RunState.FAILED, end.reason or "ended, nobody knows how"
    return RunState.FAILED, f"ended with status {end.code}{said}"


def _killed(evidence: Evidence, number: int) -> tuple[RunState, str]:
    if evidence.stop == STOPPED_BY_KILL:
        return RunState.STOPPED, "killed on request; what was saved before is intact"
    if name := signals.name_of_number(number):
        when = "could save" if evidence.wrote_event else "began to train"
        return RunState.STOPPED, f"ended by {name} before it {when}"
    return RunState.FAILED, killed_by(number, evidence.exit.reason if evidence.exit else "")


def killed_by(number: int, reason: str = "") -> str:
    """That a signal killed a run, and why: `reason`, or what is most often behind it."""
    guess = _GUESSES.get(number, "")
    why = f": {reason}" if reason else f" ({guess}?)" if guess else ""
    return f"killed by signal {number}{why}"


def _alive(evidence: Evidence, record: RunRecord) -> tuple[RunState, str]:
    """The state of a run with a live process on this machine and no last word."""
    if evidence.trainer is None and record.queued and record.started_at is None:
        if evidence.stop is not None:
            return RunState.QUEUED, "is being taken from the queue"
        return RunState.QUEUED, "waits for the runs before it"
    if evidence.trainer is Alive.DEAD:
        return RunState.RUNNING, "has just ended; its exit status is about to come"
    silent = evidence.silent_s
    if evidence.suspended and record.trainer is not None:
        # Also a request to stop waits until it goes on.
        return (
            RunState.STALLED,
            f"suspended (Ctrl-Z or SIGSTOP): kill -CONT {record.trainer.pid} lets it go on",
        )
    if silent is not None and silent >= STALLED_AFTER_S:
        since = "" if evidence.wrote_event else " since it was started"
        return RunState.STALLED, f"no word for {span(silent)}{since}"
    if evidence.stop is not None:
        return RunState.RUNNING, "is saving and stopping, as requested"
    if not evidence.wrote_event:
        return RunState.STARTING, "is loading its data and building its model"
    return RunState.RUNNING, TRAINS


def _elsewhere(evidence: Evidence, record: RunRecord) -> tuple[RunState, str]:
    """The state of a run whose processes belong to a machine that cannot be asked from here."""
    identity = record.trainer or record.supervisor
    host = identity.host if identity else "another machine"
    if host == evidence.here:
        host = f"another machine or container called {host}"
    silent = evidence.silent_s
    fresh = silent is not None and silent < STALLED_AFTER_S
    if not fresh:
        ago = f", {span(silent)} ago" if silent is not None else ""
        return RunState.LAST_SEEN, f"last seen on {host}{ago}"
    if record.trainer is None and record.queued and record.started_at is None:
        return RunState.QUEUED, f"waits in the queue of {host}"
    if not evidence.wrote_event:
        return RunState.STARTING, f"is starting on {host}"
    return RunState.RUNNING, f"is training on {host}"


def _vanished(evidence: Evidence, record: RunRecord) -> tuple[RunState, str]:
    """The state of a run whose processes are gone and that left no word."""
    if evidence.trainer is None and evidence.supervisor is None:
        if evidence.silent_s is not None and evidence.silent_s < STARTING_GRACE_S:
            return RunState.STARTING, "is being started"
        return RunState.FAILED, "was never started"
    if evidence.stop == STOPPED_BY_KILL:
        return RunState.STOPPED, "killed on request; what was saved before is intact"
    if evidence.stop is not None:
        return RunState.STOPPED, "ended after it was asked to stop, without a closing line"
    if evidence.trainer is None:
        where = (
            "while it waited in the queue"
            if record.queued and record.started_at is None
            else "before it trained"
        )
        return RunState.FAILED, f"its supervisor ended {where} (killed, or the machine was restarted)"
    how = evidence.death or "killed, or the machine was restarted"
    return RunState.FAILED, f"ended without a word ({how})"


_BUS_ERROR = int(getattr(signal, "SIGBUS", 7))
_GUESSES = {
    int(getattr(signal, "SIGKILL", 9)): "out of memory",
    # What is behind the end of a mapped file cannot be read, nor what a disk has lost.
    _BUS_ERROR: "a data file that became shorter, or a disk that failed",
}


def _moment(stamp: str) -> float | None:
    """An ISO 8601 stamp in seconds since the epoch."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _changed_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _shorten(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
