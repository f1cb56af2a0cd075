"""Compare: what is shown, what each key does, and what happens when checkpoints come and go."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from mypt import bundle
from mypt.events import Eval, GoldCheckpoint, LogWriter, TrainingStart
from tests.tui.toasts import said, toasts
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.chart.curves import FEWEST_SMOOTHED
from tui.chart.widget import Chart
from tui.prefs import Preferences
from tui.screens.compare import CompareScreen, Item, RunKey
from tui.screens.compare.readout import Readout
from tui.screens.compare.table import CompareTable
from tui.screens.compare.value import ValueScreen
from tui.screens.home import HomeScreen
from tui.widgets.editors import Field
from tui.widgets.lines import TopLine
from tui.widgets.saving import SaveScreen, suggested

CONFIG = {"batch_size": 2, "block_size": 8, "vocab_size": 4, "n_embd": 8, "n_head": 2, "n_layer": 1}


@pytest.fixture(autouse=True)
def preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def save(place: Path, name: str, *, step: int = 5, **config: Any) -> Path:
    """A bundle as a trainer leaves it, but for the weights, which nobody reads here."""
    state = {
        "step": step,
        "training_config": {"max_iters": 10, "learning_rate": 3e-4},
        "progress": {"val_loss": 2.5},
    }
    target = place / "checkpoints" / name
    with bundle.writing(target) as staging:
        (staging / "config.json").write_text(json.dumps(CONFIG | {"dropout": 0.1, "bias": False} | config))
        (staging / "training_state.json").write_text(json.dumps(state))
        (staging / "tokenizer.json").write_text(json.dumps({"token_kind": "gpt2"}))
        (staging / "model.pt").write_bytes(b"w" * 1000)
    return target


def log(place: Path, name: str) -> None:
    with LogWriter(place / "logs" / "train" / f"{name}_eval.jsonl") as writer:
        for step in (0, 5):
            writer.write(Eval(iter=step, val_loss=3.0 - step / 10))
        writer.write(GoldCheckpoint(iter=5, val_loss=2.5))


@asynccontextmanager
async def shown(
    place: Path, *items: Item, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Pilot[None], CompareScreen]]:
    """The screen over Home, when the checkpoints are known."""
    app = MyptApp(place)
    async with app.run_test(size=size) as pilot:
        expected = len(bundle.list_bundles(place / "checkpoints"))
        await until(pilot, lambda: isinstance(app.screen, HomeScreen) and len(app.live.bundles) == expected)
        screen = CompareScreen(items)
        await app.push_screen(screen)
        await pilot.pause()
        yield pilot, screen


def table(screen: CompareScreen) -> CompareTable:
    return screen.query_one(CompareTable)


def settings(screen: CompareScreen) -> dict[str, tuple[str, ...]]:
    return {line.row.name: line.texts for line in table(screen).lines if line.row}


def drawn(screen: CompareScreen) -> list[str]:
    return [table(screen).render_line(y).text for y in range(table(screen).size.height)]


async def test_differences_are_shown_and_marked(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3, dropout=0.10)
    async with shown(place, "a", "b") as (_, screen):
        assert settings(screen)["n_layer"] == ("1", "3")
        assert "dropout" not in settings(screen)
        lines = drawn(screen)
        assert lines[0].split() == ["━", "a", "━", "b"]
        assert lines[1].strip() == "Model"
        assert [line.split() for line in lines[2:4]] == [
            ["≠", "parameters", "988", "2.668k"],
            ["≠", "n_layer", "1", "3"],
        ]
        # Sizes and the like are there when asked for.
        assert set(settings(screen)) == {"parameters", "n_layer"}
        assert screen.query_one(TopLine).right.startswith("2 differ ·")


async def test_details_are_one_key_away_and_remembered(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=12)
    async with shown(place, "a", "b") as (pilot, screen):
        assert "Details ▸" in "\n".join(drawn(screen)) and "size" not in settings(screen)
        await pilot.press("m")
        assert "size" in settings(screen) and "files.config.json" in settings(screen)
    async with shown(place, "a", "b") as (pilot, screen):
        assert "size" in settings(screen)
        await pilot.press("home")
        while table(screen).row is not None:
            await pilot.press("down")
        await pilot.press("enter")
        assert "size" not in settings(screen)
        place_of = next(y for y, line in enumerate(drawn(screen)) if "Details ▸" in line)
        await pilot.click(CompareTable, offset=(4, place_of))
        await until(pilot, lambda: "size" in settings(screen))


async def test_what_is_chosen_is_told_below(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("down")
        await until(pilot, lambda: "Transformer blocks" in str(screen.query_one(Readout).render()))
        assert "a 1   b 3" in str(screen.query_one(Readout).render())


async def test_d_shows_every_setting_and_is_remembered(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("d")
        assert settings(screen)["dropout"] == ("0.1", "0.1")
        assert "☐" in screen.query_one(TopLine).right
    assert Preferences()["compare_only_differences"] is False
    async with shown(place, "a", "b") as (pilot, screen):
        assert "dropout" in settings(screen)
        await pilot.press("d")
        assert "dropout" not in settings(screen)


async def test_the_chosen_setting_stays_chosen_when_others_come_and_go(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3, vocab_size=9)
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("down", "down")
        row = table(screen).row
        assert row is not None and row.name == "vocab_size"
        await pilot.press("d")
        row = table(screen).row
        assert row is not None and row.name == "vocab_size"


async def test_nothing_differs_says_so(place: Path) -> None:
    save(place, "a")
    shutil.copytree(place / "checkpoints" / "a", place / "checkpoints" / "b")
    async with shown(place, "a", "b") as (pilot, screen):
        assert screen.has_class("-none")
        await pilot.press("ctrl+y", "enter")
        await pilot.pause()
        assert pilot.app.clipboard == ""
        assert "Nothing to copy" in said(screen.app)[-1]
        await pilot.press("d")
        assert not screen.has_class("-none")


async def test_copying_takes_what_is_shown_as_markdown(place: Path) -> None:
    save(place, "a")
    save(place, "b_c", n_layer=3)
    async with shown(place, "a", "b_c") as (pilot, screen):
        await pilot.press("ctrl+y")
        await pilot.pause()
        copied = pilot.app.clipboard
        assert copied.startswith("### Model\n\n|  | setting | a | b\\_c |\n")
        assert "| ≠ | n\\_layer | 1 | 3 |" in copied
        assert "dropout" not in copied
        (told,) = toasts(screen.app)[-1:]
        assert told.title == f"Copied: {len(settings(screen))} settings that differ as Markdown"
        await pilot.press("d", "ctrl+y")
        assert "dropout" in pilot.app.clipboard


async def test_csv_and_json_can_be_copied_too(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, _):
        await pilot.press("C")
        assert pilot.app.clipboard.startswith("group,setting,differs,a,b\nModel,parameters,yes,988,2668\n")
        await pilot.press("J")
        assert json.loads(pilot.app.clipboard)["sides"] == ["a", "b"]


async def test_curves_of_the_models_lie_over_each_other(place: Path) -> None:
    for name in ("a", "a_gold", "b"):
        save(place, name, n_layer=len(name))
    log(place, "a")
    log(place, "b")
    async with shown(place, "a", "a_gold", "b") as (pilot, screen):
        chart = screen.query_one(Chart)
        await until(pilot, lambda: len(chart.data.curves) == 2)
        assert [(curve.label, curve.color) for curve in chart.data.curves] == [
            ("a", "series-1"),
            ("b", "series-2"),
        ]
        assert {mark.kind for mark in chart.data.marks} == {"gold"}


async def test_c_hides_the_curves_and_is_remembered(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        assert screen.query_one(Chart).display
        await pilot.press("tab", "c")
        await pilot.pause()
        assert not screen.query_one(Chart).display
        assert screen.focused is table(screen)
    assert Preferences()["compare_curves"] is False


async def test_a_short_terminal_has_room_for_differences_and_curves(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    log(place, "a")
    async with shown(place, "a", "b", size=(80, 24)) as (pilot, screen):
        chart = screen.query_one(Chart)
        await until(pilot, lambda: chart.data.curves)
        assert chart.region.height >= 9 and table(screen).size.height >= 8
        assert screen.region.contains_region(chart.region)
        await pilot.press("c")
        await until(pilot, lambda: table(screen).size.height >= 18)


async def test_many_sides_scroll_beside_their_settings(place: Path) -> None:
    names = [f"model{n}" for n in range(8)]
    for number, name in enumerate(names):
        save(place, name, n_layer=number + 1)
    async with shown(place, *names, size=(80, 24)) as (pilot, screen):
        first = drawn(screen)
        assert "model0" in first[0] and "model7" not in first[0]
        await pilot.press("right")
        await until(pilot, lambda: "model0" not in drawn(screen)[0])
        assert drawn(screen)[3].startswith("≠ n_layer")
        for _ in names:
            await pilot.press("right")
        await until(pilot, lambda: "model7" in drawn(screen)[0])
        assert drawn(screen)[3].split()[-1] == "8"
        # What begins behind the names is a whole cell here too.
        name = drawn(screen)[0].split()[1]
        assert name in names and drawn(screen)[3].split()[2] == str(names.index(name) + 1)
        for _ in names:
            await pilot.press("left")
        await until(pilot, lambda: drawn(screen) == first)


async def test_a_long_value_is_cut_and_can_be_read_in_full(place: Path) -> None:
    save(place, "a", note="word " * 100)
    save(place, "b", note="\x1b[2Jx")
    async with shown(place, "a", "b", size=(80, 24)) as (pilot, screen):
        assert any("…" in line for line in drawn(screen) if "note" in line)
        while True:
            row = table(screen).row
            if row is not None and row.name == "note":
                break
            await pilot.press("down")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ValueScreen))
        value = pilot.app.screen
        assert isinstance(value, ValueScreen)
        text = value._text().plain
        assert ("word " * 100).strip() in text
        assert "\\x1b[2Jx" in text
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_a_checkpoint_that_vanishes_keeps_its_column(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        shutil.rmtree(place / "checkpoints" / "b")
        await until(pilot, lambda: screen.has_class("-none"))
        assert "b is not here any more" in screen.nothing.plain
        await pilot.press("d")
        await until(pilot, lambda: "b (not here)" in drawn(screen)[0])
        await pilot.press("d")
        save(place, "b", n_layer=4)
        await until(pilot, lambda: settings(screen).get("n_layer") == ("1", "4"))
        await until(pilot, lambda: "━ b" in drawn(screen)[0])


async def test_a_checkpoint_that_is_saved_again_is_shown_anew(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        save(place, "b", n_layer=3, step=9)
        await until(pilot, lambda: settings(screen).get("step") == ("5", "9"))


async def test_a_broken_one_is_marked_and_agrees_with_all(place: Path) -> None:
    save(place, "a")
    (save(place, "b") / "config.json").write_text("{")
    async with shown(place, "a", "b") as (pilot, screen):
        assert "✗ b" in drawn(screen)[0]
        await pilot.press("d")
        assert settings(screen)["n_layer"] == ("1", "–")
        assert not any(row.differs for row in screen.rows if row.group == "Model")


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_hostile_names_and_fields_are_shown_as_they_are(place: Path, size: tuple[int, int]) -> None:
    names = ["[red]x[b]", "\x1b[31mred", "長" * 60, "m" * 200]
    fields: dict[str, Any] = {"[/]\x1b[2J": "[bold]"}
    for number, name in enumerate(names):
        save(place, name, n_layer=number + 1, **fields)
    log(place, names[0])
    async with shown(place, *names, size=size) as (pilot, screen):
        await pilot.press("d", "c")
        await pilot.pause()
        width = table(screen).scrollable_content_region.width
        for y in range(table(screen).size.height):
            strip = table(screen).render_line(y)
            assert strip.cell_length == width
            assert "\x1b" not in strip.text
        assert "[red]x[b]" in drawn(screen)[0]
        assert '"[/]\\u001b[2J"' in settings(screen)
        await pilot.press("ctrl+y", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ValueScreen))
        assert "\x1b" not in pilot.app.clipboard


async def test_names_that_were_never_there(place: Path) -> None:
    async with shown(place, "x", "y") as (pilot, screen):
        assert screen.has_class("-none")
        await pilot.press("d", "c", "ctrl+y", "e", "enter", "down", "end", "right")
        await pilot.pause()
        assert pilot.app.screen is screen


async def test_escape_goes_from_the_chart_to_the_table_and_back_home(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("tab")
        assert screen.query_one(Chart).has_focus
        await pilot.press("escape")
        assert table(screen).has_focus
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_a_click_chooses_a_setting_and_two_open_it(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3, vocab_size=9)
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.click(CompareTable, offset=(4, 4))
        row = table(screen).row
        assert row is not None and row.name == "vocab_size"
        await pilot.click(CompareTable, offset=(4, 4), times=2)
        await until(pilot, lambda: isinstance(pilot.app.screen, ValueScreen))


async def test_runs_without_checkpoints_stand_beside_checkpoints(place: Path) -> None:
    save(place, "a")
    log(place, "a")
    start = TrainingStart(
        config={"learning_rate": 0.5, "max_iters": 7, "batch_size": 2},
        model={"n_layer": 4, "total_params": 9},
    )
    with LogWriter(place / "logs" / "other.jsonl") as writer:
        writer.write(start)
        writer.write(Eval(iter=0, val_loss=4.0))
        writer.write(Eval(iter=9, val_loss=3.5))
    async with shown(place, "a", RunKey("logs/other.jsonl")) as (pilot, screen):
        await until(pilot, lambda: "learning_rate" in settings(screen))
        assert screen.names == ["a", "other"]
        rows = settings(screen)
        assert rows["learning_rate"] == ("3e-4", "0.5") and rows["n_layer"] == ("1", "4")
        assert rows["val_loss"][1] == "3.5000"
        # What a log does not tell is no difference.
        assert "dropout" not in rows
        curves = screen.query_one(Chart).data.curves
        assert [curve.label for curve in curves] == ["a", "other"]
        assert len({curve.color for curve in curves}) == 2


async def test_a_run_and_its_own_checkpoint_share_a_curve(place: Path) -> None:
    save(place, "a")
    log(place, "a")
    async with shown(place, "a", RunKey("logs/train/a_eval.jsonl")) as (pilot, screen):
        await until(pilot, lambda: len(screen.query_one(Chart).data.curves) == 1)
        assert screen.names == ["a", "a"]
        assert "learning_rate" not in settings(screen)


async def test_two_runs_from_elsewhere_and_one_that_goes_away(place: Path) -> None:
    log(place, "a")
    log(place, "b")
    async with shown(place, RunKey("logs/train/a_eval.jsonl"), RunKey("logs/train/b_eval.jsonl")) as (
        pilot,
        screen,
    ):
        await pilot.press("d")
        await until(pilot, lambda: "val_loss" in settings(screen))
        (place / "logs" / "train" / "b_eval.jsonl").unlink()
        await until(pilot, lambda: screen.columns[1].gone)
        await pilot.pause()
        assert "(not here)" in drawn(screen)[0]


async def test_where_a_run_s_settings_came_from_is_shown(trained: Path) -> None:
    async with shown(trained, "dante_gold", RunKey("logs/train/dante_eval.jsonl"), size=(200, 50)) as (
        pilot,
        screen,
    ):
        await pilot.press("d")
        await until(pilot, lambda: "dropout" in settings(screen))
        [row] = [row for row in screen.rows if row.name == "dropout"]
        assert row.notes == ("command line", "command line")
        [state] = [row for row in screen.rows if row.name == "state"]
        assert state.texts == ("–", "finished")


async def test_the_axis_and_log_y_are_those_of_home(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    log(place, "a")
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("x", "y")
        chart = screen.query_one(Chart)
        assert (chart.axis, chart.log_y) == ("tokens", True)
        assert (screen.app.prefs["axis"], screen.app.prefs["log_y"]) == ("tokens", True)


async def test_curves_are_smoothed_as_on_home(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    with LogWriter(place / "logs" / "train" / "a_eval.jsonl") as writer:
        for step in range(FEWEST_SMOOTHED):
            writer.write(Eval(iter=step, val_loss=3.0 + step % 2))
    async with shown(place, "a", "b") as (pilot, screen):
        await until(pilot, lambda: screen.query_one(Chart).data.curves)
        await pilot.press("s")
        await pilot.pause()
        smoothed, raw = screen.query_one(Chart).data.curves
        assert smoothed.raw is raw.column and raw.quiet
        assert screen.app.prefs["smoothing"] == 0.6 and "smoothing: weight 0.6" in said(screen.app)


async def test_export_writes_a_file_and_says_where(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, SaveScreen))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        written = place / "comparisons" / "a-b.md"
        assert written.read_text().startswith("### Model")
        assert said(screen.app)[-1].endswith("comparisons/a-b.md")


async def test_export_asks_before_it_replaces(place: Path) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    target = place / "comparisons" / "a-b.json"
    target.parent.mkdir()
    target.write_text("precious")
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, SaveScreen))
        dialogue = pilot.app.screen
        assert isinstance(dialogue, SaveScreen)
        await pilot.press("shift+tab", "right", "right", "tab")
        assert dialogue.how == "JSON" and dialogue.query_one("#file", Field).value == "comparisons/a-b.json"
        await pilot.press("enter")
        await until(pilot, lambda: "once more replaces it" in note_of(dialogue))
        assert target.read_text() == "precious"
        await pilot.press("end", "x", "backspace", "enter")
        await until(pilot, lambda: "once more replaces it" in note_of(dialogue))
        assert target.read_text() == "precious"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert json.loads(target.read_text())["sides"] == ["a", "b"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "name a file"),
        ("configs", "is a folder"),
        ("file/x.md", "cannot be written"),
        ("n" * 300, "cannot be"),
    ],
)
async def test_files_that_cannot_be_written(place: Path, typed: str, words: str) -> None:
    save(place, "a")
    save(place, "b", n_layer=3)
    (place / "configs").mkdir()
    (place / "file").write_text("")
    async with shown(place, "a", "b") as (pilot, screen):
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, SaveScreen))
        dialogue = pilot.app.screen
        dialogue.query_one("#file", Field).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: words in note_of(dialogue))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert not (place / "comparisons").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b_gold"], "a-b_gold"),
        (["../x", "\x1b[2J"], "x-2J"),
        (["長", "[/]"], "comparison"),
        (["m" * 200, "n"], "m" * 80),
    ],
)
def test_suggested_files_are_plain(names: list[str], expected: str) -> None:
    assert suggested("comparisons", names, "comparison") == f"comparisons/{expected}"


def note_of(screen: Screen[Any]) -> str:
    return str(screen.query_one("#save-note").render())
