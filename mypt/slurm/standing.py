"""Runs that SLURM has still to end: those that wait in its queue, train, or are to be queued again. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mypt.errors import Problem, UserError
from mypt.runs.directory import read_exit
from mypt.runs.record import RunRecord, list_records
from mypt.slurm.squeue import OVER, WAITING, ask_now
from mypt.text import printable


@dataclass(frozen=True, slots=True)
class Standing:
    """A run whose job is not over as far as can be told; `waits` where it has not begun, `unanswered` why that is not known."""

    record: RunRecord
    waits: bool = False
    unanswered: str = ""

    @property
    def how_to_cancel(self) -> str:
        """In words."""
        return f"cancel it (s in mypt-tui, or scancel {self.record.job})"

    def __str__(self) -> str:
        """`waits in SLURM as job 12 (run …)`."""
        if self.unanswered:
            does = f"may still wait or train in SLURM ({self.unanswered})"
        else:
            does = "waits in SLURM" if self.waits else "trains in SLURM"
        return f"{does} as job {self.record.job} (run {self.record.run_id})"


def standing(workspace: Path, records: Iterable[RunRecord]) -> list[Standing]:
    """Those of these runs that are SLURM's; squeue is asked only where there are such."""
    records = [
        record
        for record in records
        if record.origin == "slurm" and record.job is not None and not _is_over(record, workspace)
    ]
    if not records:
        return []
    found = []
    for record, told in zip(records, ask_now(records), strict=True):
        if told.unanswered:
            found.append(Standing(record, unanswered=told.unanswered))
        elif told.job is not None and told.job.state not in OVER:
            found.append(Standing(record, told.job.state in WAITING))
    return found


def refuse_second(workspace: Path, model: str) -> None:
    """Raise `UserError` where a job for this model waits or trains already: two would take each other's checkpoint."""
    records = [record for record in list_records(workspace).records if record.model_name == model]
    for found in standing(workspace, records):
        raise UserError(
            Problem(
                f"{found}",
                where=printable(model, newline=False),
                remedy=f"wait until it ends, {found.how_to_cancel}, or choose another --model_name",
            )
        )


def _is_over(record: RunRecord, workspace: Path) -> bool:
    end = read_exit(record.directory(workspace))
    return end is not None and not end.requeues
