"""Streams of tokens in files: sizes, separators, and the end of a document that goes over to validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mypt.data.prepare.writer import ShardWriter

SEPARATOR = [7]


def writer(folder: Path, size: int = 4, separator: list[int] | None = None, dtype: str = "u2") -> ShardWriter:
    return ShardWriter(
        folder, dtype, size, np.array(SEPARATOR if separator is None else separator, np.uint32)
    )


def content(one: ShardWriter, dtype: str = "<u2") -> list[list[int]]:
    return [np.fromfile(path, dtype).tolist() for path in one.finish()]


def add(one: ShardWriter, *parts: list[int]) -> None:
    one.begin_document()
    for part in parts:
        one.add(np.array(part, np.uint16))


def test_shards_are_full_but_the_last(tmp_path: Path) -> None:
    one = writer(tmp_path / "train")
    add(one, [1, 2, 3], [4, 5, 6, 8, 9, 10])
    assert content(one) == [[1, 2, 3, 4], [5, 6, 8, 9], [10]]
    assert [p.name for p in one.finish()] == ["shard_00000.bin", "shard_00001.bin", "shard_00002.bin"]
    assert (one.tokens, one.documents) == (9, 1)


def test_separators_stand_between_documents_only(tmp_path: Path) -> None:
    one = writer(tmp_path / "train", size=100)
    add(one, [1])
    add(one)  # nothing in it
    add(one, [], [2], [3])
    add(one, [4])
    assert content(one) == [[1, 7, 2, 3, 7, 4]]
    assert one.documents == 3


def test_nothing_written_makes_no_file(tmp_path: Path) -> None:
    one = writer(tmp_path / "val")
    add(one)
    assert one.finish() == [] and list(tmp_path.iterdir()) == []


def test_large_ids_take_four_bytes(tmp_path: Path) -> None:
    one = writer(tmp_path / "train", dtype="u4")
    one.begin_document()
    one.add(np.array([70000], np.uint32))
    assert content(one, "<u4") == [[70000]]


@settings(max_examples=150, deadline=None)
@given(
    documents=st.lists(st.integers(0, 30), min_size=1, max_size=5),
    size=st.integers(1, 12),
    fraction=st.sampled_from([0.1, 0.25, 0.5, 0.9]),
    separator=st.sampled_from([[], [7], [7, 8]]),
)
def test_the_end_of_each_document_goes_over(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[int],
    size: int,
    fraction: float,
    separator: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("writer")
    train, val = writer(folder / "train", size, separator), writer(folder / "val", size, separator)
    heads, tails = [], []
    for number, length in enumerate(documents):
        ids = [100 * (number + 1) + n for n in range(length)]
        add(train, ids[: length // 2], ids[length // 2 :])
        train.hand_over_tail(val, fraction)
        kept = int((1 - fraction) * length)
        heads += [ids[:kept]] * bool(kept)
        tails += [ids[kept:]] * bool(length - kept)

    def joined(parts: list[list[int]]) -> list[int]:
        return [i for number, part in enumerate(parts) for i in [*(separator if number else []), *part]]

    for one, parts in ((train, heads), (val, tails)):
        shards = content(one)
        assert [i for shard in shards for i in shard] == joined(parts)
        assert all(len(shard) == size for shard in shards[:-1])
        assert one.documents == len(parts)
        assert sorted(one._folder.glob("*")) == one.finish()
