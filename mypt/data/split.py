"""Token streams, and batches drawn from them. Every batch is a function of a key and of nothing else.

Position in the data needs no state: whoever knows the seed and the step can draw the same batch again, so that
resuming is exact and an evaluation cannot disturb the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mypt.errors import RunError

Ids = npt.NDArray[np.int64]
Tokens = npt.NDArray[Any]


class Batch(NamedTuple):
    """Inputs `x` and targets `y`, int64 (B, T), and the targets' loss mask, float32 (B, T), or None: all count.

    `segments`, int64 (B, T), are ids of the inputs: a token sees only those of its own id. None: all before it.
    """

    x: Ids
    y: Ids
    mask: npt.NDArray[np.float32] | None
    segments: Ids | None = None


def key_of(*parts: int | str) -> int:
    """A 64-bit key from a seed and what it is for; equal on every machine, unlike `hash`."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


@dataclass
class Split:
    """One side of a dataset: shards of token ids, each with a mask of the same length or none.

    `files` names the shards for messages. A sequence never reaches from one shard into the next.
    """

    shards: Sequence[Tokens]
    masks: Sequence[Tokens | None] = ()
    files: Sequence[str] = ()
    vocab_size: int | None = None
    """Ids end below it; known where a file's own are only looked at here and there when it is opened."""
    _windows: npt.NDArray[np.int64] = field(init=False, default_factory=lambda: np.zeros(0, np.int64))
    _windows_for: int = field(init=False, default=-1)

    @property
    def tokens(self) -> int:
        """Tokens in all shards."""
        return sum(len(shard) for shard in self.shards)

    @property
    def has_masks(self) -> bool:
        """Whether any shard has a loss mask."""
        return any(mask is not None for mask in self.masks)

    @property
    def marks_any(self) -> bool:
        """Whether the masks mark any token at all; a shard without a mask counts whole."""
        return any(mask is None or _any(mask) for mask in self.masks)

    def windows(self, block_size: int) -> int:
        """Places where a sequence of `block_size` inputs and their targets can begin."""
        return int(self._ends(block_size)[-1]) if self.shards else 0

    def places(self, number: int, block_size: int, key: int) -> Ids:
        """`number` places drawn uniformly and independently, decided by `key` alone."""
        generator = np.random.Generator(np.random.Philox(key=key))
        return generator.integers(0, self.windows(block_size), size=number, dtype=np.int64)

    def update_places(self, update: int, *, batches: int, batch_size: int, block_size: int, seed: int) -> Ids:
        """The places of all `batches` of `batch_size` sequences that update number `update` (from 1) trains on."""
        return self.places(batches * batch_size, block_size, key_of(seed, "train", update))

    def gather(self, places: Ids, block_size: int, *, masked: bool = False) -> Batch:
        """The sequences at `places` (from `places`), with their loss masks where `masked`."""
        ends = self._ends(block_size)
        rows = np.empty((len(places), block_size + 1), dtype=np.int64)
        mask = np.ones((len(places), block_size), dtype=np.float32) if masked else None
        for row, place in enumerate(places):
            shard = int(np.searchsorted(ends, place, side="right"))
            start = int(place - (ends[shard - 1] if shard else 0))
            piece = self.shards[shard][start : start + block_size + 1]
            if len(piece) != block_size + 1:
                name = self.files[shard] if shard < len(self.files) else f"shard {shard}"
                raise RunError(f"{name} has become shorter while it was read")
            rows[row] = piece
            self._check_ids(piece, shard)
            marks = self.masks[shard] if mask is not None and self.masks else None
            if mask is not None and marks is not None:
                # The mask belongs to the targets, which begin one token later.
                mask[row] = marks[start + 1 : start + block_size + 1]
        return Batch(rows[:, :-1], rows[:, 1:], mask)

    def _check_ids(self, ids: Tokens, shard: int) -> None:
        """Raise `RunError` where one of `ids`, read from that shard, is none of the vocabulary."""
        if self.vocab_size is None or not len(ids) or (largest := int(ids.max())) < self.vocab_size:
            return
        name = self.files[shard] if shard < len(self.files) else f"shard {shard}"
        raise RunError(
            f"{name} holds the token id {largest}, but the vocabulary ends at {self.vocab_size - 1}: it was made with "
            "another tokenizer, or is damaged; prepare it again"
        )

    def _ends(self, block_size: int) -> npt.NDArray[np.int64]:
        if self._windows_for != block_size:
            counts = [max(len(shard) - block_size, 0) for shard in self.shards]
            self._windows, self._windows_for = np.cumsum(counts, dtype=np.int64), block_size
        return self._windows


def _any(values: Tokens) -> bool:
    # A piece at a time: most files show a mark at once, and none has to be held in memory whole.
    return any(values[start : start + (1 << 20)].any() for start in range(0, len(values), 1 << 20))
