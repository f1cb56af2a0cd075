"""The batches of the next update, read while this one computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from mypt.data.source import RunData
from mypt.data.split import Batch
from mypt.settings.fields import Settings
from mypt.training.batches import WHOLE, DeviceBatch, draw, on_device

# How often somebody who waits for a slow disk looks up.
_LOOK_S = 0.2
# A batch that is just being read is soon read; a disk that hangs is not waited for at the end.
_PATIENCE_S = 1.0


class Prefetcher:
    """Gives the batches of an update, the same as `batches.of_update`, and reads those of the next one meanwhile.

    Of the update's sequences only those of `share` are read.

    One thread reads the files into numpy arrays; torch is left to the caller's, since its threads are as many as there
    are cores already. Which batches come does not depend on what was read ahead, so a stop loses nothing. What goes
    wrong while reading is raised when that update is asked for.
    """

    def __init__(self, data: RunData, settings: Settings, device: str, share: slice = WHOLE) -> None:
        self._data, self._settings, self._device, self._share = data, settings, device, share
        self._asked: SimpleQueue[tuple[int, Future[list[Batch]]] | None] = SimpleQueue()
        self._ahead: tuple[int, Future[list[Batch]]] | None = None
        # A daemon: where the disk never answers, the process ends all the same.
        self._reader = threading.Thread(target=self._read, name="mypt-prefetch", daemon=True)
        self._reader.start()

    def take(self, number: int, stop: Callable[[], bool] = lambda: False) -> list[DeviceBatch] | None:
        """The micro-batches of update `number` (from 1) on the device; None where `stop` came while they were read."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] != number:
            # What was read for another update is left to the thread, which reads one thing after the other.
            ahead = number, self._submit(number)
        while True:
            try:
                drawn = ahead[1].result(timeout=_LOOK_S)
                break
            except TimeoutError:
                if ahead[1].done():
                    raise
                if stop():
                    return None
        if number < self._settings.max_iters:
            self._ahead = number + 1, self._submit(number + 1)
        return [on_device(batch, self._device) for batch in drawn]

    def close(self) -> None:
        """Let the thread end; what was read ahead is forgotten."""
        self._ahead = None
        self._asked.put(None)
        self._reader.join(timeout=_PATIENCE_S)

    def _submit(self, number: int) -> Future[list[Batch]]:
        wanted: Future[list[Batch]] = Future()
        self._asked.put((number, wanted))
        return wanted

    def _read(self) -> None:
        while (item := self._asked.get()) is not None:
            number, wanted = item
            try:
                wanted.set_result(self._draw(number))
            except BaseException as error:
                wanted.set_exception(error)

    def _draw(self, number: int) -> list[Batch]:
        return draw(self._data.phase_at(number - 1).train, self._settings, number, self._share)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
