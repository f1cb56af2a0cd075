"""The console output of a run as lines, followed as it grows."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from mypt.files import open_regular
from mypt.text import printable

#: Of an output that is longer, the end is kept: this much of the file when it is first seen, and this many lines.
FIRST_LOOK = 1024 * 1024
MOST_LINES = 20_000
#: Read at once, so that a burst of output never holds up who waits.
_PIECE = 1024 * 1024
# No one reads further in a line, and what a program prints without a line's end must not fill memory.
_LONGEST = 16 * 1024


class Console:
    """The lines of one file, printable. Of a line that was written over by carriage returns the last version counts.

    One thread calls `read`, any other may look at `lines`, which is replaced and never changed.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: tuple[str, ...] = ()
        """What was printed, oldest first. The last one may still be being written."""
        self.cut = False
        """Whether there was more before the first line."""
        self._offset = 0
        self._inode = 0
        self._open = b""
        """The bytes of a last line that has no end yet; it is the last of `lines`."""

    def read(self) -> bool:
        """Take in what is new; True where the lines are others than before. Never raises for what the file holds."""
        if self.path is None:
            return False
        before = self.lines
        try:
            with open_regular(self.path) as file:
                self._take(file)
        except (OSError, ValueError):
            # Gone or not there yet: what was read stays.
            return False
        return self.lines is not before

    def _take(self, file: FileIO) -> None:
        look = os.fstat(file.fileno())
        if look.st_ino != self._inode or look.st_size < self._offset:
            self.lines, self._open, self.cut = (), b"", False
            self._inode, self._offset = look.st_ino, max(look.st_size - FIRST_LOOK, 0)
            if self._offset:
                self.cut = True
                raw = _read(file, self._offset)
                # Only whole lines: the first one here began before.
                first = raw.find(b"\n") + 1
                self._offset += first if first else len(raw)
        if look.st_size == self._offset:
            return
        raw = _read(file, self._offset)
        self._offset += len(raw)
        kept = self.lines[:-1] if self._open else self.lines
        *whole, self._open = (self._open + raw).split(b"\n")
        self._open = self._open[-_LONGEST:]
        new = [_shown(line) for line in whole]
        if self._open:
            new.append(_shown(self._open))
        lines = (*kept, *new)
        self.cut = self.cut or len(lines) > MOST_LINES
        self.lines = lines[-MOST_LINES:]


def _read(file: FileIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read(_PIECE) or b""


def _shown(raw: bytes) -> str:
    text = raw[-_LONGEST:].decode("utf-8", "replace").rstrip("\r")
    return printable(text.rpartition("\r")[2], newline=False)
