"""Whose turn it is: a queued run starts when every run created before it has ended, however it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mypt.runs.directory import RunDirectory
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord, list_records, load

# A record is written a moment before its supervisor can say that it lives: a Python start on a busy machine.
_JUST_CREATED_S = 30.0


class Queue:
    """The runs before `record` in its workspace that had not ended when this was made.

    Records become visible in their order, so no run can come in before this one later.
    """

    def __init__(self, workspace: Path, record: RunRecord) -> None:
        self._before = [
            earlier.directory(workspace)
            for earlier in list_records(workspace).records
            if earlier.order < record.order and _goes_on(earlier, earlier.directory(workspace))
        ]

    def someone_before(self) -> bool:
        """Whether a run before this one is still queued or running on this machine."""
        while self._before:
            run = self._before[0]
            record = load(run)
            if isinstance(record, RunRecord) and _goes_on(record, run):
                return True
            # Ended runs never come back: a resume is a run of its own.
            self._before.pop(0)
        return False


def _goes_on(record: RunRecord, run: RunDirectory) -> bool:
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
