"""Another name for a model: its bundles, its log, its run records and what descends from it follow.

A journal is written first. A kill at any moment leaves every bundle whole under the old name or the new one, and
whoever comes next goes on to the end (`recovery`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mypt import bundle, disk
from mypt.bundle import Kind, directory_name
from mypt.errors import Problem, RunError, raise_for
from mypt.files import read_file
from mypt.fsio import fsync_dir, write_json_atomic
from mypt.fsio import replace as move
from mypt.housekeeping import guard
from mypt.names import why_no_name
from mypt.runs.directory import RunDirectory, now, runs_folder
from mypt.runs.log_lock import LogLock
from mypt.runs.record import RunRecord, list_records, modify
from mypt.text import printable
from mypt.watch.renames import Renamed, log_of, remember


@dataclass(frozen=True, slots=True)
class Renaming:
    """All that is to be done for one rename. Paths are relative to the workspace, with slashes.

    `moves` are files and folders with the places that they go to, `runs` the ids of the records that change.
    """

    old: str
    new: str
    at: float
    moves: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """What was done, for people."""
        said = [f"{source} → {target}" for source, target in self.moves]
        if self.runs:
            said.append(f"{len(self.runs)} run record{'s' * (len(self.runs) != 1)}")
        return [printable(sentence, newline=False) for sentence in said]


# Every training and every rename begins with ending what was cut off.
_COMPLETES = "the next training, rename or delete completes it"


def journal(workspace: Path) -> Path:
    """The file that is there while a rename is under way, or was cut off."""
    return guard.folder(workspace) / "rename.json"


def rename(workspace: Path, old: str, new: str) -> Renaming:
    """Call the model `old` `new` from now on.

    Raises UserError where the names do not allow it or somebody uses the model, RunError for a disk that refuses; then
    everything is as it was.
    """
    from mypt.housekeeping.recovery import finish_what_was_cut_off

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
            _move(workspace / source, workspace / target)
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


def finish(workspace: Path, plan: Renaming) -> None:
    """Do what is still to be done of a rename; what is done already is left alone. Raises OSError, RunError."""
    for source, target in plan.moves:
        if os.path.lexists(workspace / source) and not os.path.lexists(workspace / target):
            _move(workspace / source, workspace / target)
    # At once: who watches sees the log under its new name, and wants to know which run that is.
    remember(workspace, Renamed(plan.old, plan.new, plan.at))
    for run_id in plan.runs:
        # A record that is broken or was removed leads to nothing anyway.
        with contextlib.suppress(RunError):
            modify(RunDirectory(runs_folder(workspace) / run_id), lambda record: _follow(record, plan))
    journal(workspace).unlink(missing_ok=True)


def read_journal(workspace: Path) -> Renaming | None:
    """The rename that was cut off; None where there is none. Raises RunError for a file that cannot be read."""
    path = journal(workspace)
    try:
        value = json.loads(read_file(path))
        moves = tuple((str(source), str(target)) for source, target in value["moves"])
        runs = tuple(str(run) for run in value["runs"])
        plan = Renaming(str(value["old"]), str(value["new"]), float(value["at"]), moves, runs)
        if not math.isfinite(plan.at):
            raise ValueError(f"at: {plan.at} is no time")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RunError(f"{path}: a rename was cut off, and this cannot be read: {error}") from error
    # The journal is ours, but a file all the same: it moves nothing out of the two folders that it is about.
    wrong = [name for name in (plan.old, plan.new, *plan.runs) if why_no_name(name)]
    if wrong:
        what = printable(repr(wrong[0]), newline=False)
        raise RunError(f"{path}: a rename was cut off, and {what} can be no name in it; remove it")
    if any(not _inside(place) for pair in plan.moves for place in pair):
        raise RunError(f"{path}: names places outside of checkpoints/ and logs/; remove it")
    return plan


def _inside(place: str) -> bool:
    path = Path(place)
    return (
        not path.is_absolute() and ".." not in path.parts and path.parts[:1] in (("checkpoints",), ("logs",))
    )


def _move(source: Path, target: Path) -> None:
    move(source, target)
    fsync_dir(target.parent)


def _follow(record: RunRecord, plan: Renaming) -> RunRecord:
    log_file = dict(plan.moves).get(record.log_file, record.log_file)
    if record.model_name != plan.old:
        return replace(record, log_file=log_file)
    told = record.extra.get("renamed")
    before = {"from": plan.old, "to": plan.new, "at": now()}
    return replace(
        record,
        model_name=plan.new,
        log_file=log_file,
        command=_renamed_command(record.command, plan),
        extra={**record.extra, "renamed": [*(told if isinstance(told, list) else []), before]},
    )


def _renamed_command(command: tuple[str, ...], plan: Renaming) -> tuple[str, ...]:
    """The command with the model's name of today, since it is what trying again runs."""
    words = list(command)
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag.replace("-", "_") != "__model_name":
            continue
        if equals and value == plan.old:
            words[place] = f"{flag}={plan.new}"
        elif not equals and words[place + 1 : place + 2] == [plan.old]:
            words[place + 1] = plan.new
    return tuple(words)
