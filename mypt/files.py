"""What lies at a path: why it cannot be read as a file, in words for people, and its content where it can.

Standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe, and must be a file: it is read more than once"),
    (stat.S_ISSOCK, "is a socket, and must be a file"),
    (stat.S_ISCHR, "is a device, and must be a file"),
    (stat.S_ISBLK, "is a device, and must be a file"),
)


def why_no_file(path: Path) -> str:
    """Why `path` cannot be read as a regular file; empty where it can. Opens nothing, so it never waits for a pipe."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to nothing" if path.is_symlink() else "no such file"
    except NotADirectoryError:
        return "no such file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"cannot be read: {reason}"
    if not stat.S_ISREG(mode):
        return next((words for test, words in _KINDS if test(mode)), "is no regular file")
    return "" if os.access(path, os.R_OK) else "cannot be read: Permission denied"


def read_file(path: Path, most: int = 64 << 20) -> bytes:
    """The content of the regular file `path`; a pipe is not waited for, and no device read without end.

    Raises OSError for what is no such file, and for one of more than `most` bytes; ValueError for a path that cannot be.
    """
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            kind = next((words for test, words in _KINDS if test(mode)), "is no regular file")
            raise OSError(errno.EINVAL, kind, os.fspath(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, "is far too large for what it should hold", os.fspath(path))
    return content
