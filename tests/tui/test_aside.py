"""Beside the screen: in order, and waited for no longer than a moment."""

from __future__ import annotations

import threading

import pytest

from tui.aside import Aside


def test_what_is_quick_is_there_at_once() -> None:
    assert Aside().do(lambda: 7, 0) == 7


def test_what_is_late_is_not_waited_for_and_done_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.aside.MOMENT_S", 0.05)
    aside, answers, done = Aside(), threading.Event(), threading.Event()
    order: list[str] = []

    def slow() -> int:
        answers.wait(30)
        order.append("slow")
        return 1

    assert aside.do(slow, -1) == -1
    monkeypatch.setattr("tui.aside.MOMENT_S", 30.0)
    # What comes after it waits for it, and nobody for that.
    assert aside.do(lambda: order.append("next"), None) is None
    aside.do(done.set, None)
    assert order == []
    answers.set()
    assert done.wait(30)
    assert order == ["slow", "next"]


def test_what_fails_stops_nothing() -> None:
    aside = Aside()

    def fails() -> int:
        raise OSError("no room")

    assert aside.do(fails, 3) == 3
    assert aside.do(lambda: 4, 0) == 4
