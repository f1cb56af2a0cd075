"""The list of keys: every action of the screen behind it, in words, and no key that does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.tui.logs import write_run
from tui.app import MyptApp
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.compare import CompareScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.launch import LaunchScreen


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


async def opened(pilot: Pilot[None]) -> HelpScreen:
    await pilot.press("f1")
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, HelpScreen)
    return screen


async def test_arrows_of_one_action_stand_on_one_line(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 50)) as pilot:
        told = (await opened(pilot)).areas()
        keys = [key for entries in told.values() for key, _ in entries]
        assert keys.count("←→") == 1 and "→" not in keys
        assert "+, =" in keys and "?, f1" in keys
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)


async def test_keys_that_scroll_nothing_are_not_listed(tmp_path: Path) -> None:
    write_run(tmp_path, "one")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 50)) as pilot:
        while app.screen.focused is None or not app.live.workspace.runs:
            await pilot.pause(0.02)
        told = (await opened(pilot)).areas()
        focus = dict(told["In focus: the list of runs"])
        assert "The run above" in focus.values()
        assert not any("Scroll" in what for what in focus.values())


@pytest.mark.parametrize(
    "make", [HomeScreen, LaunchScreen, CheckpointsScreen, lambda: CompareScreen(["a", "b"])]
)
async def test_every_action_of_every_screen_is_listed(tmp_path: Path, make: type[Screen[None]]) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 50)) as pilot:
        screen = make()
        await app.push_screen(screen)
        await pilot.pause()
        told = (await opened(pilot)).areas()
        said = {what for entries in told.values() for _, what in entries}
        actions = getattr(screen, "ACTIONS", ())
        missing = {action.name for action in actions if action.help not in said}
        assert missing <= {"cursor(1)"}
