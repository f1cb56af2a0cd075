"""What the system says of a disk that takes no more, and what a person can do about it."""

from __future__ import annotations

import errno

from mypt.text import size

FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What the system says of a disk, a quota or a limit that takes no more."""
AGAIN = "run the same command again to go on"
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
        much = f" for {size(needed)}" if needed else ""
        return f"make room{much}, then {then}"
    if error.errno in _REFUSED:
        return f"make it writable, then {then}"
    if error.errno in _IN_THE_WAY:
        return f"move away what stands in its place, then {then}"
    if error.errno == errno.ENOENT:
        return f"bring it back, then {then}"
    return f"when the disk is well again, {then}"
