"""The journal of a rename: what is to be done, written first, and how it is brought to its end from any place in it."""

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from mypt.errors import RunError
from mypt.files import read_file
from mypt.fsio import fsync_dir
from mypt.fsio import replace as move
from mypt.housekeeping import guard
from mypt.names import why_no_name
from mypt.runs.directory import RunDirectory, now, runs_folder
from mypt.runs.record import RunRecord, modify
from mypt.text import printable
from mypt.watch.renames import Renamed, remember


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


def journal(workspace: Path) -> Path:
    """The file that is there while a rename is under way, or was cut off."""
    return guard.folder(workspace) / "rename.json"


def finish(workspace: Path, plan: Renaming) -> None:
    """Do what is still to be done of a rename; what is done already is left alone. Raises OSError, RunError."""
    for source, target in plan.moves:
        if os.path.lexists(workspace / source) and not os.path.lexists(workspace / target):
            move_durably(workspace / source, workspace / target)
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


def move_durably(source: Path, target: Path) -> None:
    """Call a file or a folder otherwise, and have the disk know it."""
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
