"""What is written about a run in `.mypt/runs/<run_id>/`: what was started, by whom, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from mypt import disk
from mypt.cgroup import Kills
from mypt.errors import Problem, RunError
from mypt.files import read_file
from mypt.fsio import write_json_atomic
from mypt.runs.directory import RunDirectory, runs_folder
from mypt.runs.filelock import locked
from mypt.runs.identity import ProcessIdentity
from mypt.runs.sweep import NEW
from mypt.text import printable

ORIGINS = ("shell", "dashboard", "queue", "slurm")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is known of a run from its start.

    `log_file` is relative to the workspace where it lies inside it; `command` is the whole argument list;
    `settings` is a summary for lists and filters. `queued` means: waits for the runs before it. `turn` is the time of
    creation that counts in the queue, where somebody has moved the run there. `started_at` is when the trainer was
    started (None while it waits), `job` the number of its SLURM job, `kills` what the system had killed
    for lack of memory by then. Times are ISO 8601 in UTC. `extra` keeps fields that are not known.
    """

    run_id: str
    model_name: str
    log_file: str
    command: tuple[str, ...]
    created_at: str
    origin: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    queued: bool = False
    turn: str | None = None
    started_at: str | None = None
    trainer: ProcessIdentity | None = None
    supervisor: ProcessIdentity | None = None
    job: str | None = None
    kills: Kills | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> tuple[str, str]:
        """Sorts runs as they were created, those of one second as well."""
        return (self.created_at, self.run_id)

    @property
    def place(self) -> tuple[str, str]:
        """Sorts runs as their turn comes in the queue."""
        return (self.turn or self.created_at, self.run_id)

    @property
    def waits(self) -> bool:
        """Whether it was put into the queue and its turn has not come yet."""
        return self.queued and self.started_at is None and self.trainer is None

    def directory(self, workspace: Path) -> RunDirectory:
        """Where this run's files lie in `workspace`."""
        return RunDirectory(runs_folder(workspace) / self.run_id)

    def log_path(self, workspace: Path) -> Path:
        """The structured log as a path that can be opened."""
        return workspace / self.log_file

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        known = {
            "run_id": self.run_id,
            "model_name": self.model_name,
            "log_file": self.log_file,
            "command": list(self.command),
            "created_at": self.created_at,
            "origin": self.origin,
            "settings": dict(self.settings),
            "queued": self.queued,
            "started_at": self.started_at,
            "trainer": self.trainer.to_json() if self.trainer else None,
            "supervisor": self.supervisor.to_json() if self.supervisor else None,
        }
        if self.turn is not None:
            known["turn"] = self.turn
        if self.job is not None:
            known["job"] = self.job
        if self.kills is not None:
            known["kills"] = self.kills.to_json()
        return dict(self.extra) | known

    @classmethod
    def from_json(cls, value: Any) -> RunRecord:
        """The record in `value`. Raises ValueError naming what is missing or of the wrong type."""
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        rest = dict(value)
        texts = {}
        for name in ("run_id", "model_name", "log_file", "created_at", "origin"):
            texts[name] = _expect(rest, name, str)
        command = _expect(rest, "command", list)
        if not all(isinstance(word, str) for word in command):
            raise ValueError("command: expected a list of strings")
        started, turn, job = (rest.pop(name, None) for name in ("started_at", "turn", "job"))
        return cls(
            **texts,
            command=tuple(command),
            settings=_expect(rest, "settings", dict, {}),
            queued=_expect(rest, "queued", bool, False),
            turn=turn if isinstance(turn, str) else None,
            started_at=started if isinstance(started, str) else None,
            trainer=ProcessIdentity.from_json(rest.pop("trainer", None)),
            supervisor=ProcessIdentity.from_json(rest.pop("supervisor", None)),
            # It becomes an argument of SLURM's commands.
            job=job if isinstance(job, str) and job.isascii() and job.isdecimal() else None,
            kills=Kills.from_json(rest.pop("kills", None)),
            extra=rest,
        )


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A run directory whose record cannot be read, and why."""

    run_id: str
    path: Path
    problem: str


class Records(NamedTuple):
    """All runs of a workspace, in the order of their creation, and those whose record is broken."""

    records: list[RunRecord]
    broken: list[BrokenRecord]


def relative_to_workspace(workspace: Path, path: str | os.PathLike[str]) -> str:
    """`path` (absolute, or relative to `workspace`) relative to the workspace where it lies inside, else absolute."""
    root = workspace.resolve()
    full = (root / path).resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def create(
    workspace: Path,
    *,
    model_name: str,
    log_file: str | os.PathLike[str],
    command: Sequence[str],
    origin: str,
    settings: Mapping[str, Any] | None = None,
    queued: bool = False,
) -> RunRecord:
    """Make the directory and the record of a new run; both appear in one step. `settings` must be JSON values.

    Creation is serialised for the workspace, so that `order` is the order in which records became visible: whoever
    has a record sees all that come before it. Raises RunError where the workspace cannot be written.
    """
    if origin not in ORIGINS:
        raise ValueError(f"origin must be one of {', '.join(ORIGINS)}, not {origin!r}")
    folder = runs_folder(workspace)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with in_order(workspace):
            moment = _next_moment(folder / ".order")
            run_id = _new_run_id(folder, moment, model_name)
            record = RunRecord(
                run_id=run_id,
                model_name=model_name,
                log_file=relative_to_workspace(workspace, log_file),
                command=tuple(command),
                created_at=moment.isoformat(timespec="microseconds"),
                origin=origin,
                settings=dict(settings or {}),
                queued=queued,
            )
            aside = folder / f"{NEW}{run_id}"
            aside.mkdir()
            try:
                write_json_atomic(aside / "run.json", record.to_json(), durable=True)
                aside.rename(folder / run_id)
            except BaseException:
                (aside / "run.json").unlink(missing_ok=True)
                aside.rmdir()
                raise
    except OSError as error:
        files = disk.holds_no_more_files(folder)
        remedy = "the workspace must be writable and its disk not full" + (
            " of files (df -i)" if files else ""
        )
        what = f"cannot record the run: {error.strerror or error}"
        raise RunError(str(Problem(where=str(folder), message=what, remedy=remedy))) from error
    return record


@contextlib.contextmanager
def in_order(workspace: Path) -> Iterator[None]:
    """Whoever adds a run to the workspace, changes the order of the queue or begins a queued run does it in here, alone.

    Raises OSError (TimeoutError where somebody else keeps it).
    """
    with locked(runs_folder(workspace) / ".order"):
        yield


def load(run: RunDirectory) -> RunRecord | BrokenRecord:
    """The record of `run`; what is wrong with it where it cannot be read."""
    try:
        record = RunRecord.from_json(json.loads(read_file(run.record_file)))
    except FileNotFoundError:
        problem = "run.json is missing"
    except (OSError, ValueError, RecursionError) as error:
        problem = f"run.json: {error}"
    else:
        if record.run_id == run.run_id:
            return record
        problem = f"run.json belongs to another run ({record.run_id})"
    return BrokenRecord(run.run_id, run.path, printable(problem, newline=False))


def list_records(workspace: Path) -> Records:
    """Every run recorded in `workspace`, oldest first."""
    found = Records([], [])
    try:
        paths = sorted(runs_folder(workspace).iterdir())
    except OSError:
        return found
    for path in paths:
        if path.name.startswith(".") or not path.is_dir():
            continue
        record = load(RunDirectory(path))
        if isinstance(record, BrokenRecord):
            found.broken.append(record)
        else:
            found.records.append(record)
    found.records.sort(key=lambda record: record.order)
    return found


def update(run: RunDirectory, **changes: Any) -> RunRecord:
    """`modify` that sets the fields in `changes`."""
    return modify(run, lambda record: replace(record, **changes))


def modify(run: RunDirectory, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
    """Read the record of `run`, `change` it, write it, return it; launcher, supervisor and trainer may all do so at once.

    Raises RunError where the record is broken or cannot be written.
    """
    try:
        with locked(run.path / ".lock"):
            record = load(run)
            if isinstance(record, BrokenRecord):
                raise RunError(f"run {run.run_id}: {record.problem}")
            changed = change(record)
            if changed != record:
                write_json_atomic(run.record_file, changed.to_json())
            return changed
    except OSError as error:
        raise RunError(f"run {run.run_id}: cannot write its record: {disk.told(error)}") from error
    except ValueError as error:
        # Somebody wrote a number into it that JSON has no word for.
        raise RunError(f"run {run.run_id}: cannot write its record: {error}") from error


def _next_moment(order: Path) -> datetime:
    """Now, or right after the last creation where the clock has been set back since."""
    moment = datetime.now(UTC)
    with contextlib.suppress(OSError, ValueError, TypeError):
        last = datetime.fromisoformat(read_file(order).decode("ascii"))
        # A stamp from a clock that was wrong by more than that shall not date runs into the future for ever.
        if moment <= last < moment + timedelta(days=1):
            moment = last + timedelta(microseconds=1)
    with contextlib.suppress(OSError):
        order.write_text(moment.isoformat(timespec="microseconds"), encoding="ascii")
    return moment


def _new_run_id(folder: Path, moment: datetime, model_name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", model_name)[:80]
    while True:
        run_id = f"{moment:%Y%m%d-%H%M%S}-{name}-{os.urandom(2).hex()}"
        if not (folder / run_id).exists():
            return run_id


def _expect(values: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = values.pop(name, default)
    if value is None:
        raise ValueError(f"{name} is missing")
    if not isinstance(value, kind):
        raise ValueError(f"{name}: expected {kind.__name__}, found {type(value).__name__}")
    return value
