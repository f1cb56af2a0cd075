"""Small things that are kept on a disk, done beside the screen: who asks waits a moment for it, and no longer."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

# A disk that works takes a hundredth of it; a key that is late by so much is late, but answered.
MOMENT_S = 0.2


class Aside:
    """Does one thing after the other in a thread, which is there while there is something to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._works = False
        self._late = False

    def do(self, work: Callable[[], Result], otherwise: Result) -> Result:
        """What `work` gives; `otherwise` where that takes longer than a moment, and then it is done all the same.

        While something that was late is still not done, nobody waits for what comes after it.
        """
        found: list[Result] = []
        done = threading.Event()

        def job() -> None:
            try:
                # A disk may refuse; who cares says so in `work`.
                with contextlib.suppress(OSError):
                    found.append(work())
            finally:
                done.set()

        with self._lock:
            self._jobs.append(job)
            late = self._late
            if not self._works:
                self._works = True
                # Not a daemon: what was begun is done before the process ends.
                threading.Thread(target=self._work, name="mypt-aside").start()
        if not late and not done.wait(MOMENT_S):
            with self._lock:
                self._late = self._works
        return found[0] if found else otherwise

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._works = self._late = False
                    return
                job = self._jobs.popleft()
            try:
                job()
            except BaseException:
                with self._lock:
                    self._works = self._late = False
                raise
