from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.data.episodes import NOWHERE, EpisodeOptions, EpisodeSplit
from mypt.data.split import key_of
from mypt.errors import RunError

PAD = 999


def split(*lengths: int, shards: int = 1, **options: Any) -> EpisodeSplit:
    """Episodes whose tokens tell where they are: 100 an episode, then the place in it; odd tokens are marked."""
    tokens, index, masks = [], [], []
    for group in np.array_split(np.arange(len(lengths)), shards):
        ids = [np.arange(lengths[k]) + 100 * k for k in group]
        own = np.array([lengths[k] for k in group], np.int64)
        tokens.append(np.concatenate(ids).astype(np.uint32))
        index.append(np.stack([np.cumsum(own) - own, own], 1))
        masks.append((tokens[-1] % 2).astype(np.uint8))
    return EpisodeSplit(
        tokens,
        masks,
        [],
        index=index,
        segments=[None] * shards,
        options=EpisodeOptions(pad_id=PAD, **options),
    )


def pack(*segments: int, padding: int = 0) -> tuple[list[int], list[int]]:
    """Tokens and segment ids of a pack: segment k has `segments[k - 1]` tokens 100 k, 100 k + 1 …"""
    tokens = [100 * k + i for k, n in enumerate(segments, 1) for i in range(n)] + [PAD] * padding
    return tokens, [k for k, n in enumerate(segments, 1) for _ in range(n)] + [0] * padding


def packed(*packs: tuple[list[int], list[int]], **options: Any) -> EpisodeSplit:
    tokens = np.array([t for ids, _ in packs for t in ids], np.uint32)
    segments = np.array([s for _, ids in packs for s in ids], np.uint8)
    lengths = np.array([len(ids) for ids, _ in packs], np.int64)
    return EpisodeSplit(
        [tokens],
        [np.ones(len(tokens), np.uint8)],
        index=[np.stack([np.cumsum(lengths) - lengths, lengths], 1)],
        segments=[segments],
        options=EpisodeOptions(pad_id=PAD, **options),
    )


def test_an_episode_is_padded_and_padding_never_counts() -> None:
    for masked in (True, False):
        batch = split(5, 3).gather(np.array([0, 1]), 6, masked=masked)
        assert batch.x.tolist() == [[0, 1, 2, 3, 4, PAD], [100, 101, 102, PAD, PAD, PAD]]
        assert batch.y.tolist() == [[1, 2, 3, 4, PAD, PAD], [101, 102, PAD, PAD, PAD, PAD]]
        assert batch.mask is not None and batch.segments is None
        want = (
            [[1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]] if masked else [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]]
        )
        assert batch.mask.tolist() == want


def test_an_episode_that_is_too_long_keeps_its_last_tokens() -> None:
    made = split(10, 5)
    batch = made.gather(np.array([0, 1]), 4, masked=True)
    assert batch.x.tolist() == [[5, 6, 7, 8], [100, 101, 102, 103]]
    assert batch.y.tolist() == [[6, 7, 8, 9], [101, 102, 103, 104]]
    assert batch.mask is not None and batch.mask.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
    assert made.remarks(4) == [
        "1 of 2 episodes are longer than block_size = 4: only their last tokens are used"
    ]


def test_short_episodes_are_left_out_and_so_is_one_without_a_target() -> None:
    assert split(1, 5, 2, 9).rows(8).lengths.tolist() == [5, 2, 9]
    made = split(1, 5, 2, 9, min_tokens=5)
    assert made.rows(8).lengths.tolist() == [5, 9] and made.windows(8) == 2 and made.episodes == 4
    assert made.remarks(8) == ["2 of 4 episodes have fewer than 5 tokens: left out"]
    assert split(1, 5, min_tokens=1).windows(8) == 1


def test_episodes_of_every_shard() -> None:
    made = split(3, 4, 5, 6, 7, shards=3)
    assert made.tokens == 25 and made.windows(8) == 5
    firsts = made.gather(np.arange(5), 8).x[:, 0].tolist()
    assert firsts == [0, 100, 200, 300, 400]


def test_packs_carry_segments_and_predict_nothing_from_one_to_the_next() -> None:
    batch = packed(pack(3, 2, padding=2)).gather(np.array([0]), 8, masked=True)
    assert batch.segments is not None and batch.mask is not None
    assert batch.x.tolist() == [[100, 101, 102, 200, 201, PAD, PAD, PAD]]
    assert batch.segments.tolist() == [[1, 1, 1, 2, 2, 0, 0, 0]]
    assert batch.mask.tolist() == [[1, 1, 0, 1, 0, 0, 0, 0]]


def test_a_pack_that_is_too_long_is_parted_between_its_conversations() -> None:
    made = packed(pack(3, 3, 5, 9, 2, 1, padding=4), pack(4, padding=2), pack(2, 2, 2))
    rows = made.rows(6)
    assert list(zip(rows.starts.tolist(), rows.lengths.tolist(), strict=True)) == [
        (0, 6),  # 3 and 3
        (6, 5),
        (11, 9),
        (20, 3),  # 2 and 1
        (27, 6),
        (33, 6),
    ]
    batch = made.gather(np.arange(len(rows)), 6, masked=True)
    assert batch.segments is not None and batch.x[2].tolist() == [402, 403, 404, 405, 406, 407]
    assert "1 of 3 packs are longer than block_size = 6: they are parted" in made.remarks(6)[0]
    assert made.windows(64) == 3 and made.remarks(64) == []


