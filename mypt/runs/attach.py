"""The trainer's side: which run is this process, and how did it end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mypt.cgroup import kills
from mypt.runs.directory import (
    ExitRecord,
    RunDirectory,
    keep_room,
    leave_word,
    now,
    runs_folder,
    write_exit,
)
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.record import BrokenRecord, create, load, modify, relative_to_workspace

RUN_DIR_VARIABLE = "MYPT_RUN_DIR"
"""The environment variable in which a supervisor tells its trainer the run's directory."""


def attach(
    workspace: Path,
    model_name: str,
    log_file: str | os.PathLike[str],
    command: Sequence[str],
    settings: Mapping[str, Any],
) -> RunDirectory:
    """Say that this process is the trainer of a run, and return the run's directory.

    The run is the one its supervisor named in `MYPT_RUN_DIR`, if that is a run of this workspace and this model which
    has not ended; otherwise (a shell, or a variable that leaked into another command) a new one of origin "shell".
    `settings` (JSON values) and `log_file` are the effective ones and replace what the launcher guessed.
    Raises RunError where the record cannot be written.
    """
    run = _launched_run(workspace, model_name)
    if run is None:
        record = create(
            workspace,
            model_name=model_name,
            log_file=log_file,
            command=command,
            origin="shell",
            settings=settings,
        )
        run = record.directory(workspace)
    identity = ProcessIdentity.of_self()
    log = relative_to_workspace(workspace, log_file)
    modify(
        run,
        lambda record: replace(
            record,
            trainer=identity,
            log_file=log,
            settings=dict(settings),
            started_at=record.started_at or now(),
            kills=kills(),
            # A batch file that a person submitted again has another number than the first time.
            job=os.environ.get("SLURM_JOB_ID", record.job) if record.origin == "slurm" else record.job,
        ),
    )
    keep_room(run)
    return run


def finish(run: RunDirectory, code: int, reason: str = "") -> None:
    """Record that this trainer ends with status `code`; `reason` is a word for people where there is one.

    A living supervisor sees the end itself and writes it down, with the signal if there was one; this is for the
    runs that have none. Never raises for a full disk: the run is over either way, and its log has the last word.
    """
    with contextlib.suppress(OSError):
        run.crash_file.unlink()
    record = load(run)
    if isinstance(record, BrokenRecord):
        return
    end = ExitRecord(code=code, reason=reason)
    if record.supervisor is not None and record.supervisor.is_alive() is Alive.ALIVE:
        leave_word(run, end)
        return
    with contextlib.suppress(OSError):
        write_exit(run, end)


def _launched_run(workspace: Path, model_name: str) -> RunDirectory | None:
    """The run that `MYPT_RUN_DIR` names, if it can be this one."""
    named = os.environ.get(RUN_DIR_VARIABLE)
    if not named:
        return None
    path = Path(named).resolve()
    if path.parent != runs_folder(workspace).resolve():
        return None
    run = RunDirectory(path)
    record = load(run)
    if isinstance(record, BrokenRecord) or record.model_name != model_name or run.exit_file.exists():
        return None
    return run
