"""What every screen may ask of the program."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mypt.watch.inventory import Workspace
from tui.app import MyptApp
from tui.prefs import Preferences


async def test_a_name_that_is_not_utf_8_can_be_copied(tmp_path: Path) -> None:
    app = MyptApp(tmp_path, prefs=Preferences(tmp_path / "prefs.json"))
    async with app.run_test():
        app.copy_to_clipboard("mypt train --input_file t\udcff.txt")
        assert app.clipboard == "mypt train --input_file t\\udcff.txt"


async def test_a_picture_that_stands_still_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(workspace: Workspace, budget_s: float) -> None:
        raise RuntimeError("nobody thought of\x1b this")

    monkeypatch.setattr(Workspace, "poll", broken)
    app = MyptApp(tmp_path, prefs=Preferences(tmp_path / "prefs.json"))
    async with app.run_test() as pilot:
        for _ in range(500):
            if app._notifications:
                break
            await pilot.pause()
            await asyncio.sleep(0.01)
        (toast,) = app._notifications
        assert toast.title == "This picture stands still" and toast.severity == "error"
        assert "RuntimeError: nobody thought of\\x1b this" in toast.message


def test_a_number_that_json_lacks_does_not_keep_preferences_from_being_set(tmp_path: Path) -> None:
    path = tmp_path / "prefs.json"
    path.write_text('{"log_y": true, "by_hand": NaN}')
    prefs = Preferences(path)
    assert prefs["log_y"] is True
    prefs["axis"] = "time"
    assert prefs["axis"] == "time"
    assert Preferences(path)["axis"] == "time" and "by_hand" not in json.loads(path.read_text())
