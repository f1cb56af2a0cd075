"""Rename and delete from the tree, with the files that they change; and what a kill left behind."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button

from mypt import bundle, housekeeping
from mypt.bundle import Kind
from mypt.runs import record
from mypt.runs.lock import ModelLock
from tests.housekeeping.models import in_checkpoints, model, names, save
from tests.tui.toasts import said
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.checkpoints.deleting import DeleteScreen, wishes_for
from tui.screens.checkpoints.renaming import RenameScreen
from tui.screens.checkpoints.rows import tree_rows
from tui.screens.checkpoints.tree import BundleTree
from tui.screens.home import HomeScreen
from tui.widgets.editors import Field

ALL = ["dante", "dante_fp16", "dante_gold"]


@pytest.fixture(autouse=True)
def preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    model(tmp_path / "place", "dante")
    return tmp_path / "place"


@asynccontextmanager
async def shown(
    place: Path, *, size: tuple[int, int] = (120, 36), readonly: bool = False
) -> AsyncIterator[tuple[Pilot[None], CheckpointsScreen]]:
    app = MyptApp(place, readonly=readonly)
    async with app.run_test(size=size) as pilot:
        expected = len(bundle.list_bundles(place / "checkpoints"))
        await until(pilot, lambda: isinstance(app.screen, HomeScreen) and len(app.live.bundles) == expected)
        screen = CheckpointsScreen()
        await app.push_screen(screen)
        await pilot.pause()
        yield pilot, screen


def rows(screen: CheckpointsScreen) -> list[str]:
    return [row.key for row in screen.query_one(BundleTree).rows]


def text(screen: Screen[Any], where: str) -> str:
    return str(screen.query_one(where).render())


async def test_rename_moves_everything_and_keeps_the_line(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        await pilot.press("down", "R")
        await until(pilot, lambda: isinstance(pilot.app.screen, RenameScreen))
        pilot.app.screen.query_one("#new-name", Field).value = "virgil"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        await until(pilot, lambda: rows(screen) == ["virgil", "virgil_gold", "virgil_fp16"])
        await until(pilot, lambda: screen.row is not None and screen.row.key == "virgil")
        assert names(place) == ["virgil", "virgil_fp16", "virgil_gold"]
        assert (place / "logs" / "train" / "virgil_eval.jsonl").exists()
        assert "dante is called virgil now" in said(screen.app)


async def test_a_fine_tune_names_its_base_as_it_was_called_and_as_it_is(place: Path) -> None:
    save(place, "child", base="dante_gold")
    housekeeping.rename(place, "dante", "virgil")
    async with shown(place) as (pilot, screen):
        await pilot.press("end")
        await until(pilot, lambda: screen.row is not None and screen.row.key == "child")
        assert rows(screen) == ["virgil", "virgil_gold", "virgil_fp16", "child"]
        assert "fine-tuned from dante_gold (now virgil) at step 3" in text(screen, "#head")


async def test_what_is_wrong_with_a_name_is_said_while_it_is_typed(place: Path) -> None:
    save(place, "virgil_gold")
    async with shown(place) as (pilot, screen):
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(pilot.app.screen, RenameScreen))
        dialogue = pilot.app.screen
        field = dialogue.query_one("#new-name", Field)
        for typed, words in (
            ("virgil", "checkpoints/virgil_gold is there already"),
            ("a/b", "would leave checkpoints/"),
            ("x_fp16", "names ending in _fp16"),
            ("fine", ""),
        ):
            field.value = typed
            await until(pilot, lambda w=words: w in text(dialogue, "#rename-note"))  # type: ignore[misc]
        await until(pilot, lambda: text(dialogue, "#rename-note") == "")
        field.value = "virgil"
        await pilot.press("enter")
        await until(pilot, lambda: "virgil_gold" in text(dialogue, "#rename-note"))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert names(place) == [*ALL, "virgil_gold"]


async def test_rename_of_a_model_that_is_trained_elsewhere_is_refused_by_its_lock(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        with ModelLock(place, "dante").acquire(command=["mypt", "train"], run_id="r1"):
            await pilot.press("R")
            await until(pilot, lambda: isinstance(pilot.app.screen, RenameScreen))
            dialogue = pilot.app.screen
            dialogue.query_one("#new-name", Field).value = "virgil"
            await pilot.press("enter")
            await until(pilot, lambda: "is in use: held by" in text(dialogue, "#rename-note"))
            assert isinstance(dialogue, RenameScreen)
            await until(pilot, lambda: not dialogue.busy)
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)
        assert names(place) == ALL


async def test_enter_deletes_nothing_and_y_what_is_shown(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        await pilot.press("down", "D")
        await until(pilot, lambda: isinstance(pilot.app.screen, DeleteScreen))
        dialogue = pilot.app.screen
        await until(pilot, lambda: "dante_gold" in text(dialogue, "#what"))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert names(place) == ALL
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(pilot.app.screen, DeleteScreen))
        dialogue = pilot.app.screen
        await until(pilot, lambda: not dialogue.query_one("#delete", Button).disabled)
        assert "1 checkpoint, 1.49 kB" in text(dialogue, "#what")
        await pilot.press("y")
        await until(pilot, lambda: pilot.app.screen is screen)
        await until(pilot, lambda: rows(screen) == ["dante", "dante_fp16"])
        assert names(place) == ["dante", "dante_fp16"]
        assert any("1 checkpoint deleted" in words for words in said(screen.app))


async def test_the_whole_model_is_one_key_away_and_its_fine_tunes_are_named(place: Path) -> None:
    save(place, "child", base="dante")
    async with shown(place) as (pilot, screen):
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, DeleteScreen))
        dialogue = pilot.app.screen
        assert "● the last checkpoint alone" in text(dialogue, "#wishes")
        await pilot.press("right")
        await until(pilot, lambda: "3 checkpoints" in text(dialogue, "#what"))
        assert "fine-tuned from it: child. They stay" in text(dialogue, "#what")
        await until(pilot, lambda: not dialogue.query_one("#delete", Button).disabled)
        await pilot.press("y")
        await until(pilot, lambda: rows(screen) == ["dante", "child"])
        row = screen.query_one(BundleTree).rows[0]
        assert row.gone and names(place) == ["child"]
        await pilot.press("home", "D")
        await pilot.pause()
        assert pilot.app.screen is screen and "is not here already" in said(screen.app)[-1]


async def test_marked_ones_are_deleted_together(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        await pilot.press("down", "space", "down", "space", "D")
        await until(pilot, lambda: isinstance(pilot.app.screen, DeleteScreen))
        dialogue = pilot.app.screen
        await until(pilot, lambda: "2 checkpoints" in text(dialogue, "#what"))
        await until(pilot, lambda: not dialogue.query_one("#delete", Button).disabled)
        await pilot.press("y")
        await until(pilot, lambda: rows(screen) == ["dante"])
        assert in_checkpoints(place) == ["dante"]


async def test_a_running_model_is_neither_renamed_nor_deleted(place: Path) -> None:
    record.create(
        place,
        model_name="dante",
        log_file="logs/train/dante_eval.jsonl",
        command=["mypt", "train"],
        origin="queue",
        queued=True,
    )
    async with shown(place) as (pilot, screen):
        await until(pilot, lambda: not pilot.app.live.workspace.runs[0].state.is_over)  # type: ignore[attr-defined]
        await pilot.press("R")
        await pilot.press("D")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert [words for words in said(screen.app) if "is being trained: stop it" in words]
        assert names(place) == ALL


async def test_a_lock_that_comes_after_the_question_still_refuses(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, DeleteScreen))
        dialogue = pilot.app.screen
        await until(pilot, lambda: not dialogue.query_one("#delete", Button).disabled)
        with ModelLock(place, "dante").acquire(command=["mypt", "train"], run_id="r1"):
            await pilot.press("y")
            await until(pilot, lambda: "is in use: held by" in text(dialogue, "#delete-note"))
        assert names(place) == ALL
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_readonly_changes_nothing(place: Path) -> None:
    (place / "checkpoints" / ".gone.0").mkdir()
    async with shown(place, readonly=True) as (pilot, screen):
        for key in ("R", "D", "e", "i"):
            await pilot.press(key)
            await pilot.pause()
            assert pilot.app.screen is screen
        assert len([words for words in said(screen.app) if "--readonly" in words]) == 4
        assert in_checkpoints(place) == [".gone.0", *ALL]


async def test_what_a_kill_cut_off_is_ended_when_the_tree_is_opened(place: Path) -> None:
    shutil.move(place / "checkpoints" / "dante_fp16", place / "checkpoints" / ".gone.0")
    async with shown(place) as (pilot, screen):
        await until(pilot, lambda: "removed what was left of a deleted checkpoint" in said(screen.app))
        assert in_checkpoints(place) == ["dante", "dante_gold"]


@pytest.mark.parametrize("name", ["[red]x[b]", "\x1b[31mred", "長" * 60, "m" * 200])
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_hostile_names_in_the_dialogues(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    save(tmp_path / "place", name)
    async with shown(tmp_path / "place", size=size) as (pilot, screen):
        for key, kind in (("R", RenameScreen), ("D", DeleteScreen), ("e", Screen)):
            await pilot.press(key)
            await until(pilot, lambda: pilot.app.screen is not screen)
            assert isinstance(pilot.app.screen, kind)
            await pilot.pause()
            for line in pilot.app.screen._compositor.render_strips():
                assert "\x1b" not in line.text
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)


def test_what_may_be_meant_on_a_line(tmp_path: Path) -> None:
    from mypt.watch.inventory import Workspace

    model(tmp_path, "dante")
    save(tmp_path, "single")
    lines = {row.key: row for row in tree_rows(Workspace(tmp_path).lineage())}
    assert [(w.names, w.exact) for w in wishes_for(lines["dante"], [])] == [
        (("dante",), True),
        (("dante",), False),
    ]
    assert [(w.names, w.exact) for w in wishes_for(lines["single"], [])] == [(("single",), True)]
    both = [lines["dante"], lines["dante_gold"]]
    assert [(w.names, w.exact) for w in wishes_for(lines["dante"], both)] == [(("dante", "dante_gold"), True)]
    assert len(wishes_for(lines["single"], both)) == 1
    assert lines["dante_gold"].kind is Kind.GOLD
