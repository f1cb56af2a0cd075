"""Numbers in words."""

from __future__ import annotations

import pytest

from mypt.text import rate


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.0, "0"), (3e-4, "3e-4"), (1.5e-4, "1.5e-4"), (0.05, "5e-2"), (0.1, "0.1"), (1.0, "1"),
     (9.99, "9.99"), (12345.0, "1.23e4"), (float("nan"), "nan"), (float("inf"), "inf")],
)  # fmt: skip
def test_a_learning_rate_is_short_and_plain_where_it_is_not_small(value: float | None, words: str) -> None:
    assert rate(value) == words
