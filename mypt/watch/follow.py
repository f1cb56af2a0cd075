"""From a growing file to events: a follower that looks when asked and never keeps the file open between looks.

The truth is what `os.stat` says on each look (identity, size, time of change); notifications of the system may
hasten a look but are never needed. A file that was truncated, replaced or rewritten is read again from its start.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mypt.events import AnyEvent, BadLineError, decode
from mypt.files import open_regular
from mypt.watch.lines import EvalRow, LineDecoder

# Bytes of the beginning and of the end of what was read that are compared before reading on. The first line of a
# log holds a time stamp, so another run's log differs within them.
_SIGNATURE = 1024
# A writer puts a line out with its newline; one that has come without it for this long is as whole as it will get.
_QUIET_S = 1.0


class Poll(NamedTuple):
    """What one look found.

    `events` in the order of the file; `more` when unread bytes remain; `reset` when the file began anew, so that
    what came before `events` is to be forgotten; `gone` when there is no such file (what was read stays valid).
    """

    events: list[AnyEvent | EvalRow]
    more: bool = False
    reset: bool = False
    gone: bool = False


class LogFollower:
    """Follows one log. Not thread-safe: one thread polls.

    `problem` says why the file cannot be read at present, and is empty when it can.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.problem = ""
        self.offset = 0
        """Bytes read so far, those of an unfinished last line included."""
        self._clock = clock
        self._seen: tuple[tuple[int, int], int] | None = None
        self._size = 0
        self._reader = LineDecoder()
        # Grown in place: a line without an end comes in a thousand pieces, which are not to be copied each time.
        self._tail = bytearray()
        self._head = b""
        self._end = b""
        self._grew = clock()

    @property
    def bad(self) -> int:
        """Lines that are no events."""
        return self._reader.bad

    @property
    def last_bad(self) -> str:
        """What was wrong with the latest of them."""
        return self._reader.last_bad

    @property
    def pending(self) -> int:
        """Bytes of a last line that has no newline yet and is held back."""
        return len(self._tail)

    @property
    def size(self) -> int:
        """Bytes of the file at the last look."""
        return self._size

    @property
    def modified(self) -> float:
        """When the file was last changed, in seconds since the epoch; 0 before the first look."""
        return self._seen[1] / 1e9 if self._seen else 0.0

    def poll(self, max_bytes: int = 1 << 20, *, final: bool = False) -> Poll:
        """Read at most `max_bytes` of what is new. One `os.stat` and nothing else when nothing has changed.

        A last line without a newline is delivered once it is whole and the file has not grown for a second, or at
        once with `final`; a torn one is held back until the rest of it comes. Never raises for the file's sake.
        """
        try:
            look = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self.problem = "there is no such file"
            return Poll([], gone=True)
        except OSError as error:
            self.problem = f"cannot be read: {error.strerror or error}"
            return Poll([])
        if not stat.S_ISREG(look.st_mode):
            # Opening a pipe would wait for its writer.
            self.problem = "is not a file"
            return Poll([], gone=True)
        if self._seen == _seen(look) and self.offset == look.st_size:
            self.problem = ""
            return Poll(self._quiet_tail(final))
        try:
            return self._read(max_bytes, final)
        except FileNotFoundError:
            self.problem = "there is no such file"
            return Poll([], gone=True)
        except OSError as error:
            self.problem = f"cannot be read: {error.strerror or error}"
            return Poll([])

    def _read(self, max_bytes: int, final: bool) -> Poll:
        with open_regular(self.path) as file:
            # The file may have been replaced since the look: what is open is what counts.
            look = os.fstat(file.fileno())
            reset = False
            if self._seen is not None and self.offset and not self._is_same(file.fileno(), look):
                self._forget()
                reset = True
            file.seek(self.offset)
            chunk = _read_fully(file.fileno(), min(max_bytes, max(look.st_size - self.offset, 0)))
        self.problem = ""
        self._seen = _seen(look)
        self._size = look.st_size
        if not chunk:
            return Poll([] if reset else self._quiet_tail(final), reset=reset)
        events = self._take(chunk)
        more = self.offset < look.st_size
        if not more:
            events += self._quiet_tail(final)
        return Poll(events, more=more, reset=reset)

    def _take(self, chunk: bytes) -> list[AnyEvent | EvalRow]:
        self.offset += len(chunk)
        self._grew = self._clock()
        self._head += chunk[: _SIGNATURE - len(self._head)]
        self._end = (self._end + chunk)[-_SIGNATURE:]
        lines, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._tail += chunk
            if len(self._tail) <= self._reader.max_line:
                return []
            # The reader refuses a line of this length, and counts it.
            lines, self._tail = bytes(self._tail), bytearray()
            return self._reader.feed(lines)
        events = self._reader.feed(bytes(self._tail) + lines + newline)
        self._tail = bytearray(rest)
        return events

    def _quiet_tail(self, final: bool) -> list[AnyEvent | EvalRow]:
        if not self._tail or not (final or self._clock() - self._grew >= _QUIET_S):
            return []
        try:
            event = decode(bytes(self._tail))
        except BadLineError:
            # No cut of a JSON object is one itself, so this is torn, or bad for ever: its newline will tell.
            return []
        # Its newline, when that comes after all, ends an empty line, which is nothing.
        self._tail.clear()
        return [] if event is None else [event]

    def _is_same(self, fd: int, look: os.stat_result) -> bool:
        if self._seen is None or self._seen[0] != (look.st_dev, look.st_ino) or look.st_size < self.offset:
            return False
        os.lseek(fd, 0, os.SEEK_SET)
        if _read_fully(fd, len(self._head)) != self._head:
            return False
        os.lseek(fd, self.offset - len(self._end), os.SEEK_SET)
        return _read_fully(fd, len(self._end)) == self._end

    def _forget(self) -> None:
        self.offset = 0
        self._seen = None
        self._reader = LineDecoder()
        self._tail = bytearray()
        self._head = self._end = b""


def _seen(look: os.stat_result) -> tuple[tuple[int, int], int]:
    return (look.st_dev, look.st_ino), look.st_mtime_ns


def _read_fully(fd: int, size: int) -> bytes:
    """`size` bytes from here on, fewer only at the end of the file (a system call may stop at less)."""
    data = os.read(fd, size) if size else b""
    while 0 < len(data) < size:
        part = os.read(fd, size - len(data))
        if not part:
            break
        data += part
    return data
