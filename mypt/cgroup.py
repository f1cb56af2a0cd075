"""What a container, a SLURM job or a service may take of the machine's memory, and whether the system has killed for it.

Linux counts memory by control groups (cgroups, version 1 or 2; Documentation/admin-guide/cgroup-v2.rst of the kernel).
Whoever exceeds a limit of his group, or of one around it, is killed without a word: only counters tell of it later.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mypt.text import size

# Version 1 says so where nobody has set a limit; no machine has so much.
_NO_LIMIT = 1 << 60
_LIMIT = ("memory.max", "memory.limit_in_bytes")
_USED = ("memory.current", "memory.usage_in_bytes")
# Version 1 has both, and the second leaves out what the groups below hold.
_DROPPED_FIRST = ("total_inactive_file", "inactive_file")
_EVENTS = ("memory.events", "memory.oom_control")
_ANY = ("cgroup.procs", *_LIMIT)


@dataclass(frozen=True, slots=True)
class Room:
    """The smallest `limit` on a process's memory, and what is `free` below all limits, in bytes."""

    limit: int
    free: int


@dataclass(frozen=True, slots=True)
class Kills:
    """How often the system had killed for lack of memory: in the control group `group`, and on the machine.

    None is unknown.
    """

    group: str
    in_group: int | None
    in_all: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {"group": self.group, "in_group": self.in_group, "in_all": self.in_all}

    @classmethod
    def from_json(cls, value: Any) -> Kills | None:
        """What `to_json` gave; None for anything else."""
        if not isinstance(value, dict) or not isinstance(value.get("group"), str):
            return None
        counts = [value.get("in_group"), value.get("in_all")]
        known = [c if isinstance(c, int) and not isinstance(c, bool) else None for c in counts]
        return cls(value["group"], *known)


def room(root: Path = Path("/")) -> Room | None:
    """The limits around this process; None where there are none. `root` is where the system's files are."""
    found = []
    for folder in _above(_own(root), root):
        if (limit := _limit(folder)) is not None:
            # What was read from files is dropped before anybody is killed.
            stat = folder / "memory.stat"
            dropped = next((n for name in _DROPPED_FIRST if (n := _counted(stat, name)) is not None), 0)
            held = (_number(folder, _USED) or 0) - dropped
            found.append((limit, max(limit - max(held, 0), 0)))
    if not found:
        return None
    return Room(min(limit for limit, _ in found), min(free for _, free in found))


def kills(root: Path = Path("/")) -> Kills:
    """The counters as they stand now."""
    own = _own(root)
    return Kills(str(own or ""), _killed_in(own), _counted(root / "proc/vmstat", "oom_kill"))


def killed_since(before: Kills, root: Path = Path("/")) -> str:
    """Whether the system has killed for lack of memory since `before`, of the same boot; empty where nothing says so."""
    # By its name: whoever asks may be in another group.
    own = Path(before.group) if before.group else None
    if _rose(before.in_group, _killed_in(own)):
        limits = [limit for folder in _above(own, root) if (limit := _limit(folder)) is not None]
        may = f"; what its container or job may hold is {size(min(limits))}" if limits else ""
        return f"most likely by the system, for lack of memory{may}"
    if _rose(before.in_all, _counted(root / "proc/vmstat", "oom_kill")):
        return "perhaps by the system, which killed for lack of memory meanwhile"
    return ""


def _rose(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before


def _killed_in(folder: Path | None) -> int | None:
    found = (_counted(folder / name, "oom_kill") for name in _EVENTS) if folder else ()
    return next((count for count in found if count is not None), None)


def _limit(folder: Path) -> int | None:
    limit = _number(folder, _LIMIT)
    return limit if limit is not None and limit < _NO_LIMIT else None


def _own(root: Path) -> Path | None:
    """The folder of this process's control group, of the hierarchy that counts memory."""
    if sys.platform != "linux":
        return None
    groups = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers or "memory" in controllers.split(","):
            groups["cgroup" if controllers else "cgroup2"] = path
    # Where both are mounted, memory belongs to the first version.
    for line in sorted(_lines(root / "proc/self/mountinfo"), key=lambda line: " - cgroup2 " in line):
        before, _, after = line.partition(" - ")
        kind, words = after.partition(" ")[0], before.split()
        options = after.split(" ")[-1].split(",")
        if kind not in groups or len(words) < 5 or (kind == "cgroup" and "memory" not in options):
            continue
        # Within a container the mount may begin where the group does.
        top, place = words[3].rstrip("/"), root / words[4].lstrip("/")
        path = groups[kind]
        below = path[len(top) :] if path == top or path.startswith(top + "/") else ""
        return place / below.lstrip("/")
    return None


def _above(folder: Path | None, root: Path) -> Iterator[Path]:
    """`folder` and those around it that have files of control groups."""
    while folder is not None and folder != root and any((folder / name).exists() for name in _ANY):
        yield folder
        folder = folder.parent


def _number(folder: Path, names: tuple[str, ...]) -> int | None:
    for name in names:
        for line in _lines(folder / name):
            return int(line) if line.isdecimal() else None
    return None


def _counted(file: Path, wanted: str) -> int | None:
    for line in _lines(file):
        name, _, value = line.partition(" ")
        if name == wanted and value.isdecimal():
            return int(value)
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
