"""How the screens look, as text, compared with files in `snapshots/`.

`MYPT_UPDATE_SNAPSHOTS=1` writes the files anew; look at what changed before you commit it.
"""

from __future__ import annotations

import difflib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.painted import painted
from tests.tui.still import still
from tests.tui.waiting import until
from tui.app import MyptApp

_FOLDER = Path(__file__).parent / "snapshots"
_UPDATE = bool(os.environ.get("MYPT_UPDATE_SNAPSHOTS"))
SCREENS: dict[str, list[str]] = {
    "home": [],
    "checkpoints": ["c"],
    "compare": ["c", "space", "down", "down", "space", "v"],
    "launch": ["n"],
    "preferences": ["ctrl+g"],
}

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the pictures have a time zone")


@pytest.fixture(autouse=True)
def zone() -> Any:
    yield
    os.environ.pop("TZ", None)
    time.tzset()


async def at_rest(pilot: Pilot[Any]) -> str:
    """What is painted once nothing moves any more: the same for as long as a picture may be put off."""
    text, since = "", time.monotonic()

    def rests() -> bool:
        nonlocal text, since
        if (now := painted(pilot.app)) != text:
            text, since = now, time.monotonic()
        return time.monotonic() - since > 2.0

    await until(pilot, rests)
    return text


def compare(name: str, text: str) -> list[str]:
    """What is otherwise in `text` than in the file of that name, as lines of a diff."""
    path = _FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in text.split("\n")) + "\n"
    if _UPDATE:
        path.write_text(text, encoding="utf-8")
        return []
    before, now = path.read_text(encoding="utf-8").split("\n"), text.split("\n")
    return list(difflib.unified_diff(before, now, path.name, "painted", lineterm=""))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
async def test_screens_look_as_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    app = MyptApp(still(tmp_path, monkeypatch))
    wrong = []
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: len(app.live.bundles) == 3 and len(app.live.workspace.runs) == 3)
        await until(pilot, lambda: all(run.known for run in app.live.workspace.runs))
        # The first one is chosen before all have been read.
        app.screen.select("logs/train/dante_eval.jsonl")  # type: ignore[attr-defined]
        for screen, keys in SCREENS.items():
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            text = await at_rest(pilot)
            wrong += compare(f"{screen}-{size[0]}x{size[1]}", text)
            while len(app.screen_stack) > 1:
                await app.pop_screen()
            await pilot.pause()
    assert not wrong, "\n".join(wrong)
