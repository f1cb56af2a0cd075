"""What is typed while a screen opens: it is for the new screen, and nothing that goes wrong there holds it up."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Input

from tests.tui.test_checkpoints_screen import save
from tests.tui.waiting import until
from tui import typeahead
from tui.app import MyptApp
from tui.screens.launch import LaunchScreen
from tui.screens.launch.panes import PresetPane
from tui.screens.sample import SampleScreen
from tui.screens.sample.prompt import PromptField


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


def type_on(app: MyptApp, *keys: str) -> None:
    """As a terminal hands them over: one behind the other, and nobody waits for what any of them does."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_what_is_typed_behind_the_key_of_a_form_goes_into_the_form(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.screen_stack)
        type_on(app, "n", "1", "tab", "q", "x")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.query(PresetPane))
        name = app.screen.query_one(PresetPane).name_field
        await until(pilot, lambda: name.value.endswith("qx"))


async def test_a_prompt_gets_every_letter_that_was_typed_behind_the_way_to_it(tmp_path: Path) -> None:
    save(tmp_path, "dante")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.live.bundles)
        type_on(app, "c", "g", *"query")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen) and app.screen.query(PromptField))
        screen = app.screen
        assert isinstance(screen, SampleScreen)
        await until(pilot, lambda: screen.prompt.text == "query")


class Stuck(Screen[None]):
    """Reads for ever."""

    BINDINGS = [("escape", "dismiss")]  # noqa: RUF012
    takes_keys = False

    def compose(self) -> ComposeResult:
        yield Input()


async def test_escape_leaves_a_screen_that_still_reads_and_takes_what_was_typed_along(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test() as pilot:
        stuck = Stuck()
        await app.push_screen(stuck)
        await pilot.pause()
        await pilot.press("a", "q")
        assert stuck.query_one(Input).value == ""
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not stuck)
        await pilot.pause()
        assert app.is_running
        assert app.return_code is None


async def test_a_screen_that_never_gets_ready_holds_keys_up_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typeahead, "_OPENING_AT_MOST_S", 0.3)
    app = MyptApp(tmp_path)
    async with app.run_test() as pilot:
        stuck = Stuck()
        await app.push_screen(stuck)
        type_on(app, "a", "b")
        await until(pilot, lambda: stuck.query_one(Input).value == "ab")
