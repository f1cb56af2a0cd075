"""What no test of the dashboard may touch, what a person has copied; and patience with a busy machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.toasts import keep_toasts
from tui import clipboard


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(clipboard.VARIABLE, str(folder))
    return folder


@pytest.fixture(autouse=True)
def a_busy_machine_is_no_broken_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on a disk is there when a test looks, however many tests run beside it."""
    monkeypatch.setattr("tui.aside.MOMENT_S", 30.0)


@pytest.fixture(autouse=True)
def what_was_told_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_toasts(monkeypatch)
