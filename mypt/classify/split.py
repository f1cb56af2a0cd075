"""Texts and their classes as the training loop draws them: whole epochs, filled up on the right."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from mypt.classify.encode import Ids
from mypt.data.split import Batch, Split, key_of
from mypt.data.split import Ids as Places

# Widths of batches are multiples of this, so that few different ones occur.
_WIDTH = 8
_PAD = 0


class TextSplit(Split):
    """Rows of tokens, each with a class. A batch marks the last token of each row, whose target is the class.

    Every epoch draws each row once, in an order that the seed and the epoch decide.
    """

    def __init__(self, rows: list[Ids], classes: list[int], *, whole: bool = False) -> None:
        """`whole`: an evaluation looks at all rows, and not at a part of them."""
        super().__init__(shards=())
        self.rows, self.classes, self.whole = rows, np.array(classes, np.int64), whole
        self._order: tuple[int, int, Places] | None = None

    @property
    def tokens(self) -> int:
        """Tokens in all rows."""
        return sum(len(row) for row in self.rows)

    def updates(self, rows_an_update: int) -> int:
        """Updates in an epoch."""
        return -(-len(self.rows) // rows_an_update)

    def windows(self, block_size: int) -> int:
        """The number of rows."""
        return len(self.rows)

    def places(self, number: int, block_size: int, key: int) -> Places:
        """All rows where the split is looked at whole, else `number` different ones that `key` chooses."""
        if self.whole or number >= len(self.rows):
            return np.arange(len(self.rows), dtype=np.int64)
        return np.sort(_shuffled(len(self.rows), key)[:number])

    def update_places(
        self, update: int, *, batches: int, batch_size: int, block_size: int, seed: int
    ) -> Places:
        """The rows of update number `update` (from 1); the last one of an epoch may have fewer."""
        size = batches * batch_size
        epoch, place = divmod(update - 1, self.updates(size))
        if self._order is None or self._order[:2] != (seed, epoch):
            self._order = seed, epoch, _shuffled(len(self.rows), key_of(seed, "epoch", epoch))
        return self._order[2][place * size : (place + 1) * size]

    def gather(self, places: Places, block_size: int, *, masked: bool = False) -> Batch:
        """The rows at `places`; the mask is 1 at the last token of each, where the target is its class."""
        rows = [self.rows[place] for place in places]
        width = -(-max(len(row) for row in rows) // _WIDTH) * _WIDTH
        shape = len(rows), min(width, block_size)
        x, y = np.full(shape, _PAD, np.int64), np.zeros(shape, np.int64)
        mask = np.zeros(shape, np.float32)
        for number, (row, place) in enumerate(zip(rows, places, strict=True)):
            last = len(row) - 1
            x[number, : len(row)] = row
            y[number, last], mask[number, last] = self.classes[place], 1
        return Batch(x, y, mask)

    def fingerprint(self) -> str:
        """Tells changed data from unchanged."""
        digest = blake2b(self.classes.tobytes(), digest_size=8)
        for row in self.rows:
            digest.update(len(row).to_bytes(4, "little"))
            digest.update(row.tobytes())
        return digest.hexdigest()


def _shuffled(number: int, key: int) -> Places:
    return np.random.Generator(np.random.Philox(key=key)).permutation(number).astype(np.int64)
