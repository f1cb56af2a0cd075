"""A user's own keys: what is taken, what is refused and why, and that they work, are shown and are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from tests.tui.logs import write_run
from tests.tui.painted import painted
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.keys import Bound, canonical, catalogue, judge
from tui.prefs import Preferences
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.help import HelpScreen
from tui.screens.preferences import PreferencesScreen
from tui.screens.preferences.keys import KeysScreen, PressKey
from tui.widgets.lines import KeyLine


def bound(
    id: str, *keys: str, owner: str = "one", kind: str = "screen", room: str = "tui.screens.one"
) -> Bound:
    return Bound(id, keys, id.title(), f"does {id}", "Area", owner, kind, room)


STOP, RESUME = bound("runs.stop", "s"), bound("runs.resume", "r")
QUIT = bound("general.quit", "q", owner="app", kind="app", room="tui")
LIST = bound("list.up", "up", "k", owner="list", kind="widget", room="tui.screens.one")
CHART = bound("chart.log", "y", owner="chart", kind="widget", room="tui.chart")
MODAL = bound("confirm.yes", "y", owner="confirm", kind="modal", room="tui.widgets")
OTHER = bound("other.open", "o", owner="two", room="tui.screens.two")
ALL = [STOP, RESUME, QUIT, LIST, CHART, MODAL, OTHER]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("s", "s"),
        ("S", "S"),
        ("shift+s", "S"),
        ("?", "question_mark"),
        ("+", "plus"),
        ("ctrl+S", "ctrl+s"),
        ("CTRL+shift+left", "ctrl+shift+left"),
        ("comma", "comma"),
        ("F5", "f5"),
        (" space ", "space"),
    ],
)
def test_keys_are_understood_as_people_write_them(written: str, key: str) -> None:
    assert canonical(written) == key


@pytest.mark.parametrize(
    ("written", "said"), [("lefft", "left?"), ("ctlr+x", "ctrl?"), ("", "no key"), ("\x1b[2J", "\\x1b")]
)
def test_what_is_no_key_is_refused_with_the_nearest(written: str, said: str) -> None:
    with pytest.raises(ValueError) as raised:
        canonical(written)
    assert said in str(raised.value) and "\x1b" not in str(raised.value)


def test_a_map_is_taken() -> None:
    judged = judge({"runs.stop": "x,f7", "chart.log": ["L"]}, ALL)
    assert judged.taken == {"runs.stop": "x,f7", "chart.log": "L"} and not judged.problems


def test_the_map_that_the_guide_shows_is_taken() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    shown = [line for line in guide.splitlines() if line.startswith('{"keys": ')]
    assert shown
    for line in shown:
        assert not judge(json.loads(line)["keys"], catalogue()).problems


def test_two_keys_may_change_places() -> None:
    judged = judge({"runs.stop": "r", "runs.resume": "s"}, ALL)
    assert judged.taken == {"runs.stop": "r", "runs.resume": "s"} and not judged.problems


@pytest.mark.parametrize(
    ("wanted", "taken", "said"),
    [
        ({"runs.stop": "r"}, {}, "keys: runs.stop: r is the key of runs.resume (Runs.Resume)"),
        ({"runs.stop": "q"}, {}, "q is the key of general.quit"),
        ({"general.quit": "o"}, {}, "o is the key of other.open"),
        ({"runs.stop": "k"}, {}, "k is the key of list.up"),
        ({"runs.stop": "y"}, {}, "y is the key of chart.log"),
        (
            {"runs.stop": "x", "runs.resume": "x"},
            {"runs.stop": "x"},
            "keys: runs.resume: x is the key of runs.stop",
        ),
        ({"runs.stopp": "x"}, {}, "keys: runs.stopp is no action; runs.stop?"),
        ({"runs.stop": 7}, {}, 'keys: runs.stop: must be a text such as "S"'),
        ({"runs.stop": "x,spcae"}, {}, "spcae is no key; space?"),
        ({"runs.stop": ""}, {}, "no key is named"),
        ({"\x1b[2J": "x"}, {}, "keys: \\x1b[2J is no action"),
    ],
)
def test_what_is_wrong_is_named_and_left_out(
    wanted: dict[str, Any], taken: dict[str, str], said: str
) -> None:
    judged = judge(wanted, ALL)
    assert judged.taken == taken
    (problem,) = judged.problems
    assert said in problem and "\x1b" not in problem


def test_the_same_key_elsewhere_is_no_clash() -> None:
    assert not judge({"runs.stop": "o", "confirm.yes": "s", "other.open": "s"}, ALL).problems


def test_every_binding_of_ours_has_an_id_and_words() -> None:
    bounds = catalogue()
    assert {"runs.stop", "chart.zoom-in", "confirm.yes", "general.quit", "help.filter"} <= {
        b.id for b in bounds
    }
    without = [
        f"{node.__module__}.{node.__name__}: {binding.key}"
        for node in _ours()
        for binding in Binding.make_bindings(vars(node)["BINDINGS"])
        if binding.id is None
    ]
    assert not without
    assert not [b.id for b in bounds if not b.help or not b.label]


def test_by_default_no_two_actions_of_one_place_share_a_key() -> None:
    bounds = catalogue()
    for one in bounds:
        for other in bounds:
            if one.owner == other.owner and one.id != other.id:
                assert not set(one.keys) & set(other.keys), (one, other)


def test_by_default_no_screen_takes_a_key_that_works_everywhere() -> None:
    bounds = catalogue()
    everywhere = {key for bound in bounds if bound.kind == "app" for key in bound.keys}
    assert everywhere >= {"ctrl+p", "ctrl+g", "f12", "q"}
    assert not [b for b in bounds if b.kind in ("screen", "widget") and everywhere & set(b.keys)]


def _ours() -> list[type[Any]]:
    from textual.dom import DOMNode

    from tui.keys import _nodes

    catalogue()
    return [n for n in _nodes(DOMNode) if n.__module__.startswith("tui.") and "BINDINGS" in vars(n)]


async def test_mapped_keys_work_and_are_shown_everywhere(tmp_path: Path) -> None:
    prefs = tmp_path / "prefs.json"
    prefs.write_text(
        json.dumps({"keys": {"go-to.checkpoints": "C", "general.help": "f10", "chart.zoom-in": "Z"}})
    )
    write_run(tmp_path, "one")
    app = MyptApp(tmp_path, prefs=Preferences(prefs))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: bool(app.keys))
        await pilot.pause()
        assert " C Checkpoints" in app.screen.query_one(KeyLine).render().plain
        await pilot.press("c")
        await pilot.pause()
        assert not isinstance(app.screen, CheckpointsScreen)
        await pilot.press("C")
        await pilot.pause()
        assert isinstance(app.screen, CheckpointsScreen)
        await pilot.press("escape", "f10")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        told = [key for entries in app.screen.areas().values() for key, _ in entries]
        assert "C" in told and "f10" in told and "c" not in told
        await pilot.press("f10")
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)


async def test_what_is_not_taken_is_said_at_the_start(tmp_path: Path) -> None:
    prefs = tmp_path / "prefs.json"
    prefs.write_text(json.dumps({"keys": {"runs.stop": "n", "runs.rseume": "R"}}))
    app = MyptApp(tmp_path, prefs=Preferences(prefs))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: bool(toasts(app)))
        (toast,) = toasts(app)
        assert "prefs.json: keys: runs.stop: n is the key of runs.new (New run)" in toast.message
        assert "prefs.json: keys: runs.rseume is no action; runs.resume?" in toast.message
        assert str(prefs) in toast.title
        assert app.keys == {}


async def test_a_key_is_given_on_the_screen_kept_and_given_back(tmp_path: Path) -> None:
    prefs = tmp_path / "prefs.json"
    app = MyptApp(tmp_path, prefs=Preferences(prefs))
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert isinstance(app.screen, PreferencesScreen)
        await pilot.press("f2")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, KeysScreen)
        await until(pilot, lambda: bool(screen._bounds) and screen._chosen is not None)
        assert "Show all keys of this screen" in painted(app)
        while screen._chosen is None or screen._chosen.id != "runs.stop":
            await pilot.press("down")
            await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, PressKey)
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(app.screen, PressKey), "n belongs to New run"
        assert "n is the key of runs.new" in str(app.screen.query_one("#why").render())
        await pilot.press("W")
        await pilot.pause()
        assert app.screen_stack[-1] == screen and app.keys == {"runs.stop": "W"}
        assert json.loads(prefs.read_text())["keys"] == {"runs.stop": "W"}
        await pilot.press("backspace")
        await pilot.pause()
        assert app.keys == {} and json.loads(prefs.read_text())["keys"] == {}


async def test_the_list_of_keys_is_filtered_by_words_and_keys(tmp_path: Path) -> None:
    app = MyptApp(tmp_path, prefs=Preferences(tmp_path / "prefs.json"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = KeysScreen()
        await app.push_screen(screen)

        def chosen() -> str:
            return screen._chosen.id if screen._chosen else ""

        await until(pilot, lambda: bool(chosen()))
        first = chosen()
        actions = screen.query_one("#actions")

        def title() -> str:
            return actions.border_title or ""

        await pilot.press("slash", *"no q w")
        await until(pilot, lambda: "no action has these words" in painted(app))
        assert not chosen() and title().startswith("Your keys: 0 of ")
        await pilot.press("escape")
        await until(pilot, lambda: chosen() == first and title() == "Your keys")
        await pilot.press("slash", *"stop chart", "enter")
        await until(pilot, lambda: screen.focused is actions and "Your keys: 0" in title())
        await pilot.press("slash", *["backspace"] * 10, *"RUNS.STOP", "enter")
        await until(pilot, lambda: chosen() == "runs.stop")
        await pilot.press("slash", *["backspace"] * 9, "Y", "enter")
        await until(pilot, lambda: chosen() == "chart.log_metric")
        await pilot.press("slash", "backspace", *"RUNS.STOP", "enter")
        await until(pilot, lambda: chosen() == "runs.stop")
        # What was found can be given a key, and is found by that key.
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PressKey))
        await pilot.press("f14")
        await until(pilot, lambda: app.screen is screen and app.keys == {"runs.stop": "f14"})
        await pilot.press("slash", *["backspace"] * 9, *"f14", "enter")
        await until(pilot, lambda: "Your keys: 1 of" in title())
        assert chosen() == "runs.stop"
        await pilot.press("escape")
        await until(pilot, lambda: title() == "Your keys" and app.screen is screen)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)
