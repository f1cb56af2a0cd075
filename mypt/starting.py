"""The first moment of a program of ours: until there is somebody to say so in a line, Ctrl+C ends it without a traceback.

`mypt` imports this before anything else, also where it is a library: then the signals of the program are left alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

_PROGRAMS = frozenset({"mypt", "mypt-tui"})
_PACKAGES = frozenset({"mypt", "tui"})


def open_streams() -> None:
    """Let nothing that is opened take the place of a standard stream that was closed before (`>&-`, some timers).

    A library that writes there would write into a log or a checkpoint.
    """
    if not _is_ours():
        return
    with contextlib.suppress(OSError):
        while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(fd)


def end_quietly() -> None:
    """Let Ctrl+C do what it does to a program that knows nothing of it, where this process is one of ours."""
    if _is_ours() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Another thread than the main one has no say.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def hear_again() -> None:
    """Have Ctrl+C raise KeyboardInterrupt again, as libraries expect that take it over."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_ours() -> bool:
    """Whether `mypt`, `mypt-tui` or `python -m` of one of our modules was called."""
    first = next(iter(getattr(sys, "argv", ())), "")
    if first != "-m":
        name = first.replace(os.sep, "/").rpartition("/")[2]
        return name.removesuffix(".exe").removesuffix("-script.py") in _PROGRAMS
    # Python says which module it is looking for nowhere else.
    words = [*sys.orig_argv, ""]
    return "-m" in words and words[words.index("-m") + 1].partition(".")[0] in _PACKAGES


end_quietly()
open_streams()
