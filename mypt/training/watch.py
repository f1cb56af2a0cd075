"""How long a rank computes by itself, where all of them together go at the pace of the slowest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch


class Watch:
    """Adds up the time of what runs under it, on the device that runs it."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextlib.contextmanager
    def running(self, kind: str) -> Iterator[None]:
        """Measure the block, whose work a device of this `kind` ("cpu", "cuda", "mps") does."""
        if kind == "cuda":
            # The processor only hands out the work; waiting for it would cost what is to be measured.
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            began.record()
            yield
            ended.record()
            self._events.append((began, ended))
        else:
            start = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - start

    def take(self) -> float:
        """Seconds since the last call."""
        for began, ended in self._events:
            ended.synchronize()
            self._seconds += began.elapsed_time(ended) / 1000
        seconds, self._seconds, self._events = self._seconds, 0.0, []
        return seconds
