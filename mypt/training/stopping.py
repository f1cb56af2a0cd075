"""Why a run should stop: a signal, or a request that lies in its folder. Asked at every step; acts nowhere itself."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from mypt import signals

# A key that bounces, a process group and a supervisor that say the same, are one wish; a person who means it a second
# time has read what the first one does.
_AGAIN_S = 1.0
_OF_SCHEDULERS = frozenset({"SIGUSR1", "SIGUSR2", "SIGXCPU"})
_ASKS_AGAIN = {"SIGINT": "Ctrl+C again", "SIGTERM": "a second SIGTERM"}


def say_on_stderr(text: str) -> None:
    """A line on standard error from within a signal handler, where no stream may be used."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.write(sys.stderr.fileno(), f"\nmypt: {text}\n".encode())


class StopFlag:
    """Collects reasons to stop. The first signal only sets it; the loop looks at it between two updates.

    `request` is asked for the reason of a stop request, or None; it must be cheap. The same signal again, a second
    later, calls `at_once` with its name, from within the signal's handler: what is to be done when saving takes too
    long, or the loop is not heard of any more. Unless it is set, the signal then does what it does to a program.
    `say` tells whoever sent the first one what happens now.
    """

    def __init__(
        self,
        request: Callable[[], str | None] = lambda: None,
        say: Callable[[str], None] = say_on_stderr,
    ) -> None:
        self.signal: str | None = None
        self.request, self.say = request, say
        self.at_once: Callable[[str], None] = self._as_for_a_program
        self._before: dict[int, Any] = {}
        self._first: dict[str, float] = {}

    def listen(self) -> None:
        """Take the signals that ask to end from now on, but for those that are ignored (nohup). Main thread only.

        What a program does with the signals of schedulers is its own affair: those are left alone where it does.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for name, number in signals.NUMBERS.items():
            before = signal.getsignal(number)
            if before is None or before is signal.SIG_IGN:
                continue
            if name in _OF_SCHEDULERS and before not in (signal.SIG_DFL, signals.end_at_once):
                continue
            self._before[number] = before
            signal.signal(number, self._caught)

    def unlisten(self) -> None:
        """Give the signals back."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def asked(self) -> str | None:
        """A word for people on why to stop now ("SIGTERM", "request"), or None."""
        return self.signal or ("request" if self.request() is not None else None)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        name, moment = signal.Signals(number).name, time.monotonic()
        first = self._first.setdefault(name, moment)
        if self.signal is None:
            self.signal = name
            again = _ASKS_AGAIN.get(name)
            rest = f"; {again} ends at once, without saving" if again else ""
            self.say(f"{name}: stops at the next batch and saves{rest}")
        elif name in _ASKS_AGAIN and moment - first >= _AGAIN_S:
            self.at_once(name)

    def _as_for_a_program(self, name: str) -> None:
        self.unlisten()
        signal.raise_signal(signals.NUMBERS[name])


def deliver_again(status: int) -> None:
    """Let the signal that stopped a training, told by the exit status that it asks for, do what it does to a program.

    Does nothing for any other status.
    """
    if name := signals.name_of_status(status):
        signal.raise_signal(signals.NUMBERS[name])
