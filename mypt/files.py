"""What lies at a path: reading it only where it is a file, and in words for people why it is none. Standard library only."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
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
        return _kind(mode)
    return "" if os.access(path, os.R_OK) else "cannot be read: Permission denied"


def open_regular(path: Path) -> FileIO:
    """Open a regular file for reading, unbuffered. Raises OSError, also for everything else that bears the name.

    It never waits: not for the writer of a pipe, nor for what a device may have to say.
    """
    _refuse_irregular(path, path.stat().st_mode)
    file = FileIO(path, opener=_open_at_once)
    try:
        # Since the look, something else may have taken the name.
        _refuse_irregular(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def read_file(path: Path, most: int = 64 << 20) -> bytes:
    """The content of the regular file `path`; a pipe is not waited for, and no device read without end.

    Raises OSError for what is no such file, and for one of more than `most` bytes; ValueError for a path that cannot be.
    """
    with open_regular(path) as file:
        # Only as much is asked for as there is: the memory for it is taken before it is read.
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, "is far too large for what it should hold", os.fspath(path))
        return file.read(size) or b""


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_irregular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, _kind(mode), str(path))


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "is no regular file")
