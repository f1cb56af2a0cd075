"""The one who writes a log: a line a write, so that a reader sees whole lines or a torn last one."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from mypt.events.line import encode, now
from mypt.events.records import Event, TrainingStart
from mypt.fsio import append_line, end_torn_line, fsync_file

# About as much of a log is copied at a time.
_CHUNK = 1 << 20


class LogWriter:
    """Appends events to one log file, a line a write. Opening it repairs nothing but a torn last line's lack of `\\n`.

    Raises `OSError` where the file cannot be opened or written; a line is then either whole or not there. Folders below
    `root` are made where they are missing; where `root` itself is, that is an error. Threads may share a writer.
    """

    def __init__(self, path: Path, root: Path | None = None) -> None:
        self.path, self.root = path, root
        #: Called before each line; raises where the log is another's to write by now.
        self.check_ours: Callable[[], None] | None = None
        self._start, self._size = b"", 0
        # One that a signal's handler may take again, in whatever it interrupts.
        self._lock = threading.RLock()
        self._fd = self._opened()

    def _opened(self) -> int:
        if self.root is not None and not self.root.is_dir():
            # Made again, it would be another one than the one that everybody looks at (renamed, unmounted).
            raise FileNotFoundError(errno.ENOENT, "The workspace is gone", str(self.path))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            # A killed writer's torn line must not swallow our first one.
            end_torn_line(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def write(self, event: Event) -> None:
        """Append `event`, giving it the present time where it has none."""
        with self._lock:
            if not event.timestamp:
                event.timestamp = now()
            if self.check_ours is not None:
                self.check_ours()
            line = encode(event)
            if not self._is_there():
                self._begin_again()
                self._say_what_begins()
            elif os.fstat(self._fd).st_size < self._size:
                # Cut short under us, as by a logrotate that copies and truncates.
                self._say_what_begins()
            append_line(self._fd, line)
            self._size = os.fstat(self._fd).st_size
            if isinstance(event, TrainingStart):
                self._start = line

    def _say_what_begins(self) -> None:
        """Repeat the line that says which run this is, where the file has lost it or is another one."""
        if self._start:
            with self.path.open("rb") as file:
                if self._start not in file:
                    append_line(self._fd, self._start)

    def _begin_again(self) -> None:
        """Somebody moved the file or its folder away: what follows belongs where everybody looks for it.

        Where it was deleted, what it held is only ours any longer, and is written once more.
        """
        fd, before = self._opened(), self._fd
        self._fd = fd
        try:
            if before >= 0 and os.fstat(before).st_nlink == 0 and os.fstat(fd).st_size == 0:
                with os.fdopen(before, "rb", closefd=False) as file:
                    file.seek(0)
                    while lines := file.readlines(_CHUNK):
                        append_line(fd, b"".join(lines))
        finally:
            if before >= 0:
                os.close(before)

    def _is_there(self) -> bool:
        try:
            there, mine = self.path.stat(), os.fstat(self._fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            # A share that does not answer now is no reason to leave the file that is open.
            return True
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def sync(self) -> None:
        """Force what was written onto the disk (done when a checkpoint is saved)."""
        with self._lock:
            fd = os.dup(self._fd)
        try:
            # A disk that takes its time does not keep whoever writes the next line.
            fsync_file(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the file; the writer is not to be used afterwards."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