@given(
    segments=st.lists(st.lists(st.integers(2, 12), min_size=1, max_size=9), min_size=1, max_size=4),
    block=st.integers(2, 40),
)
def test_parting_loses_no_conversation(segments: list[list[int]], block: int) -> None:
    made = packed(*(pack(*lengths, padding=3) for lengths in segments))
    batch = made.gather(np.arange(made.windows(block)), block, masked=True)
    assert batch.mask is not None
    trained = Counter(batch.y[batch.mask > 0].tolist())
    want = Counter(
        100 * k + i
        for lengths in segments
        for k, n in enumerate(lengths, 1)
        for i in range(max(1, n - block), n)
    )
    assert trained == want


def epochs(made: EpisodeSplit, updates: range, batches: int = 1, size: int = 3) -> list[list[int]]:
    return [
        made.update_places(u, batches=batches, batch_size=size, block_size=8, seed=0).tolist()
        for u in updates
    ]


def flat(rows: list[list[int]]) -> list[int]:
    return [place for row in rows for place in row]


def test_an_epoch_brings_every_episode_once() -> None:
    made = split(*[4] * 12, mode="epoch")
    drawn = epochs(made, range(1, 13))
    rounds = [flat(drawn[i : i + 4]) for i in (0, 4, 8)]
    assert all(sorted(each) == list(range(12)) for each in rounds)
    assert rounds[0] != rounds[1] != rounds[2]
    # The seed of the run plays no part, that of the epochs does.
    other = split(*[4] * 12, mode="epoch", epoch_seed=7)
    assert epochs(other, range(1, 5)) != drawn[:4]


def test_the_order_needs_no_state() -> None:
    made = split(*[4] * 10, mode="epoch", epoch_drop_last=False)
    drawn = epochs(made, range(1, 30), batches=3)
    for update in (29, 3, 11, 12, 1):
        fresh = split(*[4] * 10, mode="epoch", epoch_drop_last=False)
        assert epochs(fresh, range(update, update + 1), batches=3) == [drawn[update - 1]]
        assert epochs(made, range(update, update + 1), batches=3) == [drawn[update - 1]]


def test_accumulation_does_not_change_the_order() -> None:
    made = split(*[4] * 10, mode="epoch")
    assert flat(epochs(made, range(1, 13))) == flat(epochs(made, range(1, 4), batches=4))


def test_the_last_batch_is_dropped_or_filled_up() -> None:
    dropped = split(*[4] * 8, mode="epoch")
    assert dropped.batches_an_epoch(3, 8) == 2
    assert len(set(flat(epochs(dropped, range(1, 3))))) == 6
    whole = split(*[4] * 8, mode="epoch", epoch_drop_last=False)
    assert whole.batches_an_epoch(3, 8) == 3
    drawn = epochs(whole, range(1, 4))
    assert drawn[2][2] == NOWHERE and sorted(flat(drawn)) == [NOWHERE, *range(8)]
    batch = whole.gather(np.array(drawn[2]), 8, masked=True)
    assert batch.mask is not None and batch.mask.sum(1).tolist()[2] == 0 and (batch.x[2] == PAD).all()
    assert split(*[4] * 2, mode="epoch").batches_an_epoch(3, 8) == 0


def test_without_shuffling_the_files_order() -> None:
    made = split(*[4] * 6, mode="epoch", epoch_shuffle=False)
    assert epochs(made, range(1, 4)) == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]


def test_a_phase_counts_epochs_from_its_own_beginning() -> None:
    late = split(*[4] * 6, mode="epoch", first_update=11)
    assert epochs(late, range(11, 15)) == epochs(split(*[4] * 6, mode="epoch"), range(1, 5))


def test_at_random_draws_are_independent_and_keyed() -> None:
    made = split(*[4] * 5)
    drawn = epochs(made, range(1, 200))
    assert {place for row in drawn for place in row} == set(range(5))
    assert any(len(set(row)) < 3 for row in drawn)
    assert drawn == epochs(split(*[4] * 5), range(1, 200))
    assert drawn[0] != made.update_places(1, batches=1, batch_size=3, block_size=8, seed=1).tolist()


def test_an_evaluation_looks_at_no_episode_twice() -> None:
    made = split(*[4] * 9)
    some = made.places(5, 8, key_of(1, "eval", "val"))
    assert len(set(some.tolist())) == 5 and some.dtype == np.int64
    assert np.array_equal(some, split(*[4] * 9).places(5, 8, key_of(1, "eval", "val")))
    assert made.places(500, 8, 1).tolist() == list(range(9))


def test_a_file_that_shrank_is_named() -> None:
    made = split(5, 9)
    made.files = ["data/train/tokens.bin"]
    made.windows(8)
    made.shards = [np.arange(7)]
    with pytest.raises(RunError, match=r"train/tokens\.bin has become shorter"):
        made.gather(np.array([1]), 8)
