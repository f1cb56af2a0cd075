"""How the run of a model before this one died, for who goes on with it."""

from __future__ import annotations

from pathlib import Path

from mypt import signals
from mypt.runs.directory import read_exit, stop_requested
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord, list_records
from mypt.runs.state import STOPPED_BY_KILL, death_of, killed_by


def death_before(workspace: Path, model_name: str) -> str:
    """A sentence on how the newest run of `model_name` died; empty where it ended in order, or nobody knows how."""
    runs = (
        r for r in list_records(workspace).records if r.model_name == model_name and r.trainer is not None
    )
    # The one that goes on may be recorded already.
    over = [r for r in runs if r.directory(workspace).exit_file.exists() or _is_dead(r)]
    if not over:
        return ""
    last = max(over, key=lambda record: record.order)
    run = last.directory(workspace)
    if stop_requested(run) == STOPPED_BY_KILL:
        return ""
    if (end := read_exit(run)) is not None:
        died = end.signal is not None and not signals.name_of_number(end.signal)
        return f"the run before this one was {killed_by(end.signal or 0, end.reason)}" if died else ""
    how = death_of(last, run)
    return f"the run before this one ended without a word ({how})" if how else ""


def _is_dead(record: RunRecord) -> bool:
    return record.trainer is not None and record.trainer.is_alive() is Alive.DEAD
