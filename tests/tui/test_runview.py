from __future__ import annotations

import json
from pathlib import Path

import pytest

from mypt import events
from mypt.events import LogWriter
from mypt.watch.inventory import Workspace
from mypt.watch.run import Run
from tests.tui.logs import write_run
from tui.prefs import Preferences
from tui.runview import SORTS, RunView


@pytest.fixture
def prefs(tmp_path: Path) -> Preferences:
    return Preferences(tmp_path / "dashboard.json")


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    ws = tmp_path / "ws"
    for number, name in enumerate(("dante", "beatrice", "virgil", "dante_ft")):
        with LogWriter(write_run(ws, name, evals=number + 2)) as log:
            log.write(events.Train(iter=90, lr=10.0**-number, train_loss=1.0))
    workspace = Workspace(ws)
    workspace.load()
    return workspace.runs


def names(found: list[Run]) -> list[str]:
    return [run.name for run in found]


def key(runs: list[Run], name: str) -> str:
    return next(run.key for run in runs if run.name == name)


def test_without_anything_set_all_are_there_as_they_come(prefs: Preferences, runs: list[Run]) -> None:
    assert RunView(prefs, Path("/w")).arrange(runs) == runs


def test_filter_sort_pin_and_hide_work_together(prefs: Preferences, runs: list[Run]) -> None:
    told: list[None] = []
    view = RunView(prefs, Path("/w"), lambda: told.append(None))
    view.sort_by("name")
    assert names(view.arrange(runs)) == ["beatrice", "dante", "dante_ft", "virgil"]
    view.sort_by("name")
    assert names(view.arrange(runs)) == ["virgil", "dante_ft", "dante", "beatrice"]
    assert view.pin(key(runs, "dante"))
    assert names(view.arrange(runs))[0] == "dante"
    assert view.hide(key(runs, "virgil"))
    assert names(view.arrange(runs)) == ["dante", "dante_ft", "beatrice"]
    assert view.set_filter("lr<0.5 -beatrice", runs) == ""
    assert names(view.arrange(runs)) == ["dante_ft"]
    assert view.toggle_hidden()
    assert names(view.arrange(runs)) == ["virgil", "dante_ft"] or names(view.arrange(runs)) == [
        "dante_ft",
        "virgil",
    ]
    assert view.words == "by name, turned · / lr<0.5 -beatrice · 1 hidden"
    assert len(told) == 6


def test_what_is_hidden_is_no_longer_pinned_and_the_other_way_round(
    prefs: Preferences, runs: list[Run]
) -> None:
    view = RunView(prefs, Path("/w"))
    dante = key(runs, "dante")
    view.pin(dante)
    view.hide(dante)
    assert view.pinned == ()
    view.pin(dante)
    assert view.hidden == frozenset()
    assert not view.pin(dante)
    assert view.pinned == ()


def test_a_wrong_filter_changes_nothing_and_says_why(prefs: Preferences, runs: list[Run]) -> None:
    view = RunView(prefs, Path("/w"))
    view.set_filter("dante", runs)
    assert "did you mean learning_rate?" in view.set_filter("learning_rat>1", runs)
    assert view.filter == "dante"
    assert names(view.arrange(runs)) == names([run for run in runs if "dante" in run.name])


def test_a_name_that_is_being_written_empties_no_list(prefs: Preferences, runs: list[Run]) -> None:
    view = RunView(prefs, Path("/w"))
    for end in range(1, len("learning_r") + 1):
        view.set_filter("dante learning_r"[: 6 + end], runs, writing=True)
        assert view.arrange(runs)
    view.set_filter("dante learning_r", runs)
    assert view.arrange(runs) == []
    assert "No run matches dante learning_r" in view.why_empty(runs)


def test_all_hidden_says_how_to_see_them(prefs: Preferences, runs: list[Run]) -> None:
    view = RunView(prefs, Path("/w"))
    for run in runs:
        view.hide(run.key)
    assert view.arrange(runs) == []
    assert "H shows them" in view.why_empty(runs)
    first = view.first(runs)
    assert first is not None


def test_it_is_there_again_for_this_workspace_alone(prefs: Preferences, runs: list[Run]) -> None:
    view = RunView(prefs, Path("/w"))
    view.set_filter("odd_thing=3", [])
    view.set_filter("state:fin", runs)
    view.sort_by("val")
    view.pin(runs[0].key)
    view.hide(runs[1].key)
    read = Preferences(prefs.path)
    again = RunView(read, Path("/w"))
    assert (again.filter, again.sort, again.pinned) == ("state:fin", "val", (runs[0].key,))
    assert names(again.arrange(runs)) == names(view.arrange(runs))
    assert RunView(read, Path("/other")).arrange(runs) == runs


@pytest.mark.parametrize(
    "kept",
    [
        [],
        {"/w": 3},
        {"/w": {"filter": 3, "sort": [], "pinned": "x", "hidden": [1, None], "reverse": "no"}},
        {"/w": {"filter": "learning_rate>", "sort": "nothing_has_it"}},
    ],
)
def test_preferences_that_a_hand_has_spoilt(tmp_path: Path, runs: list[Run], kept: object) -> None:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps({"runs": kept}))
    view = RunView(Preferences(path), Path("/w"))
    assert sorted(names(view.arrange(runs))) == sorted(names(runs))
    view.pin(runs[0].key)
    assert view.arrange(runs)[0] is runs[0]


def test_a_key_goes_through_the_orders(prefs: Preferences, runs: list[Run]) -> None:
    view = RunView(prefs, Path("/w"))
    seen = []
    for _ in SORTS:
        view.next_sort()
        seen.append(view.sort)
        assert len(view.arrange(runs)) == len(runs)
    assert sorted(seen) == sorted(SORTS)
    assert view.sort == SORTS[0]


def test_what_trains_is_looked_at_first(prefs: Preferences, tmp_path: Path) -> None:
    ws = tmp_path / "other"
    write_run(ws, "live", complete=False)
    write_run(ws, "over")
    workspace = Workspace(ws)
    workspace.load()
    first = RunView(prefs, Path("/w")).first(workspace.runs)
    assert first is not None
    assert first.name == "live"
    assert RunView(prefs, Path("/w")).first([]) is None


def test_a_run_that_has_another_key_stays_pinned_or_hidden(prefs: Preferences) -> None:
    told: list[None] = []
    view = RunView(prefs, Path("/w"), lambda: told.append(None))
    view.pin("a")
    view.pin("b")
    view.hide("c")
    told.clear()
    view.follow(lambda key: key)
    assert not told, "nothing is drawn for nothing"
    view.follow(lambda key: {"a": "x", "c": "z"}.get(key, key))
    assert view.pinned == ("x", "b") and view.hidden == {"z"} and told == [None]
    again = RunView(prefs, Path("/w"))
    assert again.pinned == ("x", "b") and again.hidden == {"z"}
