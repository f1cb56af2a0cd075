"""What no test of the dashboard may touch: what a person has copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui import clipboard


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(clipboard.VARIABLE, str(folder))
    return folder
