"""Another name for a model: its bundles, its log, its run records and what descends from it follow.

A journal is written first. A kill at any moment leaves every bundle whole under the old name or the new one, and
whoever comes next goes on to the end (`recovery`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from mypt import bundle, disk
from mypt.bundle import Kind, directory_name
from mypt.errors import Problem, RunError, raise_for
from mypt.fsio import replace as move
from mypt.fsio import write_json_atomic
from mypt.housekeeping import guard
from mypt.housekeeping.journal import Renaming, finish, journal, move_durably
from mypt.housekeeping.recovery import finish_what_was_cut_off
from mypt.runs.log_lock import LogLock
from mypt.runs.record import list_records
from mypt.text import printable
from mypt.watch.renames import log_of

# Every training and every rename begins with ending what was cut off.
_COMPLETES = "the next training, rename or delete completes it"


def rename(workspace: Path, old: str, new: str) -> Renaming:
    """Call the model `old` `new` from now on.

    Raises UserError where the names do not allow it or somebody uses the model, RunError for a disk that refuses; then
    everything is as it was.
    """
    raise_for(_wrong_names(workspace, old, new))
    with guard.one_at_a_time(workspace):
        finish_what_was_cut_off(workspace)
        with guard.held(workspace, (old, new)):
            for model in (old, new):
                bundle.repair(workspace / "checkpoints", model)
            raise_for([*_wrong_names(workspace, old, new), *_taken(workspace, old, new)])
            plan = _plan(workspace, old, new)
            with _nobody_writes(workspace, plan):
                _begin(workspace, plan)
    return plan


def rename_problems(workspace: Path, old: str, new: str) -> list[Problem]:
    """Why `rename` would refuse, as far as looking tells; empty where it would not."""
    problems = _wrong_names(workspace, old, new) or _taken(workspace, old, new)
    return problems or guard.why_in_use(workspace, (old, new))


# ── what is wrong, and what there is to do ──────────────────────────────────────────────────────────────────────


def _wrong_names(workspace: Path, old: str, new: str) -> list[Problem]:
    """What can be said without any lock: the names themselves, and whether there is anything to rename."""
    checkpoints = workspace / "checkpoints"
    # What is no name at all leads elsewhere, and may well lead to a checkpoint.
    there = _bundles(checkpoints, old) if old and Path(old).name == old != ".." else []
    model, kind = bundle.split_name(old)
    if kind is not Kind.LAST and (checkpoints / old).is_dir():
        message = f"is the {kind} checkpoint of {model}, and goes by its model's name"
        return [Problem(message, where=old, remedy=f"rename {model}: all its checkpoints go with it")]
    if not there:
        names = sorted({info.model_name for info in bundle.list_bundles(checkpoints)})
        remedy = f"there are: {', '.join(names)}" if names else "there are no checkpoints here"
        return [Problem("no such model in checkpoints/", field="OLD", value=old, remedy=remedy)]
    if old == new:
        return [Problem("is its name already", field="NEW", value=new, remedy="choose another one")]
    wrong = bundle.check_model_name(new)
    return [replace(problem, field="NEW") for problem in wrong]


def _taken(workspace: Path, old: str, new: str) -> list[Problem]:
    checkpoints = workspace / "checkpoints"
    if other := bundle.twin(checkpoints, new):
        message = f"this file system takes it for {other}, which is there already"
        return [Problem(message, field="NEW", value=new)]
    problems = []
    names = [directory_name(new, kind) for kind in Kind]
    if there := [f"checkpoints/{name}" for name in names if os.path.lexists(checkpoints / name)]:
        message = f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already"
        problems.append(Problem(message, field="NEW", value=new, remedy="choose another name"))
    if os.path.lexists(workspace / log_of(new)):
        message = f"{log_of(new)} is there already, with another run's curve"
        remedy = "choose another name, or move that file away"
        problems.append(Problem(message, field="NEW", value=new, remedy=remedy))
    return problems


def _plan(workspace: Path, old: str, new: str) -> Renaming:
    checkpoints = workspace / "checkpoints"
    moves = [
        (f"checkpoints/{directory_name(old, kind)}", f"checkpoints/{directory_name(new, kind)}")
        for kind in _bundles(checkpoints, old)
    ]
    log = log_of(old)
    named = {
        bundle.read_info(checkpoints / directory_name(old, kind)).training_config.get("log_file")
        for kind in _bundles(checkpoints, old)
    }
    # A log that was asked for by its name is where a resumed run goes on writing.
    if os.path.lexists(workspace / log) and log not in named:
        moves.append((log, log_of(new)))
    runs = tuple(
        record.run_id
        for record in list_records(workspace).records
        if record.model_name == old or dict(moves).get(record.log_file)
    )
    return Renaming(old, new, time.time(), tuple(moves), runs)


def _bundles(checkpoints: Path, model: str) -> list[Kind]:
    return [kind for kind in Kind if (checkpoints / directory_name(model, kind)).is_dir()]


# ── doing it ────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _nobody_writes(workspace: Path, plan: Renaming) -> Iterator[None]:
    """Hold the log: a run of another model may have been told to write there."""
    log = log_of(plan.old)
    lock = LogLock(workspace, workspace / log, log)
    if dict(plan.moves).get(log):
        lock.acquire("wait until that run ends")
    try:
        yield
    finally:
        lock.release()


def _begin(workspace: Path, plan: Renaming) -> None:
    try:
        journal(workspace).parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(journal(workspace), asdict(plan), durable=True)
    except OSError as error:
        what = f"{error.strerror or error}; nothing was renamed; {disk.remedy(error)}"
        raise RunError(f"{journal(workspace)}: cannot be written: {what}") from error
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in plan.moves:
            move_durably(workspace / source, workspace / target)
            done.append((workspace / source, workspace / target))
    except OSError as error:
        for before, after in reversed(done):
            # Where not even that works the journal stays, and the next one ends what was begun.
            move(after, before)
        journal(workspace).unlink(missing_ok=True)
        at = printable(str(error.filename or ""), newline=False)
        raise RunError(f"{at}: cannot be renamed: {error.strerror or error}; all is as it was") from error
    try:
        finish(workspace, plan)
    except OSError as error:
        what = disk.told(error, then=_COMPLETES)
        raise RunError(
            printable(f"{plan.old} is called {plan.new}, but not in all records: {what}")
        ) from error
