"""Start a run that outlives whoever starts it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mypt.errors import RunError
from mypt.launch.supervisor import last_lines
from mypt.runs.directory import NOT_STARTED, ExitRecord, RunDirectory, write_exit
from mypt.runs.record import RunRecord, create, load

TRAIN = ("-P", "-m", "mypt", "train")
"""What python runs to train. -P: modules in the workspace shall not stand in for installed ones, as with `mypt train`."""
CLASSIFY = ("-P", "-m", "mypt", "finetune-classifier")
"""What it runs to train a classifier."""
_READY_WITHIN_S = 15.0
_LOOK_S = 0.01


def program_of(command: Sequence[str]) -> Sequence[str] | None:
    """Which of `TRAIN` and `CLASSIFY` a run's command is; None where it is neither."""
    # A column or a file may be called as the other program is: the first word of the two is the program.
    programs = {program[-1]: program for program in (TRAIN, CLASSIFY)}
    return next((programs[word] for word in command if word in programs), None)


def launch(
    workspace: Path,
    argv_tail: Sequence[str],
    *,
    model_name: str,
    log_file: str | os.PathLike[str],
    settings: Mapping[str, Any],
    queue: bool = False,
    python: str = sys.executable,
    program: Sequence[str] = TRAIN,
) -> RunRecord:
    """Record a run of `mypt train` with the arguments `argv_tail` and start its supervisor, detached; no shell is involved.

    With `queue` the run waits for all that were created before it in this workspace. Returns once the supervisor has
    said who it is (a fraction of a second), or after 15 s if the machine is that slow; never waits for the training.
    Raises RunError when the run cannot be recorded or the supervisor cannot be started.
    """
    workspace = workspace.resolve()
    record = create(
        workspace,
        model_name=model_name,
        log_file=log_file,
        command=[python, *program, *argv_tail],
        origin="queue" if queue else "dashboard",
        settings=settings,
        queued=queue,
    )
    run = record.directory(workspace)
    try:
        process = _start_supervisor(
            [python, "-P", "-m", "mypt.launch.supervisor", str(run.path)], run, workspace
        )
    except OSError as error:
        _give_up(run, str(error))
        raise RunError(f"the run could not be started: {error}") from error
    # Reaps the supervisor, should it end while we live: a long-lived dashboard shall not collect zombies.
    threading.Thread(target=process.wait, name=f"reap {run.run_id}", daemon=True).start()
    return _await_supervisor(run, record, process)


def _await_supervisor(run: RunDirectory, record: RunRecord, process: subprocess.Popen[bytes]) -> RunRecord:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        status = process.poll()
        now = load(run)
        if isinstance(now, RunRecord):
            record = now
            if record.supervisor is not None:
                return record
        if status is not None:
            said = "\n".join(last_lines(run.supervisor_log)[-5:])
            reason = said or f"its supervisor ended with status {status}"
            _give_up(run, reason)
            raise RunError(f"the run could not be started: {reason}")
        time.sleep(_LOOK_S)
    return record


def _start_supervisor(command: list[str], run: RunDirectory, workspace: Path) -> subprocess.Popen[bytes]:
    with run.supervisor_log.open("ab", buffering=0) as log:
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            breakaway = subprocess.CREATE_BREAKAWAY_FROM_JOB
            try:
                return _popen(command, log.fileno(), workspace, creationflags=flags | breakaway)
            except PermissionError:
                # The job that we run in forbids leaving it; then we end with it, which is better than not starting.
                return _popen(command, log.fileno(), workspace, creationflags=flags)
        return _popen(command, log.fileno(), workspace, start_new_session=True)


def _popen(command: list[str], log: int, workspace: Path, **how: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=workspace,
        env=environment(),
        close_fds=True,
        **how,
    )


def environment() -> dict[str, str]:
    """Ours, with the place where `mypt` lies, so that the same one is found without the current directory."""
    environment = dict(os.environ)
    # A checkout that is not installed is found through the path alone.
    root = str(Path(__file__).resolve().parents[2])
    if Path(root).name not in ("site-packages", "dist-packages"):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (root, known) if part)
    # A run started from within a run is not that run.
    environment.pop("MYPT_RUN_DIR", None)
    return environment


def _give_up(run: RunDirectory, reason: str) -> None:
    with contextlib.suppress(OSError):
        write_exit(run, ExitRecord(code=None, reason=f"{NOT_STARTED}: {reason}"))
