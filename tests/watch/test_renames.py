from __future__ import annotations

import pytest

from mypt.watch.renames import Renamed, log_of, present_log

RENAMES = (Renamed("a", "b", 1.0), Renamed("b", "c", 2.0), Renamed("x", "y", 3.0))


@pytest.mark.parametrize(
    ("log", "here", "now"),
    [
        (log_of("a"), {log_of("c")}, log_of("c")),
        (log_of("b"), {log_of("c")}, log_of("c")),
        # A later run may bear the old name.
        (log_of("a"), {log_of("a"), log_of("c")}, log_of("a")),
        # A log of a name of its own stays where it is, and so does what is not there at all.
        ("logs/mine.jsonl", {log_of("c")}, "logs/mine.jsonl"),
        (log_of("x"), {log_of("c")}, log_of("x")),
        (log_of("other"), set(), log_of("other")),
    ],
)
def test_a_log_is_found_under_the_present_name_of_its_model(log: str, here: set[str], now: str) -> None:
    assert present_log(log, RENAMES, here) == now


def test_a_name_that_came_back_leads_to_itself() -> None:
    renames = (Renamed("a", "b", 1.0), Renamed("b", "a", 2.0))
    assert present_log(log_of("b"), renames, {log_of("a")}) == log_of("a")
    assert present_log(log_of("a"), renames, {log_of("a")}) == log_of("a")
