"""Whose turn it is: a queued run starts when every run before it has ended, however it ended.

The order is that of creation unless somebody moves a run. Whoever moves one, and whoever finds that its turn has come,
does so under one lock: so no two runs ever find at the same time that none is before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mypt.errors import RunError
from mypt.runs.directory import RunDirectory, now, runs_folder, stop_requested
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord, in_order, load, update

# A record is written a moment before its supervisor can say that it lives: a Python start on a busy machine.
_JUST_CREATED_S = 30.0


class Queue:
    """The queue of a workspace as one who waits in it sees it."""

    def __init__(self, workspace: Path, record: RunRecord) -> None:
        self._workspace = workspace
        self._own = record
        self._run = record.directory(workspace)
        self._over: set[str] = {record.run_id}

    def take_turn(self) -> bool:
        """True where it is this run's turn, which then is recorded as started; False where it has to wait.

        Raises RunError or OSError where that cannot be recorded.
        """
        if self._has_to_wait():
            return False
        try:
            # Between the look and the lock somebody may have been moved in before.
            with in_order(self._workspace):
                if self._has_to_wait():
                    return False
                update(self._run, started_at=now())
                return True
        except TimeoutError:
            return False

    def _has_to_wait(self) -> bool:
        own = load(self._run)
        if isinstance(own, RunRecord):
            # A record that cannot be read for a moment must not cost a run its place.
            self._own = own
        return self._own.queued and self._someone_before(self._own)

    def _someone_before(self, own: RunRecord) -> bool:
        """Whether a run before this one is still queued or running on this machine."""
        found = False
        for name in _run_ids(self._workspace):
            # Ended runs never come back: a resume is a run of its own.
            if name in self._over:
                continue
            run = RunDirectory(runs_folder(self._workspace) / name)
            record = load(run)
            if not isinstance(record, RunRecord) or not goes_on(record, run):
                self._over.add(name)
            elif record.place < own.place:
                found = True
        return found


@dataclass(frozen=True, slots=True)
class Moved:
    """Whether the queue is another one than before, and a sentence that says what was done or why not."""

    done: bool
    sentence: str


def waiting(workspace: Path) -> list[RunRecord]:
    """The runs that wait on this machine, whose turn is next first; one that is being taken out is not among them."""
    found = []
    for name in _run_ids(workspace):
        run = RunDirectory(runs_folder(workspace) / name)
        record = load(run)
        if not isinstance(record, RunRecord) or not record.waits or stop_requested(run) is not None:
            continue
        if goes_on(record, run):
            found.append(record)
    return sorted(found, key=lambda record: record.place)


def move(workspace: Path, record: RunRecord, by: int) -> Moved:
    """Let a waiting run change places with the one before it (`by` -1) or after it (1). Never raises for a queue."""
    try:
        with in_order(workspace):
            line = waiting(workspace)
            at = next((i for i, other in enumerate(line) if other.run_id == record.run_id), None)
            if at is None:
                return Moved(False, "it does not wait in this machine's queue (any more)")
            if not 0 <= at + by < len(line):
                return Moved(
                    False, "it is the first in the queue" if by < 0 else "it is the last in the queue"
                )
            own, other = line[at], line[at + by]
            update(own.directory(workspace), turn=other.place[0])
            update(other.directory(workspace), turn=own.place[0])
    except (OSError, RunError) as error:
        return Moved(False, f"the queue could not be changed: {error}")
    return Moved(True, f"{'before' if by < 0 else 'after'} {other.model_name} in the queue")


def start_now(workspace: Path, record: RunRecord) -> Moved:
    """Let a waiting run start at once, beside whatever runs; those behind it then wait for it as well."""
    try:
        with in_order(workspace):
            if record.run_id not in {other.run_id for other in waiting(workspace)}:
                return Moved(False, "it does not wait in this machine's queue (any more)")
            update(record.directory(workspace), queued=False)
    except (OSError, RunError) as error:
        return Moved(False, f"the queue could not be changed: {error}")
    return Moved(True, "starts now, beside what runs")


def _run_ids(workspace: Path) -> list[str]:
    try:
        return [path.name for path in runs_folder(workspace).iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def goes_on(record: RunRecord, run: RunDirectory) -> bool:
    """Whether a run is still queued or running on this machine, as far as its record tells."""
    if run.exit_file.exists():
        return False
    known = [identity for identity in (record.trainer, record.supervisor) if identity is not None]
    if not known:
        return _age_s(record) < _JUST_CREATED_S
    return any(identity.is_alive() is Alive.ALIVE for identity in known)


def _age_s(record: RunRecord) -> float:
    try:
        return abs((datetime.now(UTC) - datetime.fromisoformat(record.created_at)).total_seconds())
    except (ValueError, TypeError):
        return float("inf")
