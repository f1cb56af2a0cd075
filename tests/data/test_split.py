from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.data.split import Split, key_of
from mypt.errors import RunError


def shards(*lengths: int) -> list[Any]:
    """Shards whose tokens tell where they are: 1000 a shard, then the place in it."""
    return [np.arange(n, dtype=np.uint32) + 1000 * k for k, n in enumerate(lengths)]


def test_a_key_is_the_same_on_every_machine() -> None:
    assert key_of(1337, "train", 1) == key_of(1337, "train", 1) == 10595779952521175486
    keys = {key_of(seed, kind, step) for seed in range(5) for kind in ("train", "eval") for step in range(20)}
    assert len(keys) == 200
    assert key_of("ab", "c") != key_of("a", "bc")
    assert all(0 <= key < 2**64 for key in keys)


def test_a_batch_is_a_function_of_its_key_and_of_nothing_else() -> None:
    split = Split(shards(300, 200))
    first = split.gather(split.places(8, 16, key_of(1, "train", 5)), 16)
    for step in (9, 2, 7):
        split.gather(split.places(3, 16, key_of(1, "train", step)), 16)
        np.random.seed(step)
    again = split.gather(split.places(8, 16, key_of(1, "train", 5)), 16)
    other = Split(shards(300, 200)).gather(split.places(8, 16, key_of(1, "train", 6)), 16)
    assert np.array_equal(first.x, again.x) and np.array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)


def test_an_update_is_drawn_by_its_number_whatever_its_micro_batches() -> None:
    split = Split(shards(300, 200))

    def drawn(update: int, batches: int, size: int, seed: int = 1) -> list[int]:
        places = split.update_places(update, batches=batches, batch_size=size, block_size=16, seed=seed)
        return [int(place) for place in places]

    assert drawn(5, 2, 6) == drawn(5, 3, 4) == split.places(12, 16, key_of(1, "train", 5)).tolist()
    assert drawn(5, 2, 6) != drawn(6, 2, 6) and drawn(5, 2, 6) != drawn(5, 2, 6, seed=2)


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    block=st.integers(1, 20),
    key=st.integers(0, 2**64 - 1),
)
def test_no_window_crosses_a_shard(lengths: list[int], block: int, key: int) -> None:
    split = Split(shards(*lengths))
    assert split.windows(block) == sum(max(n - block, 0) for n in lengths)
    if not split.windows(block):
        return
    batch = split.gather(split.places(20, block, key), block)
    assert batch.x.dtype == batch.y.dtype == np.int64 and batch.x.shape == batch.y.shape == (20, block)
    assert np.array_equal(batch.x + 1, batch.y)
    assert np.array_equal(batch.x[:, 0] // 1000, batch.y[:, -1] // 1000)
    assert batch.mask is None


def test_every_window_is_drawn_and_none_beyond() -> None:
    split = Split(shards(10, 4, 7))
    places = split.places(2000, 4, key_of(0))
    assert set(places.tolist()) == set(range(6 + 0 + 3))
    starts = split.gather(np.arange(9), 4).x[:, 0].tolist()
    assert starts == [0, 1, 2, 3, 4, 5, 2000, 2001, 2002]


def test_masks_belong_to_the_targets() -> None:
    (tokens,) = shards(40)
    split = Split([tokens], [(tokens % 3 == 0).astype(np.uint8)])
    batch = split.gather(split.places(10, 8, 1), 8, masked=True)
    assert batch.mask is not None and batch.mask.dtype == np.float32
    assert np.array_equal(batch.mask, (batch.y % 3 == 0).astype(np.float32))
    assert split.gather(split.places(10, 8, 1), 8).mask is None
    assert split.has_masks and not Split([tokens]).has_masks


def test_a_shard_without_a_mask_counts_whole() -> None:
    one, two = shards(20, 20)
    split = Split([one, two], [np.zeros(20, np.uint8), None])
    batch = split.gather(np.array([0, 12]), 8, masked=True)
    assert batch.mask is not None and batch.mask.sum(1).tolist() == [0, 8]


def test_a_shard_that_shrank_is_named() -> None:
    split = Split(shards(50), files=["data/train/shard_00000.bin"])
    places = split.places(4, 8, 3)
    split.shards = [np.arange(5)]
    with pytest.raises(RunError, match=r"shard_00000\.bin has become shorter"):
        split.gather(places, 8)


def test_an_id_that_nobody_saw_when_the_file_was_opened_is_named() -> None:
    ids = np.arange(40) % 9
    ids[33] = 12
    split = Split([ids], files=["data/train/a.bin"], vocab_size=10)
    assert split.gather(np.array([0, 8]), 16).x.max() < 9
    with pytest.raises(
        RunError, match=r"data/train/a\.bin holds the token id 12, but the vocabulary ends at 9"
    ):
        split.gather(np.array([0, 20]), 16)
