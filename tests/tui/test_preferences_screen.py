"""The preferences: every one can be set, holds at once, and is there again."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.logs import write_run
from tests.tui.painted import painted
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui import themes
from tui.app import MyptApp
from tui.chart.widget import Chart
from tui.prefs import DEFAULTS, Preferences
from tui.screens.preferences import PreferencesScreen
from tui.screens.preferences.options import NO, OPTIONS, YES, command_of
from tui.screens.preferences.screen import Row
from tui.widgets.editors import Choice, Field


def opened(workspace: Path) -> MyptApp:
    return MyptApp(workspace, prefs=Preferences(workspace / "prefs.json"))


async def preferences(pilot: Pilot[None]) -> PreferencesScreen:
    await pilot.press("ctrl+g")
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, PreferencesScreen)
    return screen


def editor(screen: PreferencesScreen, name: str) -> Choice | Field:
    found = next(row.editor for row in screen.query(Row) if row.option.name == name)
    assert isinstance(found, Choice | Field)
    return found


def test_every_option_is_a_preference_with_help() -> None:
    assert {option.name for option in OPTIONS} <= set(DEFAULTS)
    assert all(option.label and len(option.help) > 20 for option in OPTIONS)


async def test_yes_and_no_are_kept_and_help_follows_the_focus(tmp_path: Path) -> None:
    app = opened(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await preferences(pilot)
        for option in OPTIONS:
            if option.words and option.name != "plain_signs":
                choice = editor(screen, option.name)
                choice.focus()
                await pilot.pause()
                assert option.help[:30] in painted(app)
                before = choice.value
                await pilot.press("right")
                await pilot.pause()
                assert choice.value == (NO if before == YES else YES)
                assert app.prefs[option.name] is not DEFAULTS[option.name]
    kept = json.loads((tmp_path / "prefs.json").read_text())
    assert kept["bell"] is True and kept["alert_gold"] is False


async def test_themes_are_tried_on_as_one_walks_through_them(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    app = opened(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await preferences(pilot)
        choice = editor(screen, "theme")
        assert choice.has_focus
        met = {app.theme}
        for _ in range(len(app.available_themes) - 1):
            await pilot.press("right")
            await pilot.pause()
            met.add(app.theme)
        assert met == set(app.available_themes) and themes.ANSI.name in met
        await pilot.press("right")
        await pilot.pause()
        assert app.theme == "mypt-dark"
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert choice.value == "mypt-light", "what is changed elsewhere shows"
    assert Preferences(tmp_path / "prefs.json")["theme"] == "mypt-light"


async def test_a_theme_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "prefs.json").write_text('{"theme": "nordd\\u001b[2J"}')
    app = opened(tmp_path)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "mypt-dark"
        assert any("theme: there is none called nordd\\x1b[2J" in t.message for t in toasts(app))


async def test_plain_signs_hold_on_every_screen_at_once(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    app = opened(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.live.workspace.runs and app.screen.query_one(Chart).data.curves)
        await pilot.pause(0.5)
        assert not painted(app).isascii()
        screen = await preferences(pilot)
        await pilot.press("down", "right")
        await pilot.pause()
        assert editor(screen, "plain_signs").value == YES
        assert painted(app).isascii(), painted(app)
        await pilot.press("escape")
        await pilot.pause()
        for key in ("", "question_mark", "escape", "n", "escape", "c"):
            if key:
                await pilot.press(key)
                await pilot.pause()
            assert painted(app).isascii(), key
        assert "  >  checkpoints" in painted(app)
    again = opened(tmp_path)
    async with again.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert painted(again).isascii() and again.screen.query_one(Chart).ascii_only


async def test_a_command_is_typed_checked_tried_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "told"
    code = f"import sys; open({str(out)!r}, 'w').write(' | '.join(sys.argv[1:]))"
    line = shlex.join([sys.executable, "-c", code])
    app = opened(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await preferences(pilot)
        field = editor(screen, "alert_command")
        assert isinstance(field, Field)
        field.focus()
        field.value = "say 'x"
        await pilot.pause()
        assert "close the quotation mark" in painted(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.prefs["alert_command"] == []
        field.value = "no-such-program-anywhere"
        await pilot.pause()
        assert "no such program here" in painted(app)
        field.value = line
        await pilot.press("f5")
        await pilot.pause()
        await app.workers.wait_for_complete([w for w in app.workers if w.group == "alerts"])
        assert out.read_text() == "finished | a run | this is how an alert arrives"
        assert any(toast.title == "A run finished" for toast in toasts(app))
        await pilot.press("escape")
    assert Preferences(tmp_path / "prefs.json")["alert_command"] == shlex.split(line)


async def test_they_are_reached_from_every_screen_and_only_once(tmp_path: Path) -> None:
    app = opened(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        for key in ("c", "n"):
            await pilot.press(key)
            await pilot.pause()
            below = app.screen
            await preferences(pilot)
            depth = len(app.screen_stack)
            await pilot.press("ctrl+g")
            await pilot.pause()
            assert len(app.screen_stack) == depth
            await pilot.press("escape")
            await pilot.pause()
            assert app.screen is below
            await pilot.press("escape")
            await pilot.pause()


@pytest.mark.parametrize(
    ("text", "argv"), [("", []), ("  ", []), ("sh -c 'a b' \"{run}\"", ["sh", "-c", "a b", "{run}"])]
)
def test_commands_are_split_as_a_shell_would(text: str, argv: list[str]) -> None:
    assert command_of(text) == (argv, "")
