"""What lies at a path, in words for people: why it cannot be read as a file. Standard library only."""

from __future__ import annotations

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
