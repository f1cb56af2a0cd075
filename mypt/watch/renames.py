"""Which models were renamed and when, so that the base of a fine-tune still leads to its model.

A checkpoint goes on naming its base as it was called then: it may be in use, and others may have a copy. So the file
`.mypt/renames.json` remembers the names, and who draws the tree asks for the present one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mypt.files import read_file
from mypt.fsio import write_json_atomic


@dataclass(frozen=True, slots=True)
class Renamed:
    """The model `old` is called `new` since `at` (seconds since the epoch)."""

    old: str
    new: str
    at: float


def log_of(model: str) -> str:
    """Where the log of a model lies unless it is told otherwise: below the workspace, with slashes."""
    return f"logs/train/{model}_eval.jsonl"


def renames_file(workspace: Path) -> Path:
    """Where the names are remembered."""
    return workspace / ".mypt" / "renames.json"


def read_renames(workspace: Path) -> tuple[Renamed, ...]:
    """All renames in the order of their time. A missing or broken file knows of none, a broken entry hides no other."""
    try:
        entries = json.loads(read_file(renames_file(workspace)))["renames"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    found = filter(None, map(_renamed, entries if isinstance(entries, list) else ()))
    return tuple(sorted(found, key=lambda renamed: renamed.at))


def _renamed(entry: Any) -> Renamed | None:
    try:
        renamed = Renamed(str(entry["old"]), str(entry["new"]), float(entry["at"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return renamed if math.isfinite(renamed.at) else None


class Renames:
    """The renames of a workspace, read again only when their file has changed."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._seen: tuple[int, int] | None = None
        self._known: tuple[Renamed, ...] = ()

    def read(self) -> tuple[Renamed, ...]:
        """All of them, in the order of their time."""
        try:
            look = renames_file(self._workspace).stat()
        except OSError:
            self._seen, self._known = None, ()
            return ()
        if (seen := (look.st_mtime_ns, look.st_size)) != self._seen:
            self._seen, self._known = seen, read_renames(self._workspace)
        return self._known


def remember(workspace: Path, renamed: Renamed) -> None:
    """Add a rename, once. Raises OSError."""
    known = read_renames(workspace)
    if renamed not in known:
        entries = [asdict(entry) for entry in (*known, renamed)]
        write_json_atomic(renames_file(workspace), {"renames": entries}, durable=True)


def present_log(log: str, renames: Iterable[Renamed], here: Container[str]) -> str:
    """Where the log lies now that somebody knew as `log`, when its model had its name of then.

    Logs are named by their path below the workspace, with slashes, as the keys of runs are. One that is `here` is
    taken to be the one; one that did not follow its model stays what it is.
    """
    if log in here:
        return log
    moved = log
    for renamed in renames:
        if moved == log_of(renamed.old):
            moved = log_of(renamed.new)
    return moved if moved in here else log


def present_name(
    name: str, began: float | None, renames: Iterable[Renamed], here: Container[str] = ()
) -> str:
    """What the model is called now that somebody called `name` at the time `began` (seconds since the epoch).

    A later model may bear the old name: only renames after `began` count. Where the time is not known, a model that is
    `here` under the name is taken to be the one.
    """
    if began is None and name in here:
        return name
    for renamed in renames:
        if renamed.old == name and (began is None or renamed.at > began):
            name = renamed.new
    return name
