"""Whether a lock that is taken on a file keeps other machines out too, as far as the system's table of mounts tells."""

from __future__ import annotations

from pathlib import Path

# Their locks hold on one machine only, whatever is mounted elsewhere.
_LOCAL_LOCKS = ("9p", "beegfs", "fuse", "virtiofs")
# Options with which a shared file system keeps its locks to itself.
_LOCAL_OPTIONS = {
    "nfs": ("nolock", "local_lock=all", "local_lock=flock"),
    "nfs4": ("nolock", "local_lock=all", "local_lock=flock"),
    "lustre": ("localflock",),
    "cifs": ("nobrl",),
    "smb3": ("nobrl",),
}


def locks_reach_everyone(path: Path, table: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether every machine that sees `path` sees its lock: false for shared file systems that lock locally.

    True where nothing is known, as on systems without such a table.
    """
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
        place = path.resolve().as_posix()
    except (OSError, RuntimeError):
        return True
    best, kind, options = "", "", frozenset[str]()
    for line in lines:
        mount, _, rest = line.partition(" - ")
        parts, tail = mount.split(), rest.split()
        if len(parts) < 6 or not tail:
            continue
        point = _unescaped(parts[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        # Of two mounts on one place, the later one covers the earlier.
        if inside and len(point) >= len(best):
            best, kind = point, tail[0]
            options = frozenset([*parts[5].split(","), *(tail[2].split(",") if len(tail) > 2 else [])])
    if kind.partition(".")[0] in _LOCAL_LOCKS:
        return False
    return not options.intersection(_LOCAL_OPTIONS.get(kind, ()))


def _unescaped(point: str) -> str:
    # The kernel writes spaces and the like in a path as octal numbers.
    for sign in (" ", "\t", "\n", "\\"):
        point = point.replace(f"\\{ord(sign):03o}", sign)
    return point
