"""Moments in words: a day is named where it is not today."""

from __future__ import annotations

from datetime import date

import pytest

from mypt.plotting.clock import stamp_labels

TODAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("stamps", "labels"),
    [
        (["2026-01-01T10:30:05", "2026-01-01T08:00:00+01:00"], ["10:30:05", "08:00:00"]),
        (["2026-01-01T10:30:05", "2025-12-30T08:00:00"], ["Thu 10:30", "Tue 08:00"]),
        (["2025-12-30T08:00:00"], ["Tue 08:00"]),
        (["2026-01-01T10:30:05", "2025-12-24T08:00:00"], ["Jan 01 10:30", "Dec 24 08:00"]),
        (["2026-01-01T10:30:05", "2024-12-24T08:00:00"], ["2026-01-01 10:30", "2024-12-24 08:00"]),
        (["2026-01-01T10:30:05", "", "no stamp at all, \x1b[31m"], ["10:30:05", " " * 8, " " * 8]),
        ([], []),
    ],
)
def test_all_stamps_of_a_list_have_one_form_that_says_which_day(stamps: list[str], labels: list[str]) -> None:
    assert stamp_labels(stamps, TODAY) == labels
