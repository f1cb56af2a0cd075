"""Hand a run to SLURM: its record, its batch file, and sbatch's answer."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mypt import disk
from mypt.errors import Problem, RunError, UserError
from mypt.fsio import remove_folder, write_atomic
from mypt.launch.start import TRAIN
from mypt.runs.directory import read_exit
from mypt.runs.record import RunRecord, create, modify, update
from mypt.settings.resolved import Resolved
from mypt.slurm import command
from mypt.slurm.ask import Ask
from mypt.slurm.script import batch_file
from mypt.slurm.standing import refuse_second

FAILS_THEN = "the job fails if it still is when SLURM starts it"
"""What is to be said of a model that somebody trains while a job for it is submitted."""
# A busy controller answers late; sbatch itself gives up after a while.
_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Submitted:
    """A run that waits in SLURM, its job's number, and its batch file."""

    record: RunRecord
    job: str
    file: Path


class _UnansweredError(RunError):
    """Nobody knows whether SLURM has the job."""


def absent() -> Problem | None:
    """Why nothing can be submitted on this machine; None where it can."""
    if shutil.which("sbatch") is not None:
        return None
    remedy = "submit on a machine of a SLURM cluster (its login node), or train here"
    return Problem("there is no sbatch here", remedy=remedy)


def submit(ask: Ask, run: Resolved, settings: Mapping[str, Any], python: str = sys.executable) -> Submitted:
    """Record the run, write its batch file and submit it; no shell is involved.

    Raises `UserError` where there is no SLURM or a job for this model is there already, `RunError` with what sbatch says
    where it refuses; nothing is left then, except of a job of which nobody knows whether it was taken.
    """
    _able(run.workspace, run.model_name)
    record = create(
        run.workspace,
        model_name=run.model_name,
        log_file=run.log_path,
        command=[python, *TRAIN, *run.argv()],
        origin="slurm",
        settings=settings,
    )
    directory = record.directory(run.workspace)
    try:
        write_atomic(directory.job_file, batch_file(ask, run, directory, python))
        job = _sbatch(directory.job_file, run.workspace)
    except OSError as error:
        remove_folder(directory.path)
        raise RunError(f"the run could not be submitted: {disk.told(error)}") from error
    except _UnansweredError:
        # The job may have been taken, and needs its folder then.
        raise
    except RunError:
        remove_folder(directory.path)
        raise
    return Submitted(update(directory, job=job), job, directory.job_file)


def resubmit(workspace: Path, record: RunRecord) -> Submitted:
    """Give the batch file of a run to sbatch again, as a person has left it: the same run goes on in another job.

    Raises `UserError` where there is no SLURM, no file, or a job for this model already, `RunError` with what sbatch says.
    """
    _able(workspace, record.model_name)
    directory = record.directory(workspace)
    if not directory.job_file.is_file():
        raise UserError(f"{directory.job_file}: is gone, so it cannot be given to sbatch again")
    end = read_exit(directory)
    try:
        job = _sbatch(directory.job_file, workspace)
    except OSError as error:
        raise RunError(f"the run could not be submitted: {disk.told(error)}") from error
    with contextlib.suppress(OSError):
        # How it ended is history, and so is the request to; unless it has ended once more since.
        if end is not None and read_exit(directory) == end:
            directory.stop_file.unlink(missing_ok=True)
            directory.exit_file.unlink()
    # A job that has begun already has written this itself, and who trains.
    begun = modify(
        directory, lambda r: r if r.job == job else replace(r, job=job, started_at=None, trainer=None)
    )
    return Submitted(begun, job, directory.job_file)


def _able(workspace: Path, model: str) -> None:
    if (why := absent()) is not None:
        raise UserError(why)
    refuse_second(workspace, model)


def _sbatch(file: Path, workspace: Path) -> str:
    """The number of the job. Raises `RunError`, OSError."""
    try:
        done = command.run("sbatch", "--parsable", str(file), limit_s=_PATIENCE_S, cwd=workspace)
    except subprocess.TimeoutExpired:
        raise _UnansweredError(
            f"sbatch gave no answer for {_PATIENCE_S:.0f} s: see with squeue --me whether the job was taken"
        ) from None
    found = re.match(r"(\d+)(?:;|\s*$)", done.stdout)
    if done.returncode != 0 or found is None:
        raise RunError(command.refusal(done))
    return found[1]
