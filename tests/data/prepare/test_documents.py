"""Where documents begin and end, and which are kept for validation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.data.prepare.documents import Documents, choose, separated, whole_files
from mypt.data.prepare.inputs import Source


def files(*sizes: int, val: int = -1) -> list[Source]:
    return [Source(f"/{n}", f"{n}.txt", size, 0, n == val) for n, size in enumerate(sizes)]


def held(
    documents: Documents, fraction: float = 0.1, hold_out: str = "auto", seed: int = 1
) -> list[int] | None:
    chosen = choose(documents, fraction, hold_out, seed)
    return None if chosen is None else np.flatnonzero(chosen).tolist()


def test_a_single_text_keeps_its_end() -> None:
    assert held(whole_files(files(1000))) is None
    assert held(whole_files(files(1000)), hold_out="documents") is None


def test_a_document_above_the_share_for_validation_makes_it_the_end_of_each() -> None:
    assert held(whole_files(files(500, *[10] * 50))) is None
    assert held(whole_files(files(10, 10, 10))) is None


def test_many_documents_are_drawn_whole() -> None:
    chosen = held(whole_files(files(*[10] * 50)))
    assert chosen is not None and len(chosen) == 5
    assert held(whole_files(files(*[10] * 50)), seed=2) != chosen
    assert held(whole_files(files(*[10] * 50)), hold_out="tails") is None


@given(
    sizes=st.lists(st.integers(1, 1000), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
)
def test_the_share_is_met_as_nearly_as_whole_documents_allow(
    sizes: list[int], fraction: float, seed: int
) -> None:
    chosen = held(whole_files(files(*sizes)), fraction, "documents", seed)
    assert chosen is not None and 0 < len(chosen) < len(sizes)
    off = abs(sum(sizes[n] for n in chosen) - fraction * sum(sizes))
    assert off <= max(sizes)


def test_a_document_keeps_its_side_when_others_are_added() -> None:
    before = held(whole_files(files(*[10] * 50)))
    after = held(whole_files(files(*[10] * 60)))
    assert before is not None and after is not None
    # More documents mean more for validation: those that were are, unless newer ones come first.
    stayed = set(before) & set(after)
    assert len(stayed) >= len(before) - len([n for n in after if n >= 50])


def test_all_nothing_and_what_is_named() -> None:
    documents = whole_files(files(10, 20, 30))
    assert held(documents, 1.0) == [0, 1, 2]
    assert held(documents, 0.0) == []
    assert held(whole_files(files(10, 20, 30, val=1)), 0.0) == [1]


def test_the_names_decide_and_not_where_the_data_lies() -> None:
    there = [Source(f"/other/{n}", f"{n}.txt", 10, 7, False) for n in range(50)]
    assert held(whole_files(there)) == held(whole_files(files(*[10] * 50)))


def test_separators_end_documents_and_are_no_part_of_them() -> None:
    found = separated(files(20, 6), {0: [np.array([5]), np.array([12])]}, 2)
    assert list(zip(found.file, found.start, found.end, strict=True)) == [
        (0, 0, 5),
        (0, 7, 12),
        (0, 14, 20),
        (1, 0, 6),
    ]


def test_nothing_between_separators_is_no_document() -> None:
    found = separated(files(6), {0: [np.array([0, 2, 4])]}, 2)
    assert len(found) == 0


@pytest.mark.parametrize(
    ("places", "between"),
    [([1, 2, 3, 4], [(0, 1), (5, 20)]), ([0, 1, 4, 5, 9], [(2, 4), (6, 9), (11, 20)])],
)
def test_overlapping_separators_are_read_from_the_front(
    places: list[int], between: list[tuple[int, int]]
) -> None:
    found = separated(files(20), {0: [np.array(places)]}, 2)
    assert list(zip(found.start.tolist(), found.end.tolist(), strict=True)) == between
