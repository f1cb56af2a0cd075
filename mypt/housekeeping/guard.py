"""What must hold before a model is touched: nobody trains it, waits to, saves it, or tidies up at the same time."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mypt.bundle import Kind, directory_name, staging_processes
from mypt.errors import Problem, RunError, UserError, raise_for
from mypt.launch.queue import goes_on
from mypt.runs.filelock import locked
from mypt.runs.identity import ProcessIdentity
from mypt.runs.lock import ModelLock
from mypt.runs.record import RunRecord, list_records
from mypt.slurm.standing import standing
from mypt.text import printable
from mypt.watch.checkpoints import base_model

_PATIENCE_S = 10.0


def folder(workspace: Path) -> Path:
    """Where this room keeps its lock and its journal."""
    return workspace / ".mypt" / "housekeeping"


@contextlib.contextmanager
def one_at_a_time(workspace: Path) -> Iterator[None]:
    """Nobody else renames or deletes in this workspace meanwhile. Raises RunError."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder(workspace) / "lock", patience_s=_PATIENCE_S))
        except TimeoutError:
            raise RunError("another rename or delete is at work in this workspace; try again") from None
        except OSError as error:
            raise RunError(f"{folder(workspace)}: cannot be locked: {error.strerror or error}") from error
        yield


@contextlib.contextmanager
def held(workspace: Path, models: Sequence[str]) -> Iterator[None]:
    """The locks of these models. Raises UserError naming who trains one, waits to, is to begin with it, or saves it."""
    with contextlib.ExitStack() as locks:
        for model in dict.fromkeys(models):
            with _in_other_words():
                lock = ModelLock(workspace, model).acquire(command=sys.argv)
            locks.enter_context(lock)
        raise_for(in_use(workspace, models))
        yield


def in_use(workspace: Path, models: Sequence[str]) -> list[Problem]:
    """What keeps these models from being touched, as far as can be told without taking their locks."""
    problems: list[Problem] = []
    for model in dict.fromkeys(models):
        for kind in Kind:
            name = directory_name(model, kind)
            pids = staging_processes(workspace / "checkpoints", name)
            for pid in filter(_is_alive, pids):
                message = f"is being saved right now, by process {pid}"
                problems.append(_refused(name, message, "wait until it is done"))
    for record, message, remedy in _going_on(workspace):
        if record.model_name in models:
            problems.append(_refused(record.model_name, message, remedy))
        elif (base := _base_of(record)) in models and not (
            workspace / "checkpoints" / record.model_name
        ).is_dir():
            message = f"the run of {record.model_name} is to begin with it (run {record.run_id})"
            problems.append(_refused(base, message, "wait until that run has saved its first checkpoint"))
    return problems


def _going_on(workspace: Path) -> Iterator[tuple[RunRecord, str, str]]:
    """The runs that are not over: on this machine, and SLURM's wherever they are; how each stands, and what to do."""
    records = list_records(workspace).records
    for record in records:
        if goes_on(record, record.directory(workspace)) and record.job is None:
            word = "is queued to be trained" if _waits(record) else "is being trained"
            yield record, f"{word} (run {record.run_id})", "stop that run, or wait until it ends"
    for found in standing(workspace, records):
        yield found.record, str(found), f"wait until it ends, or {found.how_to_cancel}"


def check_free(workspace: Path, models: Sequence[str]) -> None:
    """Raises UserError where `held` would, as far as looking tells."""
    for model in dict.fromkeys(models):
        with _in_other_words():
            ModelLock(workspace, model).check_free()
    raise_for(in_use(workspace, models))


@contextlib.contextmanager
def _in_other_words() -> Iterator[None]:
    """A model that is held is no second run here, and no other name would help."""
    try:
        yield
    except UserError as error:
        raise UserError(
            *(
                dataclasses.replace(
                    problem,
                    message=problem.message.replace("two runs on one model", "is in use"),
                    remedy=problem.remedy.replace(
                        "wait until that run ends, stop it, or choose another --model_name",
                        "stop that run, or wait until it ends",
                    ),
                )
                for problem in error.problems
            )
        ) from None


def why_in_use(workspace: Path, models: Sequence[str]) -> list[Problem]:
    """`check_free` as a list of problems."""
    try:
        check_free(workspace, models)
    except UserError as error:
        return list(error.problems)
    return []


def option(command: Sequence[str], name: str) -> str | None:
    """The value that a command line gives `--name` (the last one), or None."""
    value = None
    for place, word in enumerate(command):
        flag, equals, text = word.partition("=")
        if flag.startswith("--") and flag[2:].replace("-", "_") == name:
            value = text if equals else next(iter(command[place + 1 :]), None)
    return value


def _is_alive(pid: int) -> bool:
    try:
        ProcessIdentity.of_pid(pid)
    except ProcessLookupError:
        return False
    return True


def _waits(record: RunRecord) -> bool:
    return record.trainer is None and record.started_at is None


def _base_of(record: RunRecord) -> str:
    base = option(record.command, "init_from_model")
    return base_model(base) if base else ""


def _refused(name: str, message: str, remedy: str) -> Problem:
    return Problem(message, where=printable(name, newline=False), remedy=remedy)
