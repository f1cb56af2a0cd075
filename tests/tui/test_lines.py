"""The last line of a screen: keys that do what it says, whatever has the focus, and the way back always in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.screen import Screen
from textual.widgets import Input

from tui.app import MyptApp
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.compare import CompareScreen
from tui.screens.home import HomeScreen
from tui.screens.home.words import ranks
from tui.screens.launch import LaunchScreen
from tui.widgets.lines import KeyLine, TopLine, short_path

SCREENS: list[Any] = [HomeScreen, LaunchScreen, CheckpointsScreen, lambda: CompareScreen(["a", "b"])]


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


def line(screen: Screen[Any]) -> str:
    return screen.query_one(KeyLine).render().plain


@pytest.mark.parametrize("make", SCREENS)
@pytest.mark.parametrize("width", [80, 120])
async def test_the_way_back_and_to_everything_else_is_in_sight(tmp_path: Path, make: Any, width: int) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(width, 24)) as pilot:
        screen = app.screen
        if make is not HomeScreen:
            screen = make()
            await app.push_screen(screen)
        await pilot.pause()
        said = line(screen)
        assert len(said.rstrip()) <= screen.query_one(KeyLine).size.width
        assert "^p More" in said and " Keys" in said
        assert ("q Quit" if make is HomeScreen else "esc Back") in said


@pytest.mark.parametrize("make", SCREENS)
async def test_every_key_of_the_line_is_bound_to_what_it_says(tmp_path: Path, make: Any) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(200, 24)) as pilot:
        screen = make()
        await app.push_screen(screen)
        await pilot.pause()
        bound = {
            (key, binding.action)
            for where in (screen, app)
            for key, bindings in where._bindings.key_to_bindings.items()
            for binding in bindings
        }
        for action in screen.query_one(KeyLine)._actions:
            assert {(key, action.name) for key in action.keys.split(",")} <= bound


async def test_where_one_types_only_keys_that_type_nothing_are_offered(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = LaunchScreen()
        await app.push_screen(screen)
        await pilot.pause()
        screen.query_one("#presets").focus()
        await pilot.pause()
        assert "? Keys" in line(screen)
        screen.query_one("#name", Input).focus()
        await pilot.pause()
        assert "f1 Keys" in line(screen) and "? Keys" not in line(screen)
        assert "q Quit" not in line(screen).replace("^q Quit", "")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, "~/projects/language/models/2026/poems"),
        (36, "~/…/language/models/2026/poems"),
        (20, "~/…/2026/poems"),
        (12, "~/…/poems"),
        (7, "…/poems"),
        (5, "po…ms"),
        (1, "…"),
        (0, ""),
    ],
)
def test_a_path_is_shortened_in_its_middle(width: int, shown: str) -> None:
    assert short_path("~/projects/language/models/2026/poems", width) == shown


@pytest.mark.parametrize("path", ["/" + "物語" * 30, "a" * 300, "/", "~", "", "/x/" + "é" * 50 + "/y"])
def test_no_path_is_wider_than_its_room(path: str) -> None:
    assert all(cell_len(short_path(path, width)) <= width for width in range(80))


@pytest.mark.parametrize("width", [40, 80, 120])
async def test_the_first_line_keeps_what_matters_however_long_the_path_is(tmp_path: Path, width: int) -> None:
    place = tmp_path / ("long_name_" * 9) / ("of_a_folder_" * 5) / "poems"
    place.mkdir(parents=True)
    app = MyptApp(place)
    async with app.run_test(size=(width, 24)) as pilot:
        await pilot.pause()
        top = app.screen.query_one(TopLine)
        top.right = "3 running"
        said = top.render().plain
        assert cell_len(said) == width - 2 and said.startswith("MyPT  ") and said.endswith("  3 running")
        assert "poems" in said and "…" in said
        await app.push_screen(CheckpointsScreen())
        await pilot.pause()
        assert "poems  ›  checkpoints" in app.screen.query_one(TopLine).render().plain


@pytest.mark.parametrize(
    ("seconds", "speed", "said"),
    [
        ([2.0, 2.2], 1000.0, "2 × 500 tok/s, rank 1 slowest by 10%"),
        ([3.0, 1.0, 1.0, 1.0], None, "4, rank 0 slowest by 200%"),
        ([1.0, 1.01], 1000.0, "2 × 500 tok/s, evenly"),
        ([1.0], 1000.0, None),
        ([], None, None),
        ([1.0, float("nan")], 1.0, None),
        ([0.0, -1.0], 1.0, None),
        ([1e-300, 1e300], 1.0, "2 × 0.5 tok/s, rank 1 slowest by 9900%"),
        ([1.0] * 100_000, 1.0, None),
    ],
)
def test_ranks_are_told_by_the_slowest(seconds: list[float], speed: float | None, said: str | None) -> None:
    assert ranks(seconds, speed) == said
