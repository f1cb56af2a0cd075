"""What every screen may ask of the program."""

from __future__ import annotations

import json
from pathlib import Path

from tui.app import MyptApp
from tui.prefs import Preferences


async def test_a_name_that_is_not_utf_8_can_be_copied(tmp_path: Path) -> None:
    app = MyptApp(tmp_path, prefs=Preferences(tmp_path / "prefs.json"))
    async with app.run_test():
        app.copy_to_clipboard("mypt train --input_file t\udcff.txt")
        assert app.clipboard == "mypt train --input_file t\\udcff.txt"


def test_a_number_that_json_lacks_does_not_keep_preferences_from_being_set(tmp_path: Path) -> None:
    path = tmp_path / "prefs.json"
    path.write_text('{"log_y": true, "by_hand": NaN}')
    prefs = Preferences(path)
    assert prefs["log_y"] is True
    prefs["axis"] = "time"
    assert prefs["axis"] == "time"
    assert Preferences(path)["axis"] == "time" and "by_hand" not in json.loads(path.read_text())
