"""Checkpoints: what is shown of bundles on disk, and what each action does."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot

from mypt import bundle
from mypt.events import Eval, GoldCheckpoint, LogWriter
from mypt.runs.record import create
from mypt.text import printable
from tests.tui.painted import painted
from tests.tui.toasts import said
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.chart.widget import Chart
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.checkpoints.tabs import TabLine
from tui.screens.checkpoints.tree import BundleTree
from tui.screens.compare import CompareScreen
from tui.screens.home import HomeScreen
from tui.screens.launch import LaunchScreen
from tui.widgets.lines import KeyLine, TopLine
from tui.widgets.lineview import LineView

CONFIG = {"batch_size": 2, "block_size": 8, "vocab_size": 4, "n_embd": 8, "n_head": 2, "n_layer": 1}
HOSTILE = ["[red]x[b]", "[@click=app.quit]y", "\x1b[31mred", "長" * 60, "m" * 200]


@pytest.fixture(autouse=True)
def preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def save(place: Path, name: str, *, step: int = 5, base: str | None = None, chars: str = "\n ab") -> Path:
    """A bundle as a trainer leaves it, but for the weights, which nobody reads here."""
    state: dict[str, Any] = {
        "step": step,
        "training_config": {"max_iters": 10, "learning_rate": 3e-4},
        "progress": {"val_loss": 2.5},
    }
    if base:
        state["base"] = {"name": base, "step": 3}
    target = place / "checkpoints" / name
    with bundle.writing(target) as staging:
        (staging / "config.json").write_text(json.dumps(CONFIG | {"dropout": 0.1, "bias": False}))
        (staging / "training_state.json").write_text(json.dumps(state))
        (staging / "tokenizer.json").write_text(json.dumps({"token_kind": "char", "chars": list(chars)}))
        (staging / "model.pt").write_bytes(b"w" * 1000)
    return target


def log(place: Path, name: str) -> None:
    with LogWriter(place / "logs" / "train" / f"{name}_eval.jsonl") as writer:
        for step in (0, 5):
            writer.write(Eval(iter=step, val_loss=3.0 - step / 10, train_loss=3.0))
        writer.write(GoldCheckpoint(iter=5, val_loss=2.5))


@asynccontextmanager
async def shown(
    place: Path, *, size: tuple[int, int] = (120, 36), readonly: bool = False
) -> AsyncIterator[tuple[Pilot[None], CheckpointsScreen]]:
    """The screen over Home, when the first look at the workspace is complete."""
    app = MyptApp(place, readonly=readonly)
    async with app.run_test(size=size) as pilot:
        expected = len(bundle.list_bundles(place / "checkpoints"))
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
        screen = app.screen
        assert isinstance(screen, CheckpointsScreen)
        await until(pilot, lambda: len(app.live.bundles) == expected)
        await pilot.pause()
        yield pilot, screen


def tree(screen: CheckpointsScreen) -> BundleTree:
    return screen.query_one(BundleTree)


def keys(screen: CheckpointsScreen) -> list[str]:
    return [row.key for row in tree(screen).rows]


def chosen(screen: CheckpointsScreen) -> str | None:
    return screen.row.key if screen.row else None


def text_of(screen: CheckpointsScreen) -> str:
    return "\n".join(line.plain for line in screen.query_one("#lines", LineView).lines)


def head_of(screen: CheckpointsScreen) -> str:
    content = screen.query_one("#head").render()
    return content.plain if isinstance(content, Text) else str(content)


async def settle(pilot: Pilot[None], screen: CheckpointsScreen, names: list[str]) -> None:
    await until(pilot, lambda: keys(screen) == names)
    await pilot.pause()


async def test_a_loss_of_an_earlier_step_is_told_apart_without_a_wider_column(place: Path) -> None:
    save(place, "early", step=400)
    path = save(place, "late", step=450) / "training_state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"progress": {"val_loss": 2.5, "val_step": 400}}))
    (path.parent / "manifest.json").unlink()
    async with shown(place, size=(120, 36)) as (pilot, screen):
        await settle(pilot, screen, ["early", "late"])
        await until(pilot, lambda: "* of an earlier step" in painted(pilot.app))
        early, late = (line for line in painted(pilot.app).split("\n")[3:5])
        assert " 2.5000" in early and early.index("2.5000") == late.index("*2.5000") + 1
        await pilot.press("down")
        await until(pilot, lambda: "step 450 · val 2.5000 at 400" in head_of(screen))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "2.5000   at 400" in painted(pilot.app))
        assert "* of" not in painted(pilot.app)


async def test_the_tree_shows_the_lineage_and_the_first_is_chosen(place: Path) -> None:
    save(place, "base")
    save(place, "base_gold")
    save(place, "child", base="base")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base", "base_gold", "child"])
        assert chosen(screen) == "base"
        assert screen.focused is tree(screen)
        assert "3 checkpoints" in screen.query_one(TopLine).right


async def test_moving_shows_the_details_of_each(place: Path) -> None:
    save(place, "base")
    save(place, "child", base="base", step=7)
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base", "child"])
        await pilot.press("down")
        await pilot.pause()
        assert chosen(screen) == "child"
        head = head_of(screen)
        assert "step 7 · val 2.5000" in head
        assert "fine-tuned from base at step 3" in head
        assert "parameters" in text_of(screen)
        assert "tie_weights" in text_of(screen).partition("so the default holds")[2]


async def test_sections_show_every_file(place: Path) -> None:
    save(place, "base")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "learning_rate" in text_of(screen)
        assert "3e-4" in text_of(screen)
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "\\n ␣ a b" in text_of(screen)
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "model.pt" in text_of(screen)
        assert "1 kB" in text_of(screen)
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "Is this gold?" in text_of(screen)
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert screen.tab == "curve"
        assert not screen.query_one("#lines").display
        await pilot.press("right_square_bracket")
        assert screen.tab == "config"


async def test_settings_stand_with_where_they_came_from(place: Path) -> None:
    folder = save(place, "base")
    state = json.loads((folder / "training_state.json").read_text())
    state["sources"] = {"learning_rate": "command line"}
    (folder / "training_state.json").write_text(json.dumps(state))
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        await pilot.press("right_square_bracket")
        await pilot.pause()
        line = next(line for line in text_of(screen).splitlines() if line.startswith("learning_rate"))
        assert line.split() == ["learning_rate", "3e-4", "command", "line"]
        assert "sources" not in text_of(screen)


async def test_a_click_picks_a_section(place: Path) -> None:
    save(place, "base")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        await pilot.click(TabLine, offset=(12, 0))
        await pilot.pause()
        assert screen.tab == "training state"
        assert "max_iters" in text_of(screen)


async def test_every_section_has_its_name_in_sight_at_a_hundred_columns(place: Path) -> None:
    save(place, "base")
    async with shown(place, size=(100, 30)) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        tabs = screen.query_one(TabLine)
        assert tabs.render().plain == "config│training state│tokenizer│files│gold│curve"
        await pilot.click(TabLine, offset=(tabs.render().cell_len - 1, 0))
        await until(pilot, lambda: screen.tab == "curve")


async def test_the_curve_of_its_run_is_shown_with_gold(place: Path) -> None:
    save(place, "base")
    log(place, "base")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        chart = screen.query_one(Chart)
        await until(pilot, lambda: chart.data.curves)
        assert [curve.key for curve in chart.data.curves] == ["val", "train"]
        assert [(mark.kind, mark.step) for mark in chart.data.marks] == [("gold", 5), ("best", 5)]


async def test_without_a_log_the_chart_says_so(place: Path) -> None:
    save(place, "base")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        assert "No log of this model" in screen.query_one(Chart).empty_text


async def test_nothing_there_teaches(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        assert screen.has_class("-empty")
        assert not screen.query_one("#body").display
        await pilot.press("space", "v", "f", "r", "enter", "right_square_bracket")
        await pilot.pause()
        assert pilot.app.screen is screen
        save(place, "first")
        await settle(pilot, screen, ["first"])
        assert not screen.has_class("-empty")
        assert chosen(screen) == "first"


async def test_a_broken_bundle_is_listed_with_what_is_wrong(place: Path) -> None:
    save(place, "good")
    (save(place, "zbad") / "config.json").write_text('{"n_layer": 1,')
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["good", "zbad"])
        await pilot.press("down")
        await pilot.pause()
        assert "config.json: cut short at line 1" in head_of(screen)
        assert "restore the file, or remove the folder" in head_of(screen)
        # Said above already, it is not said again.
        assert text_of(screen) == "nothing to show"
        assert "1 broken" in screen.query_one(TopLine).right
        line = "".join(segment.text for segment in tree(screen).render_line(2))
        assert "✗ zbad  config.json: cut sh" in line
        await pilot.press("f")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert "not whole" in said(screen.app)[-1]
        await pilot.press("r")
        await pilot.pause()
        assert "zbad cannot go on: config.json: cut short" in said(screen.app)[-1]


async def test_what_was_edited_by_hand_is_said_and_shown(place: Path) -> None:
    config = save(place, "mine") / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dropout": 0.25}, indent=8))
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["mine"])
        head = head_of(screen)
        assert "config.json" in head and "remove manifest.json to take the checkpoint as it is now" in head
        assert "step 5 · val 2.5000" in head
        assert "dropout" in text_of(screen) and "0.25" in text_of(screen)
        (config.parent / "manifest.json").unlink()
        await until(pilot, lambda: "✗" not in head_of(screen))


async def test_a_file_that_is_missing_is_told_once(place: Path) -> None:
    (save(place, "bare") / "config.json").unlink()
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["bare"])
        assert (head_of(screen) + text_of(screen)).count("config.json") == 1


async def test_on_a_small_terminal_tree_and_details_take_turns(place: Path) -> None:
    for number in range(12):
        save(place, f"m{number:02}")
    log(place, "m01")
    async with shown(place, size=(80, 24)) as (pilot, screen):
        await settle(pilot, screen, [f"m{number:02}" for number in range(12)])
        assert tree(screen).size.height >= 13
        assert not screen.query_one("#lines").display and screen.query_one("#head").region.height >= 3
        await pilot.press("down", "enter")
        await until(pilot, lambda: not tree(screen).display)
        assert "parameters" in text_of(screen) and screen.query_one("#lines").region.height >= 14
        for _ in range(5):
            await pilot.press("right")
        await until(pilot, lambda: screen.query_one(Chart).has_focus)
        assert screen.query_one(Chart).region.height >= 14
        await pilot.press("escape")
        await until(pilot, lambda: tree(screen).has_focus)
        assert tree(screen).display and chosen(screen) == "m01"
        await pilot.click("#head")
        await until(pilot, lambda: not tree(screen).display)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_a_base_that_is_not_here_offers_nothing(place: Path) -> None:
    save(place, "child", base="vanished")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["vanished", "child"])
        assert "not here" in head_of(screen)
        for key in ("space", "f", "r"):
            before = len(said(screen.app))
            await pilot.press(key)
            await pilot.pause()
            assert len(said(screen.app)) == before + 1
        assert screen.marked == []


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_hostile_names_are_shown_as_they_are(place: Path, size: tuple[int, int]) -> None:
    names = sorted(HOSTILE)
    for name in names:
        save(place, name, step=10)
    async with shown(place, size=size) as (pilot, screen):
        await settle(pilot, screen, names)
        for number, name in enumerate(names):
            assert tree(screen).choose(name)
            await pilot.pause()
            assert printable(name, newline=False) in head_of(screen)
            width = tree(screen).scrollable_content_region.width
            strip = tree(screen).render_line(number + 1 - tree(screen).scroll_offset.y)
            assert strip.cell_length == width
            assert "\x1b" not in strip.text
            await pilot.press("r")
            await pilot.pause()
            # A name that a run may have opens the form that asks how far the model shall go on.
            if pilot.app.screen is not screen:
                await pilot.app.pop_screen()
            assert pilot.app.screen is screen


async def test_a_bundle_that_appears_leaves_the_choice_alone(place: Path) -> None:
    save(place, "m")
    save(place, "n")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["m", "n"])
        await pilot.press("down", "right_square_bracket")
        save(place, "a")
        await settle(pilot, screen, ["a", "m", "n"])
        assert chosen(screen) == "n"
        assert screen.tab == "training state"


async def test_a_bundle_that_vanishes_moves_the_choice_to_its_neighbour(place: Path) -> None:
    for name in ("a", "b", "c"):
        save(place, name)
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "b", "c"])
        await pilot.press("down", "space")
        shutil.rmtree(place / "checkpoints" / "b")
        await settle(pilot, screen, ["a", "c"])
        assert chosen(screen) == "c"
        assert screen.marked == []
        assert "c" in head_of(screen)


@pytest.mark.parametrize("alone", [False, True])
async def test_a_bundle_that_is_away_for_a_moment_stays_the_chosen_one(place: Path, alone: bool) -> None:
    """As it is where a system cannot exchange folders: the old one is put aside before the new one comes."""
    others = [] if alone else ["a", "c"]
    for name in (*others, "b"):
        save(place, name)
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, sorted([*others, "b"]))
        tree(screen).choose("b")
        for moved in (False, True):
            (place / "checkpoints" / "b").rename(place / "aside")
            await settle(pilot, screen, others)
            assert chosen(screen) == (None if alone else "c")
            if moved:
                await pilot.press("up")
            (place / "aside").rename(place / "checkpoints" / "b")
            await settle(pilot, screen, sorted([*others, "b"]))
            assert chosen(screen) == ("a" if moved and not alone else "b")


async def test_the_scroll_stays_when_the_chosen_bundle_is_saved_again(place: Path) -> None:
    save(place, "base")
    async with shown(place, size=(80, 24)) as (pilot, screen):
        await settle(pilot, screen, ["base"])
        await pilot.press("enter", "end")
        lines = screen.query_one("#lines", LineView)
        await until(pilot, lambda: lines.scroll_offset.y > 0)
        at = lines.scroll_offset.y
        save(place, "base", step=9)
        await until(pilot, lambda: "step 9" in head_of(screen))
        assert lines.scroll_offset.y == at


async def test_the_list_scrolls_and_keeps_the_choice_in_view(place: Path) -> None:
    names = [f"m{n:02}" for n in range(40)]
    for name in names:
        save(place, name)
    async with shown(place, size=(80, 24)) as (pilot, screen):
        await settle(pilot, screen, names)
        await pilot.press("end")
        assert chosen(screen) == "m39"
        texts = [tree(screen).render_line(y).text for y in range(tree(screen).size.height)]
        assert "model" in texts[0]
        assert any("m39" in text for text in texts)
        await pilot.press("pageup", "home")
        assert chosen(screen) == "m00"


async def test_a_click_chooses_and_a_second_one_opens(place: Path) -> None:
    for name in ("a", "b"):
        save(place, name)
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "b"])
        await pilot.click(BundleTree, offset=(6, 3))
        assert chosen(screen) == "b"
        await pilot.click(BundleTree, offset=(6, 3), times=2)
        await until(pilot, lambda: screen.focused is screen.query_one("#lines"))


async def test_marked_ones_are_compared_in_the_order_of_the_tree(place: Path) -> None:
    for name in ("a", "b", "c"):
        save(place, name)
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "b", "c"])
        await pilot.press("end", "space", "home", "space")
        assert screen.marked == ["c", "a"]
        assert "●" in tree(screen).render_line(1).text
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        assert isinstance(pilot.app.screen, CompareScreen)
        assert pilot.app.screen.names == ["a", "c"]
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("space")
        assert screen.marked == ["c"]


async def test_without_marks_the_last_is_compared_with_its_gold(place: Path) -> None:
    for name in ("a", "a_gold", "b"):
        save(place, name)
    save(place, "c", base="b")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "a_gold", "b", "c"])
        assert screen._to_compare() == ["a", "a_gold"]
        await pilot.press("end")
        assert screen._to_compare() == ["b", "c"]
        await pilot.press("up", "v")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert "Mark two or more" in said(screen.app)[-1]
        await pilot.press("space", "home")
        assert screen._to_compare() == ["b", "a"]


async def test_fine_tuning_opens_the_form_with_this_base(place: Path) -> None:
    save(place, "a")
    save(place, "a_gold")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "a_gold"])
        await pilot.press("down", "f")
        await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen))
        form = pilot.app.screen
        assert isinstance(form, LaunchScreen)
        # All else is known; the data is where one begins.
        await until(pilot, lambda: form.focused is form.query_one("#data"))
        assert form.draft().base == "a_gold"


async def test_a_copy_for_use_is_fine_tuned_from_what_it_was_made_of(place: Path) -> None:
    save(place, "a")
    save(place, "a_fp16")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "a_fp16"])
        await pilot.press("down", "f")
        await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen))
        form = pilot.app.screen
        assert isinstance(form, LaunchScreen)
        await until(pilot, lambda: form.draft().base == "a")


async def test_readonly_starts_nothing(place: Path) -> None:
    save(place, "a")
    async with shown(place, readonly=True) as (pilot, screen):
        await settle(pilot, screen, ["a"])
        await pilot.press("f", "r")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert all("--readonly" in message for message in said(screen.app))
        assert len(said(screen.app)) == 2
        assert "read-only" in screen.query_one(TopLine).right


async def test_a_model_that_is_done_asks_how_far_it_shall_go_on(place: Path) -> None:
    from tui.screens.launch import LaunchScreen

    save(place, "a", step=10)
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a"])
        await pilot.press("r")
        await pilot.pause()
        assert "has done all its steps" in said(screen.app)[-1]
        assert isinstance(screen.app.screen, LaunchScreen)
        assert not (place / ".mypt").exists()


async def test_a_name_that_no_run_may_have_is_not_resumed(place: Path) -> None:
    save(place, "\x1b[31mred")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["\x1b[31mred"])
        await pilot.press("r")
        await pilot.pause()
        assert "control characters" in said(screen.app)[-1]
        assert not (place / ".mypt").exists()


async def test_resume_goes_on_with_the_real_run(trained: Path) -> None:
    state_file = trained / "checkpoints" / "dante" / "training_state.json"
    state = json.loads(state_file.read_text())
    state["training_config"]["max_iters"] = 12
    state_file.write_text(json.dumps(state))
    # It tells the size of the file that was just changed.
    (state_file.parent / "manifest.json").unlink()
    async with shown(trained) as (pilot, screen):
        await settle(pilot, screen, ["dante", "dante_gold", "dante_fp16"])
        await pilot.press("r")
        await until(pilot, lambda: any("goes on" in message for message in said(screen.app)))
        # It is watched where runs are.
        await until(pilot, lambda: isinstance(screen.app.screen, HomeScreen))
        home = screen.app.screen
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: home.run_in_view is not None and home.run_in_view.name == "dante")
        await until(pilot, lambda: bundle.read_info(trained / "checkpoints" / "dante").step == 12)


async def test_a_start_that_ends_late_leaves_the_screen_that_is_looked_at_meanwhile(place: Path) -> None:
    from tui.screens.help import HelpScreen

    save(place, "a")
    record = create(place, model_name="a", log_file="logs/train/a.jsonl", command=["mypt"], origin="shell")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a"])
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(screen.app.screen, HelpScreen))
        screen._launched(record)
        await pilot.pause()
        await pilot.pause()
        assert isinstance(screen.app.screen, HelpScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(screen.app.screen, HomeScreen))


async def test_escape_peels_details_then_leaves(place: Path) -> None:
    save(place, "a")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a"])
        await pilot.press("enter")
        assert screen.focused is screen.query_one("#lines")
        await pilot.press("escape")
        assert screen.focused is tree(screen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_what_happened_behind_another_screen_is_shown_on_return(place: Path) -> None:
    save(place, "a")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a"])
        await pilot.press("question_mark")
        await until(pilot, lambda: pilot.app.screen is not screen)
        save(place, "b")
        await until(pilot, lambda: len(screen.app.live.bundles) == 2)
        await pilot.press("escape")
        await settle(pilot, screen, ["a", "b"])


async def test_light_and_dark_use_their_own_colours(place: Path) -> None:
    save(place, "a_gold")
    async with shown(place) as (pilot, screen):
        await settle(pilot, screen, ["a", "a_gold"])

        def gold() -> str:
            line = tree(screen).render_line(2)
            segment = next(s for s in line if "gold" in s.text)
            assert segment.style is not None and segment.style.color is not None
            return segment.style.color.name

        before = gold()
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert gold() != before


async def test_where_there_is_no_checkpoint_every_key_says_how_to_come_by_one(place: Path) -> None:
    async with shown(place) as (pilot, screen):
        await until(pilot, lambda: screen.has_class("-empty"))
        last = screen.query_one(KeyLine).render().plain
        assert "i Import" in last and "esc Back" in last and "g Sample" not in last
        for key in ("space", "v", "g", "f", "r", "e", "R", "D"):
            screen.app.clear_notifications()
            await pilot.press(key)
            await until(pilot, lambda: any("n trains a model" in words for words in said(screen.app)))
            assert screen.app.screen is screen
        save(place, "dante")
        await until(pilot, lambda: keys(screen))
        assert "g Sample" in screen.query_one(KeyLine).render().plain
