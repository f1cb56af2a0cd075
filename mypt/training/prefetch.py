"""The batches of the next update, read while this one computes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from mypt.data.source import RunData
from mypt.data.split import Batch
from mypt.settings.fields import Settings
from mypt.training.batches import DeviceBatch, draw, on_device


class Prefetcher:
    """Gives the batches of an update, the same as `batches.of_update`, and reads those of the next one meanwhile.

    One thread reads the files into numpy arrays; torch is left to the caller's, since its threads are as many as there
    are cores already. Which batches come does not depend on what was read ahead, so a stop loses nothing. What goes
    wrong while reading is raised when that update is asked for.
    """

    def __init__(self, data: RunData, settings: Settings, device: str) -> None:
        self._data, self._settings, self._device = data, settings, device
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mypt-prefetch")
        self._ahead: tuple[int, Future[list[Batch]]] | None = None

    def take(self, number: int) -> list[DeviceBatch]:
        """The micro-batches of update `number` (from 1) on the device."""
        drawn = self._ready(number)
        if number < self._settings.max_iters:
            self._ahead = number + 1, self._reader.submit(self._draw, number + 1)
        return [on_device(batch, self._device) for batch in drawn]

    def close(self) -> None:
        """Let the thread end; what was read ahead is forgotten."""
        self._ahead = None
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _ready(self, number: int) -> list[Batch]:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            # Waited for even where another update is asked for: the data is read by one thread at a time.
            ahead[1].exception()
            if ahead[0] == number:
                return ahead[1].result()
        return self._draw(number)

    def _draw(self, number: int) -> list[Batch]:
        return draw(self._data.phase_at(number - 1).train, self._settings, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
