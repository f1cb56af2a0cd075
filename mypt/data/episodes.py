"""Episodes, conversations mostly, as training data: each begins a sequence of its own and never runs into the next.

An episode longer than a sequence keeps its last tokens, a shorter one is filled up with padding that no loss counts.
Packed sets lay several conversations one after the other in a pack; segment ids keep them apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mypt.data.split import Batch, Ids, Split, Tokens, key_of
from mypt.errors import RunError
from mypt.text import whole

#: The place of a sequence that is all padding: it fills up the last batch of an epoch.
NOWHERE = -1
# Below this an episode has no token to predict.
_SHORTEST = 2


@dataclass(frozen=True, slots=True)
class EpisodeOptions:
    """How episodes are drawn: the settings of these names. `first_update` is the update that epochs count from."""

    mode: str = "random"
    pad_id: int = 0
    min_tokens: int = _SHORTEST
    epoch_seed: int = 1337
    epoch_shuffle: bool = True
    epoch_drop_last: bool = True
    first_update: int = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """What each sequence is cut from: `lengths` tokens from `starts` on in shard `shards` (int64, one of each a row)."""

    shards: Ids
    starts: Ids
    lengths: Ids

    def __len__(self) -> int:
        return len(self.starts)


@dataclass
class EpisodeSplit(Split):
    """One side of an episode-indexed dataset; a place is the number of a row (see `Rows`).

    `index` has an int64 array (episodes, 2) of starts and lengths for each shard; `segments` one uint8 id a token (0:
    padding) where the shard is packed. A row is an episode; a pack that is too long for a sequence is parted between
    its conversations, so that none is lost.
    """

    index: Sequence[Ids] = ()
    segments: Sequence[Tokens | None] = ()
    options: EpisodeOptions = field(default_factory=EpisodeOptions)
    _rows: Rows | None = field(init=False, default=None)
    _parted: int = field(init=False, default=0)
    _rows_for: int = field(init=False, default=-1)
    _orders: dict[int, Ids] = field(init=False, default_factory=dict)

    @property
    def packed(self) -> bool:
        """Whether several conversations may share a sequence."""
        return any(ids is not None for ids in self.segments)

    @property
    def tokens(self) -> int:
        """Tokens in all episodes, those that are left out too."""
        return sum(int(index[:, 1].sum()) for index in self.index)

    @property
    def episodes(self) -> int:
        """Episodes (of packed sets: packs) in the files, those that are left out too."""
        return sum(len(index) for index in self.index)

    def windows(self, block_size: int) -> int:
        """Sequences of at most `block_size` inputs and their targets."""
        return len(self.rows(block_size))

    def rows(self, block_size: int) -> Rows:
        """The rows for sequences of `block_size` inputs, in the order of the files."""
        if self._rows is None or self._rows_for != block_size:
            self._rows, self._rows_for = self._cut(block_size), block_size
        return self._rows

    def remarks(self, block_size: int) -> list[str]:
        """What somebody who trains on this with sequences of `block_size` should know, a sentence each."""
        said = []
        lengths = np.concatenate([index[:, 1] for index in self.index])
        shortest, rows = max(self.options.min_tokens, _SHORTEST), self.rows(block_size)
        if short := int((lengths < shortest).sum()):
            said.append(
                f"{whole(short)} of {whole(len(lengths))} episodes have fewer than {shortest} tokens: left out"
            )
        if self._parted:
            said.append(
                f"{whole(self._parted)} of {whole(len(lengths))} packs are longer than block_size = {block_size}: they are "
                f"parted between conversations; --pack_block_size {block_size} would fill sequences better"
            )
        if cut := int((rows.lengths > block_size + 1).sum()):
            said.append(
                f"{whole(cut)} of {whole(len(rows))} episodes are longer than block_size = {block_size}: only their "
                "last tokens are used"
            )
        return said

    # ── which rows, when ────────────────────────────────────────────────────────────────────────────────────────

    def places(self, number: int, block_size: int, key: int) -> Ids:
        """`number` different places decided by `key` alone, or every one there is where there are fewer."""
        generator = np.random.Generator(np.random.Philox(key=key))
        rows = self.windows(block_size)
        if number >= rows:
            return np.arange(rows, dtype=np.int64)
        return np.sort(generator.choice(rows, size=number, replace=False, shuffle=False)).astype(np.int64)

    def update_places(self, update: int, *, batches: int, batch_size: int, block_size: int, seed: int) -> Ids:
        """The places that update number `update` trains on.

        At random, rows are drawn independently. In epochs every row comes once before any comes again; the last batch
        of an epoch is dropped or filled up with `NOWHERE` where the rows do not divide into batches.
        """
        rows = self.windows(block_size)
        if self.options.mode != "epoch":
            generator = np.random.Generator(np.random.Philox(key=key_of(seed, "train", update)))
            return generator.integers(0, rows, size=batches * batch_size, dtype=np.int64)
        a_round = self.batches_an_epoch(batch_size, block_size)
        first = (update - self.options.first_update) * batches
        places = np.full((batches, batch_size), NOWHERE, dtype=np.int64)
        for row, number in enumerate(range(first, first + batches)):
            epoch, batch = divmod(number, a_round)
            piece = self._order(epoch, rows)[batch * batch_size : (batch + 1) * batch_size]
            places[row, : len(piece)] = piece
        return places.reshape(-1)

    def batches_an_epoch(self, batch_size: int, block_size: int) -> int:
        """Batches in which every row comes once; 0 where an incomplete one is dropped and there is no other."""
        full, rest = divmod(self.windows(block_size), batch_size)
        return full + (rest > 0 and not self.options.epoch_drop_last)

    def _order(self, epoch: int, rows: int) -> Ids:
        """The rows in the order of an epoch, a function of the seed and the epoch's number."""
        if not self.options.epoch_shuffle:
            epoch = 0
        known = self._orders.get(epoch)
        if known is None or len(known) != rows:
            if self.options.epoch_shuffle:
                key = key_of(self.options.epoch_seed, "epoch", epoch)
                known = np.random.Generator(np.random.Philox(key=key)).permutation(rows)
            else:
                known = np.arange(rows, dtype=np.int64)
            # An update reaches over the end of one epoch at most into the next, so two are all that is worth keeping.
            self._orders = {number: order for number, order in self._orders.items() if number == epoch - 1}
            self._orders[epoch] = known
        return known

    # ── what is in a row ────────────────────────────────────────────────────────────────────────────────────────

    def gather(self, places: Ids, block_size: int, *, masked: bool = False) -> Batch:
        """The sequences at `places`, their loss masks (of ones for all but padding where not `masked`), and segments.

        A target counts only where it belongs to the conversation of its input; padding never does.
        """
        rows, width = self.rows(block_size), block_size + 1
        tokens = np.full((len(places), width), self.options.pad_id, dtype=np.int64)
        weight = np.zeros((len(places), width), dtype=np.float32)
        owner = np.zeros((len(places), width), dtype=np.int64)
        for row, place in enumerate(places):
            if place == NOWHERE:
                continue
            shard, length = int(rows.shards[place]), int(rows.lengths[place])
            kept = min(length, width)
            stop = int(rows.starts[place]) + length
            piece = slice(stop - kept, stop)
            if len(self.shards[shard]) < stop:
                raise RunError(f"{self._name(shard)} has become shorter while it was read")
            tokens[row, :kept] = self.shards[shard][piece]
            self._check_ids(tokens[row, :kept], shard)
            marks = self.masks[shard] if masked and self.masks else None
            weight[row, :kept] = 1.0 if marks is None else marks[piece]
            ids = self.segments[shard] if self.segments else None
            owner[row, :kept] = 1 if ids is None else ids[piece]
        # Between two conversations there is nothing to predict, and after the last one neither.
        within = (owner[:, 1:] == owner[:, :-1]) & (owner[:, 1:] > 0)
        mask = np.where(within, weight[:, 1:], np.float32(0))
        segments = owner[:, :-1] if self.packed else None
        return Batch(tokens[:, :-1], tokens[:, 1:], mask, segments)

    def _name(self, shard: int) -> str:
        return self.files[shard] if shard < len(self.files) else f"shard {shard}"

    def _cut(self, block_size: int) -> Rows:
        shortest = max(self.options.min_tokens, _SHORTEST)
        parts: list[tuple[int, Ids]] = []
        self._parted = 0
        for shard, index in enumerate(self.index):
            kept = index[index[:, 1] >= shortest]
            ids = self.segments[shard] if self.segments else None
            long = kept[:, 1] > block_size + 1
            if ids is not None and long.any():
                kept, parted = _parted(kept, long, ids, block_size + 1)
                self._parted += parted
            parts.append((shard, kept))
        shards = [np.full(len(kept), shard, dtype=np.int64) for shard, kept in parts]
        cut = np.concatenate([kept for _, kept in parts] or [np.zeros((0, 2), dtype=np.int64)])
        return Rows(np.concatenate(shards or [cut[:, 0]]), cut[:, 0].copy(), cut[:, 1].copy())


def _parted(index: Ids, long: npt.NDArray[np.bool_], ids: Tokens, width: int) -> tuple[Ids, int]:
    """`index` with the `long` packs parted, and how many there were of several rows.

    A row holds as many whole conversations, one after the other, as fit into `width`.
    """
    rows: list[tuple[int, int]] = []
    parted = 0
    for (start, length), too_long in zip(index.tolist(), long.tolist(), strict=True):
        if not too_long:
            rows.append((start, length))
            continue
        own, before = np.asarray(ids[start : start + length]), len(rows)
        edges = [0, *(np.flatnonzero(np.diff(own)) + 1).tolist(), length]
        begin = end = 0
        for left, right in itertools.pairwise(edges):
            if own[left] == 0:
                continue  # padding
            if right - begin > width or end != left:
                if end - begin >= _SHORTEST:
                    rows.append((start + begin, end - begin))
                begin = left
            end = right
        if end - begin >= _SHORTEST:
            rows.append((start + begin, end - begin))
        parted += len(rows) - before > 1
    return np.array(rows, dtype=np.int64).reshape(-1, 2), parted
