"""What signals that ask to end do to a command: end it at once, or let it clean up first; a line either way."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mypt import signals
from mypt.text import printable

# Keys that bounce and groups that are told one after the other are one wish.
_AGAIN_S = 1.0
_SOON_S = 0.05


class Stopped(BaseException):
    """A signal asked the program to end; `what` is what came of that, for people."""

    def __init__(self, number: int, what: Callable[[], str] = lambda: "") -> None:
        super().__init__(number)
        self.number, self._what = number, what

    def __str__(self) -> str:
        what = self._what()
        return f"{signals.sentence(self.number)}{': ' if what else ''}{what}"

    @property
    def exit_status(self) -> int:
        """The exit status that tells of it."""
        return 128 + self.number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block a signal ends the process with a line, wherever in a library's import it is; after it without one.

    For the whole life of a process of our own: what has to be cleaned up is in `stopped_by_signals` meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in signals.NUMBERS.values():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signals.end_at_once)
    try:
        yield
    finally:
        signals.leave_to_system()


@contextmanager
def stopped_by_signals(what: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Within the block signals raise `Stopped`, so that what was begun is cleaned up; `what` says what came of it.

    The next one ends the process at once, unless it comes within the same second.
    """
    heard: list[tuple[int, float]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not heard:
            heard.append((number, time.monotonic()))
            raise Stopped(number, what)
        if time.monotonic() - heard[0][1] >= _AGAIN_S:
            signals.end_at_once(number)

    def swallowed(unraisable: Any) -> None:
        # It came within a destructor or a callback, where Python lets nothing be raised: once more, a moment later.
        if isinstance(unraisable.exc_value, Stopped):
            number = unraisable.exc_value.number
            heard.clear()
            again = threading.Timer(_SOON_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
        else:
            hook_before(unraisable)

    # One that somebody ignores on purpose (nohup) stays ignored; one that another language handles is left alone.
    before = {
        number: handler
        for number in signals.NUMBERS.values()
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    hook_before, sys.unraisablehook = sys.unraisablehook, swallowed
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    except Exception as error:
        if heard:
            # A library made an error of its own of it.
            raise Stopped(heard[0][0], what) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook_before


def say(stop: Stopped) -> None:
    """Tell on standard error that and what was stopped."""
    print(printable(f"mypt: {stop}"), file=sys.stderr, flush=True)
