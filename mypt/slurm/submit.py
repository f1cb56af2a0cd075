"""Hand a run to SLURM: its record, its batch file, and sbatch's answer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mypt import disk
from mypt.errors import RunError, UserError
from mypt.fsio import remove_folder, write_atomic
from mypt.launch.start import TRAIN
from mypt.runs.record import RunRecord, create, update
from mypt.settings.resolved import Resolved
from mypt.slurm import command
from mypt.slurm.script import Ask, batch_file

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


def programs() -> None:
    """Raise `UserError` where this machine has no SLURM."""
    if shutil.which("sbatch") is None:
        raise UserError(
            "there is no sbatch here: submit on a machine of a SLURM cluster (its login node), or train here by mypt train"
        )


def submit(ask: Ask, run: Resolved, settings: Mapping[str, Any], python: str = sys.executable) -> Submitted:
    """Record the run, write its batch file and submit it; no shell is involved.

    Raises `UserError` where there is no SLURM, `RunError` with what sbatch says where it refuses; nothing is left then,
    except of a job of which nobody knows whether it was taken.
    """
    programs()
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
