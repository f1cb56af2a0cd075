from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mypt.data.chat.packing import Pack, Packer

PAD = 9999


def packs(lengths: list[int], size: int) -> list[Pack]:
    """The packs of conversations whose tokens tell which they are of, and whose last token is learned."""
    packer = Packer(size, PAD)
    made: list[Pack] = []
    for number, length in enumerate(lengths):
        learned = np.zeros(length, np.uint8)
        learned[-1] = 1
        made += packer.add(np.full(length, number, np.uint32), learned)
    return [*made, *packer.finish()]


@given(lengths=st.lists(st.integers(1, 30), max_size=80), size=st.integers(2, 40))
def test_every_conversation_is_in_one_pack_whole(lengths: list[int], size: int) -> None:
    seen: dict[int, int] = {}
    for pack in packs(lengths, size):
        assert len(pack.ids) == len(pack.learned) == len(pack.segments) >= size
        kept = pack.segments > 0
        assert not pack.learned[~kept].any() and (pack.ids[~kept] == PAD).all()
        # Padding comes last, and ids count up.
        assert (
            np.array_equal(np.sort(pack.segments[kept]), pack.segments[kept]) and not kept[kept.sum() :].any()
        )
        for segment in range(1, int(pack.segments.max()) + 1):
            (number,) = set(pack.ids[pack.segments == segment].tolist())
            assert number not in seen
            seen[number] = int((pack.segments == segment).sum())
            assert pack.learned[pack.segments == segment].sum() == 1
        if len(pack.ids) > size:
            assert kept.all() and pack.segments.max() == 1
    assert seen == dict(enumerate(lengths))


def test_packs_are_well_filled() -> None:
    lengths = np.random.default_rng(1).integers(20, 200, 2000).tolist()
    made = packs(lengths, 256)
    assert sum(lengths) / sum(len(pack.ids) for pack in made) > 0.97


def test_a_pack_is_given_out_as_soon_as_it_is_full() -> None:
    packer = Packer(6, PAD)
    ids, learned = np.zeros(3, np.uint32), np.ones(3, np.uint8)
    assert list(packer.add(ids, learned)) == []
    (pack,) = packer.add(ids, learned)
    assert pack.segments.tolist() == [1, 1, 1, 2, 2, 2]
    assert list(packer.finish()) == []


def test_no_more_segments_than_a_byte_counts() -> None:
    made = packs([1] * 600, 1000)
    assert [int(pack.segments.max()) for pack in made] == [255, 255, 90]


def test_memory_is_bounded() -> None:
    packer = Packer(100, PAD)
    given_out = sum(
        len(list(packer.add(np.zeros(60, np.uint32), np.ones(60, np.uint8)))) for _ in range(2000)
    )
    assert given_out > 1700
