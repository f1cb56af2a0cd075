"""Why a run should stop: a signal, or a request that lies in its folder. Asked at every step; acts nowhere itself."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

EXIT_OF_SIGNAL = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


class StopFlag:
    """Collects reasons to stop. Python signals only set it; the loop looks at it between two updates.

    `request` is asked for the reason of a stop request, or None; it must be cheap.
    """

    def __init__(self, request: Callable[[], str | None] = lambda: None) -> None:
        self.signal: str | None = None
        self.request = request
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and, where it is not ignored (nohup), SIGHUP from now on. Main thread only."""
        if threading.current_thread() is not threading.main_thread():
            return
        names = ["SIGINT", "SIGTERM"] + (["SIGHUP"] if sys.platform != "win32" else [])
        for name in names:
            number = getattr(signal, name)
            before = signal.getsignal(number)
            if before is signal.SIG_IGN:
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
        self.signal = self.signal or signal.Signals(number).name


def deliver_again(status: int) -> None:
    """Let the signal that stopped a training, told by the exit status that it asks for, do what it does to a program.

    Does nothing for any other status.
    """
    name = next((name for name, asked in EXIT_OF_SIGNAL.items() if asked == status), None)
    if name is not None:
        signal.raise_signal(getattr(signal, name))
