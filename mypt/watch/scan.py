"""What lies in a workspace: log files below `logs/`, run records below `.mypt/runs/`; tolerant of whatever is there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from mypt.runs.directory import RunDirectory, runs_folder
from mypt.runs.record import BrokenRecord, RunRecord, load

# A tree of logs is a few folders deep; more is a mistake that a look every two seconds should not pay for.
_DEEPEST = 12


@dataclass(slots=True)
class Logs:
    """Log files by their real path, with the time of their last change (seconds since the epoch).

    `unread` are folders that exist but could not be listed just now: what was in them may be there still.
    """

    found: dict[str, float] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def find_logs(folder: Path) -> Logs:
    """Every `*.jsonl` file below `folder`. Links are followed, a file or folder that was met before is not."""
    logs = Logs()
    seen: set[tuple[int, int]] = set()
    waiting = [(os.path.realpath(folder), 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            look = os.stat(path)  # noqa: PTH116 - strings, since a Path for each of a thousand files costs more
            if (look.st_dev, look.st_ino) in seen:
                continue
            seen.add((look.st_dev, look.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    _take(entry, logs, waiting, depth)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            logs.unread.append(path)
    return logs


def _take(entry: os.DirEntry[str], logs: Logs, waiting: list[tuple[str, int]], depth: int) -> None:
    try:
        if entry.is_dir():
            # Hidden folders hold what editors and version control keep there.
            if depth < _DEEPEST and not entry.name.startswith("."):
                waiting.append(
                    (os.path.realpath(entry.path) if entry.is_symlink() else entry.path, depth + 1)
                )
        elif entry.name.endswith(".jsonl") and not entry.name.startswith(".") and entry.is_file():
            path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            logs.found[path] = entry.stat().st_mtime
    except OSError:
        # Vanished, or a link to nowhere.
        return


class Records:
    """The run records of a workspace, each read again only when its file has changed."""

    def __init__(self, workspace: Path) -> None:
        self._folder = runs_folder(workspace)
        self._known: dict[str, tuple[tuple[int, int, int], RunRecord | BrokenRecord]] = {}

    def read(self) -> list[RunRecord]:
        """All records that can be read, oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self._folder) if not entry.name.startswith(".")]
        except FileNotFoundError:
            names = []
        except OSError:
            # Unreadable just now: better what was known than nothing.
            names = list(self._known)
        known: dict[str, tuple[tuple[int, int, int], RunRecord | BrokenRecord]] = {}
        for name in names:
            run = RunDirectory(self._folder / name)
            try:
                look = run.record_file.stat()
                signature = (look.st_mtime_ns, look.st_size, look.st_ino)
            except NotADirectoryError:
                continue
            except OSError:
                signature = (0, 0, 0)
            before = self._known.get(name)
            known[name] = before if before and before[0] == signature else (signature, load(run))
        self._known = known
        return sorted((r for _, r in known.values() if isinstance(r, RunRecord)), key=lambda r: r.order)

    @property
    def broken(self) -> list[BrokenRecord]:
        """Those that could not be read, and why."""
        return [r for _, r in self._known.values() if isinstance(r, BrokenRecord)]
