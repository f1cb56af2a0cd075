"""Conversations laid one behind the other in packs of a fixed length, so that hardly a token is padding."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]
Marks = npt.NDArray[np.uint8]

#: Packs that wait for something that fits; more fill better and hold more in memory.
_OPEN = 256
#: Segment ids are bytes, and 0 is padding.
_MOST = 255


class Pack(NamedTuple):
    """Token ids (uint32), which of them are learned, and each one's segment (uint8, from 1; 0 is padding)."""

    ids: Ids
    learned: Marks
    segments: Marks


class Packer:
    """Packs of `length` tokens, filled up with `pad_id`.

    Each conversation goes where the least room is left beside it (best fit, over a bounded number of open packs),
    so the packs depend on the conversations and their order alone. One that is longer than a pack becomes one of its
    own, whole: training keeps the last tokens of it, as of any conversation that is too long.
    """

    def __init__(self, length: int, pad_id: int) -> None:
        self._length = length
        self._pad_id = pad_id
        self._open: list[tuple[int, int]] = []  # room left and number, sorted
        self._held: dict[int, list[tuple[Ids, Marks]]] = {}
        self._next = 0

    def add(self, ids: Ids, learned: Marks) -> Iterator[Pack]:
        """Take a conversation; gives the pack that it closes, if it closes one."""
        if len(ids) > self._length:
            yield Pack(ids, learned, np.ones(len(ids), np.uint8))
            return
        place = bisect_left(self._open, (len(ids), -1))
        if place < len(self._open):
            room, number = self._open.pop(place)
        else:
            room, number = self._length, self._next
            self._next += 1
            self._held[number] = []
        self._held[number].append((ids, learned))
        room -= len(ids)
        if room == 0 or len(self._held[number]) == _MOST:
            yield self._close(number)
        else:
            insort(self._open, (room, number))
            if len(self._open) > _OPEN:
                yield self._close(self._open.pop(0)[1])

    def finish(self) -> Iterator[Pack]:
        """The packs that are still open, in the order in which they were begun."""
        for number in sorted(self._held):
            yield self._close(number)
        self._open.clear()

    def _close(self, number: int) -> Pack:
        parts = self._held.pop(number)
        pack = Pack(
            np.full(self._length, self._pad_id, np.uint32),
            np.zeros(self._length, np.uint8),
            np.zeros(self._length, np.uint8),
        )
        start = 0
        for segment, (ids, learned) in enumerate(parts, 1):
            stop = start + len(ids)
            pack.ids[start:stop], pack.learned[start:stop], pack.segments[start:stop] = ids, learned, segment
            start = stop
        return pack
