"""Signals that ask a program to end: one table for those who hear them, and for those who judge an exit status later."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

NUMBERS: dict[str, int] = {
    name: int(getattr(signal, name))
    # SLURM warns of a time limit with SIGUSR1 (or SIGUSR2), a limit on processor time with SIGXCPU.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
}
"""The number of each on this system."""
STATUS = {name: 128 + number for name, number in NUMBERS.items()}
"""The exit status of a program that ended in order because it came, the same that a shell tells of one that it killed."""

UNFINISHED: dict[str, int] = {}
"""Temporary files that are being written, each with the process that does: whoever is ended at once takes its own away."""


def name_of_status(status: int | None) -> str:
    """The signal whose exit status this is; empty for every other status."""
    return next((name for name, asked in STATUS.items() if asked == status), "")


def name_of_number(number: int | None) -> str:
    """The signal with this number, where it is one of those that ask to end; else empty."""
    return next((name for name, known in NUMBERS.items() if known == number), "")


def sentence(number: int) -> str:
    """That the signal ended the program, said as a person who sent it calls it."""
    name = name_of_number(number) or f"signal {number}"
    return f"stopped by {'Ctrl+C' if name == 'SIGINT' else name}"


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """A handler: a line on standard error and the end, where there is no more to clean up than `UNFINISHED`."""
    for path, process in list(UNFINISHED.items()):
        # A fork has the list of its parent, whose files are not its own.
        if process == os.getpid():
            with contextlib.suppress(OSError):
                Path(path).unlink()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.write(sys.stderr.fileno(), f"mypt: {sentence(number)}\n".encode())
    os._exit(128 + number)


def end_within(seconds: float, status: int) -> None:
    """End this process with `status` after so long, whatever it is at by then. Main thread only."""
    try:
        guard = threading.Timer(seconds, os._exit, (status,))
        guard.daemon = True
        guard.start()
    except (RuntimeError, MemoryError):
        # Without the memory for another thread the system's own clock ends it, with a status of its own.
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)


def leave_to_system() -> None:
    """From now on those that `end_at_once` handles end the process without a word: all that was to be said is said.

    Main thread only.
    """
    for number in NUMBERS.values():
        if signal.getsignal(number) is end_at_once:
            signal.signal(number, signal.SIG_DFL)
