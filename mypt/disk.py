"""What the system says of a disk that takes no more, and what a person can do about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mypt.text import size

FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What the system says of a disk, a quota or a limit that takes no more."""
AGAIN = "run the same command again to go on"
# Whoever failed has removed what was half-written by the time that one asks.
_FEW = 32
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR})
_BROKEN = frozenset({errno.EIO, getattr(errno, "ESTALE", errno.EIO)})


def is_of_disk(error: OSError) -> bool:
    """Whether it is the disk that failed, and not what was asked of it."""
    return error.errno in FULL | _REFUSED | _BROKEN


def told(error: OSError, then: str = AGAIN) -> str:
    """What the disk says, of which file, and what to do about it, and `then`."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; {remedy(error, then=then)}"


def remedy(error: OSError, needed: int | None = None, then: str = AGAIN) -> str:
    """What to do after `error`, and `then`; `needed` are the bytes that had to be written, where they are worth telling."""
    if error.errno in FULL:
        if error.filename and holds_no_more_files(Path(error.filename), needed or 0):
            return f"remove some files, since the disk has no room for more of them (df -i), then {then}"
        much = f" for {size(needed)}" if needed else ""
        return f"make room{much}, then {then}"
    if error.errno in _REFUSED:
        return f"make it writable, then {then}"
    if error.errno in _IN_THE_WAY:
        return f"move away what stands in its place, then {then}"
    if error.errno == errno.ENOENT:
        return f"bring it back, then {then}"
    return f"when the disk is well again, {then}"


def holds_no_more_files(path: Path, needed: int = 0) -> bool:
    """Whether the disk of `path` has about as many files as it can have, though there is room for `needed` bytes."""
    if not hasattr(os, "statvfs"):
        return False
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    room = found.f_bavail * found.f_frsize
    return found.f_files > 0 and found.f_ffree < _FEW and room > max(needed, 1 << 20)
