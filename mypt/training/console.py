"""What `mypt train` says: the lines of the seeds, in colour and with a progress line where somebody watches."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TextIO

from mypt import disk
from mypt.fsio import append_line
from mypt.text import printable

_PLAIN = {
    "🏆": "*",
    "⚠️": "!",
    "→": "->",
    "–": "-",
    "×": "x",
    "…": "...",
    "\u202f": " ",
    "·": "-",
    "★": "*",
    "✓": "ok",
    "─": "-",
    "⚠": "!",
    "“": '"',
    "”": '"',
    "’": "'",
    "█": "#",
    "░": ".",
    "●": "*",
    "■": "x",
    "✗": "!",
    "✕": "!",
    "◷": "o",
    "◌": "o",
    "◍": "o",
    "○": "o",
}
_COLOURS = {"gold": "33", "trouble": "31", "quiet": "2", "strong": "1", "good": "32"}


def plain(text: str) -> str:
    """`text` with the signs that an ASCII terminal lacks spelled with those that it has."""
    for sign, spelled in _PLAIN.items():
        text = text.replace(sign, spelled)
    return text.encode("ascii", "replace").decode()


class Console:
    """Writes lines to a stream, and to a file beside it where the run keeps its own console output.

    A stream that has gone away (a closed terminal, a full disk) never stops a training.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream: TextIO | None = stream if stream is not None else sys.stdout
        self._terminal = bool(self._stream) and self._stream.isatty() and os.environ.get("TERM") != "dumb"
        encoding = (getattr(self._stream, "encoding", None) or "ascii").lower().replace("-", "")
        self._unicode = encoding.startswith("utf")
        self._colour = self._terminal and "NO_COLOR" not in os.environ
        self._progress = ""
        self._progress_at = 0.0
        self._keep = -1

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches: only then `progress` is shown."""
        return self._terminal

    def keep_in(self, path: Path) -> None:
        """Write every further line into `path` as well."""
        with contextlib.suppress(OSError):
            self._keep = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def line(self, text: str = "", style: str = "") -> None:
        """One line or several; `style` is gold, trouble, quiet, strong or good."""
        text = printable(text)
        self.note(text)
        shown = text if self._unicode else plain(text)
        if self._colour and style in _COLOURS and shown:
            shown = f"\x1b[{_COLOURS[style]}m{shown}\x1b[0m"
        self._write(("\r\x1b[K" if self._progress else "") + shown + "\n" + self._progress)

    def note(self, text: str) -> None:
        """Text for the kept output only, for what is said elsewhere on the terminal."""
        if self._keep >= 0:
            # A line that finds no room is not there; those that come when there is room again are.
            with contextlib.suppress(OSError):
                append_line(self._keep, printable(text).encode("utf-8", "backslashreplace"))

    def progress(self, text: str) -> None:
        """What goes on right now, below the last line; only on a terminal, and at most five times a second."""
        moment = time.monotonic()
        if not self._terminal or moment - self._progress_at < 0.2:
            return
        self._progress_at = moment
        width = 79
        with contextlib.suppress(OSError):
            width = os.get_terminal_size().columns - 1
        self._progress = (text if self._unicode else plain(text))[:width]
        self._write("\r\x1b[K" + self._progress)

    def end_progress(self) -> None:
        """Take the progress line away."""
        if self._progress:
            self._progress = ""
            self._write("\r\x1b[K")

    def close(self) -> None:
        """No more lines will come."""
        self.end_progress()
        if self._keep >= 0:
            with contextlib.suppress(OSError):
                os.close(self._keep)
            self._keep = -1

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            # A disk that is full may have room again.
            if error.errno not in disk.FULL:
                self._stream = None
        except ValueError:
            self._stream = None


def bar(fraction: float, width: int = 24) -> str:
    """A bar of `width` characters."""
    full = round(max(0.0, min(fraction, 1.0)) * width)
    return "█" * full + "░" * (width - full)
