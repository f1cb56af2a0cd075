"""The directory of one run, `.mypt/runs/<run_id>/`, and the two small files that end one: the exit record and the
request to stop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mypt import signals
from mypt.files import read_file
from mypt.fsio import fsync_file, replace, write_atomic, write_json_atomic
from mypt.text import printable

CANCELLED = "cancelled"
NOT_STARTED = "not started"
# One block of most file systems.
_RESERVED = 4096


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run and the files in it."""

    path: Path

    @property
    def run_id(self) -> str:
        """The name of the run, which is the name of its directory."""
        return self.path.name

    @property
    def record_file(self) -> Path:
        """The `RunRecord`."""
        return self.path / "run.json"

    @property
    def console(self) -> Path:
        """What the trainer printed (runs started by a supervisor or by SLURM only)."""
        return self.path / "console.log"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor itself printed: empty unless it failed."""
        return self.path / "supervisor.log"

    @property
    def exit_file(self) -> Path:
        """The `ExitRecord`; absent while the run goes on."""
        return self.path / "exit.json"

    @property
    def crash_file(self) -> Path:
        """Where the trainer was when it crashed; empty or absent unless it did."""
        return self.path / "crash.txt"

    @property
    def reserve(self) -> Path:
        """Room on the disk for the `ExitRecord`, kept while the run goes on."""
        return self.path / ".exit.reserve"

    @property
    def job_file(self) -> Path:
        """The batch file (runs that SLURM starts only)."""
        return self.path / "job.sbatch"

    @property
    def stop_file(self) -> Path:
        """The request to stop; absent unless somebody asked."""
        return self.path / "stop"


def now() -> str:
    """This moment, ISO 8601 in UTC with microseconds: such stamps sort as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a run ended: exit status or signal (one of them None), when (ISO 8601), why where that is known,
    and the last lines it printed (printable).

    `reason` is empty for a trainer that ran and ended by itself, `CANCELLED` or `NOT_STARTED: …` otherwise.
    """

    code: int | None
    signal: int | None = None
    time: str = field(default_factory=now)
    reason: str = ""
    last_lines: tuple[str, ...] = ()

    @property
    def requeues(self) -> bool:
        """Whether the run saved before SLURM's time limit, so that its job queues again."""
        return signals.name_of_status(self.code) == "SIGUSR1"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "code": self.code,
            "signal": self.signal,
            "time": self.time,
            "reason": self.reason,
            "last_lines": list(self.last_lines),
        }


def runs_folder(workspace: Path) -> Path:
    """Where the runs of `workspace` are recorded."""
    return workspace / ".mypt" / "runs"


def write_exit(run: RunDirectory, record: ExitRecord) -> None:
    """Record how `run` ended, on a full disk in the room that was kept for that. Raises OSError."""
    try:
        write_json_atomic(run.exit_file, record.to_json(), durable=True)
    except OSError:
        if not _into_reserve(run, record):
            raise
        replace(run.reserve, run.exit_file)
    with contextlib.suppress(OSError):
        run.reserve.unlink()


def keep_room(run: RunDirectory) -> None:
    """Take now the room that the last word about `run` needs: a disk is full exactly when runs end on it.

    Does nothing where there is none.
    """
    with contextlib.suppress(OSError):
        write_atomic(run.reserve, b" " * _RESERVED)


def leave_word(run: RunDirectory, record: ExitRecord) -> None:
    """Leave in the kept room how the trainer says that it ends, for a supervisor whose console file is on a full disk."""
    _into_reserve(run, record)


def word_of(run: RunDirectory) -> ExitRecord | None:
    """What `leave_word` left; None, or a record without a code, where it left nothing."""
    return _exit_in(run.reserve)


def _into_reserve(run: RunDirectory, record: ExitRecord) -> bool:
    """Write over the kept room, which asks nothing more of the disk; False where none was kept."""
    lines = record.last_lines
    while True:
        raw = json.dumps(dataclasses.replace(record, last_lines=lines).to_json()).encode()
        if len(raw) <= _RESERVED or not lines:
            break
        lines = lines[1:]
    if len(raw) > _RESERVED:
        return False
    try:
        with run.reserve.open("rb+", buffering=0) as file:
            file.write(raw.ljust(_RESERVED))
            fsync_file(file.fileno())
    except OSError:
        return False
    return True


def read_exit(run: RunDirectory) -> ExitRecord | None:
    """How `run` ended, or None while it has not (or while nobody could write it down)."""
    return _exit_in(run.exit_file)


def _exit_in(file: Path) -> ExitRecord | None:
    try:
        value = json.loads(read_file(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return ExitRecord(code=None, time="", reason="its exit record cannot be read")
    lines = value.get("last_lines")
    return ExitRecord(
        code=_int_or_none(value.get("code")),
        signal=_int_or_none(value.get("signal")),
        time=str(value.get("time", "")),
        reason=printable(str(value.get("reason") or "")),
        last_lines=tuple(printable(str(line)) for line in lines) if isinstance(lines, list) else (),
    )


def request_stop(run: RunDirectory, reason: str = "request") -> None:
    """Ask the trainer of `run` to save and stop (or its supervisor not to start it). Raises OSError."""
    write_json_atomic(run.stop_file, {"reason": reason, "time": now()})


def stop_requested(run: RunDirectory) -> str | None:
    """Why `run` was asked to stop, or None. One stat call while nobody asks, so it may be called at every step."""
    try:
        run.stop_file.stat()
    except OSError:
        return None
    with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
        return str(json.loads(read_file(run.stop_file)).get("reason") or "request")
    # An empty file made by hand (`touch stop`) asks as well.
    return "request"


def _int_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
