"""The list of keys: every action of the screen behind it, in words, and no key that does nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.tui.logs import write_run
from tests.tui.painted import painted
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.chart.widget import Chart
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.compare import CompareScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.launch import LaunchScreen
from tui.screens.preferences import PreferencesScreen
from tui.screens.preferences.keys import KeysScreen
from tui.widgets.confirm import Confirm


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
    "make",
    [
        HomeScreen,
        LaunchScreen,
        CheckpointsScreen,
        lambda: CompareScreen(["a", "b"]),
        PreferencesScreen,
        KeysScreen,
    ],
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


async def test_a_question_has_its_keys_too_and_the_way_back_to_it(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 50)) as pilot:
        question = Confirm("Sure?", "Yes")
        await app.push_screen(question)
        await pilot.pause()
        told = (await opened(pilot)).areas()
        assert told["Here"] == [("y", "Do it"), ("n, esc", "Leave it")]
        general = dict(told["General"])
        assert "?, f1" in general and "^t" not in general, "what does not work here is not listed"
        await pilot.press("question_mark")
        await pilot.pause()
        assert pilot.app.screen == question


async def test_letters_filter_and_the_list_scrolls_in_a_small_terminal(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(60, 14)) as pilot:
        screen = await opened(pilot)
        assert "Leave; what trains goes on" not in painted(app)
        await pilot.press("end")
        await pilot.pause()
        assert "Leave; what trains goes on" in painted(app)
        await pilot.press("slash", *"quit")
        await pilot.pause()
        assert "nothing here has these letters" in painted(app)
        await pilot.press(*["backspace"] * 4, *"LEAVE")
        await pilot.pause()
        text = painted(app)
        assert "q, ^q" in text and "Ask the run to save" not in text
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is screen and "Ask the run to save" in painted(app)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not screen


def first(begin: str) -> Callable[[list[str]], bool]:
    return lambda prompts: prompts[0].startswith(begin)


def among(text: str) -> Callable[[list[str]], bool]:
    return lambda prompts: any(text in prompt for prompt in prompts)


async def palette(pilot: Pilot[None], typed: str, offered: Callable[[list[str]], bool]) -> None:
    """Open the palette, type, and wait until what it offers for these letters is as it should be."""
    from textual.command import CommandList, CommandPalette

    await pilot.press("ctrl+p")
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, CommandPalette))
    found = app.screen.query_one(CommandList)
    # Before anything is typed it holds everything.
    await until(pilot, lambda: found.option_count > 20)
    await pilot.press(*typed)
    await until(pilot, lambda: 0 < found.option_count <= 20)
    await until(
        pilot,
        lambda: offered([str(found.get_option_at_index(n).prompt) for n in range(found.option_count)]),
        what=f"the palette for {typed}",
    )


async def test_the_palette_has_what_the_parts_of_the_screen_can_do(tmp_path: Path) -> None:
    write_run(tmp_path, "one")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 50)) as pilot:
        chart = app.screen.query_one(Chart)
        await until(pilot, lambda: chart.data.curves)
        for typed, found in (
            ("The chart: Pan left", "The chart: Pan left"),
            ("General: Picture", "Save a picture of this screen"),
            ("The list of runs: Last", "The last run"),
        ):
            await palette(pilot, typed, among(found))
            await pilot.press("escape")
        assert chart.window is None
        await palette(pilot, "The chart: Zoom in", first("The chart: Zoom in"))
        await pilot.press("down", "enter")
        await pilot.pause()
        assert chart.window is not None, "it did what its key does"


async def test_the_palette_finds_words_first_and_what_is_a_screen_away(tmp_path: Path) -> None:
    write_run(tmp_path, "one")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 50)) as pilot:
        chart = app.screen.query_one(Chart)
        await until(pilot, lambda: chart.data.curves)
        for typed, begin in (
            ("delete", "Checkpoints: Delete"),
            ("rename", "Checkpoints: Rename"),
            ("launch", "Runs: New run"),
            ("resume", "Runs: Resume"),
            ("stop", "Runs: Stop"),
            ("log", "Chart: Log y"),
            ("theme", "General: Theme"),
        ):
            await palette(pilot, typed, first(begin))
            await pilot.press("escape")
        await palette(pilot, "delete", first("Checkpoints: Delete"))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
