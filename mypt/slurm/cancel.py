"""Stop a run of SLURM's: one that waits leaves the queue, one that trains is told to save first."""

from __future__ import annotations

import contextlib
import subprocess

from mypt.runs.directory import CANCELLED, ExitRecord, RunDirectory, request_stop, write_exit
from mypt.runs.record import RunRecord
from mypt.slurm import command
from mypt.slurm.squeue import OVER, WAITING, ask_now

_PATIENCE_S = 10.0


def cancel(run: RunDirectory, record: RunRecord, *, force: bool = False) -> tuple[bool, str]:
    """Whether SLURM was told, and a sentence on what comes of it; with `force` it does not save. Never raises."""
    if record.job is None:
        return False, "SLURM has not given it a number yet; try again in a moment"
    (told,) = ask_now([record])
    if told.unanswered:
        return _by_file(run, told.unanswered)
    if told.job is None or told.job.state in OVER:
        return False, f"its SLURM job {record.job} is over"
    if told.job.state in WAITING:
        # A job that has just begun is not meant; one that is held begins only by a person.
        only = ["--state=PENDING"] if told.job.state == "PENDING" else []
        if problem := _scancel(*only, record.job):
            return False, problem
        if record.started_at is None:
            with contextlib.suppress(OSError):
                write_exit(run, ExitRecord(code=None, reason=CANCELLED))
        return True, f"its job {record.job} is taken from SLURM's queue (scancel)"
    if force:
        problem = _scancel(record.job)
        return not problem, problem or f"its job {record.job} is cancelled (scancel)"
    # Before the first process is there nobody hears a signal, but each looks for the request.
    with contextlib.suppress(OSError):
        request_stop(run)
    if problem := _scancel("--signal=TERM", record.job):
        return False, problem
    return True, f"its job {record.job} was told to save and stop (scancel --signal=TERM)"


def _by_file(run: RunDirectory, why: str) -> tuple[bool, str]:
    try:
        request_stop(run)
    except OSError as error:
        return False, f"{why}, and the request could not be written: {error}"
    return True, f"{why}: a request lies on the disk, and it stops once it trains and sees that"


def _scancel(*words: str) -> str:
    """What went wrong; empty where SLURM took it."""
    try:
        done = command.run("scancel", *words, limit_s=_PATIENCE_S)
    except FileNotFoundError:
        return "there is no scancel here"
    except (OSError, subprocess.TimeoutExpired):
        return "scancel gives no answer"
    return "" if done.returncode == 0 else command.refusal(done)
