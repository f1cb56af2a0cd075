"""What `mypt train` says: the lines of the seeds, in colour and with a progress line where somebody watches."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TextIO

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
        self._keep: TextIO | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches: only then `progress` is shown."""
        return self._terminal

    def keep_in(self, path: Path) -> None:
        """Write every further line into `path` as well."""
        with contextlib.suppress(OSError):
            self._keep = path.open("a", encoding="utf-8")

    def line(self, text: str = "", style: str = "") -> None:
        """One line or several; `style` is gold, trouble, quiet, strong or good."""
        text = printable(text)
        if self._keep is not None:
            try:
                self._keep.write(text + "\n")
                self._keep.flush()
            except OSError:
                self._keep = None
        shown = text if self._unicode else plain(text)
        if self._colour and style in _COLOURS and shown:
            shown = f"\x1b[{_COLOURS[style]}m{shown}\x1b[0m"
        self._write(("\r\x1b[K" if self._progress else "") + shown + "\n" + self._progress)

    def note(self, text: str) -> None:
        """Text for the kept output only, for what is said elsewhere on the terminal."""
        if self._keep is not None:
            with contextlib.suppress(OSError):
                self._keep.write(printable(text) + "\n")
                self._keep.flush()

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
        if self._keep is not None:
            # What a full disk did not take when it was written, it may not take now either.
            with contextlib.suppress(OSError):
                self._keep.close()
            self._keep = None

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def bar(fraction: float, width: int = 24) -> str:
    """A bar of `width` characters."""
    full = round(max(0.0, min(fraction, 1.0)) * width)
    return "█" * full + "░" * (width - full)
