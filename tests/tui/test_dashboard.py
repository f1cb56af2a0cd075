"""What every screen may ask of the program."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mypt.watch.inventory import Workspace
from tests.tui.logs import write_run
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui import clipboard
from tui.app import MyptApp
from tui.prefs import Preferences


async def test_what_is_copied_is_kept_in_a_file_for_its_owner_and_said(tmp_path: Path) -> None:
    app = MyptApp(tmp_path, prefs=Preferences(tmp_path / "prefs.json"))
    async with app.run_test() as pilot:
        for text in ("mypt train --model_name dante", "another é"):
            app.copy(text, "the command")
        await pilot.pause()
        path = clipboard.copy_file()
        assert path.read_text(encoding="utf-8") == "another é"
        if os.name != "nt":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        (*_, toast) = toasts(app)
        assert toast.title == "Copied: the command"
        assert "OSC 52" in toast.message and str(path) in toast.message.replace("~", str(Path.home()))


async def test_a_picture_of_any_screen_lands_in_the_workspace(tmp_path: Path) -> None:
    write_run(tmp_path, "[red]\x1b[2J <svg> & ]]>")
    app = MyptApp(tmp_path, prefs=Preferences(tmp_path / "prefs.json"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.live.workspace.runs and app.live.workspace.runs[0].known)
        await pilot.press("f12")
        await pilot.pause()
        await pilot.press("question_mark", "f12")
        await pilot.pause()
        pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
        assert len(pictures) == 2
        assert pictures[0].startswith("help-20") and pictures[1].startswith("home-20")
        for name in pictures:
            text = (tmp_path / "pictures" / name).read_text(encoding="utf-8")
            assert ElementTree.fromstring(text).tag.endswith("svg") and "\x1b" not in text
        assert [toast.title for toast in toasts(app)] == ["Picture saved"] * 2


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
        await until(pilot, lambda: toasts(app))
        (toast,) = toasts(app)
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
