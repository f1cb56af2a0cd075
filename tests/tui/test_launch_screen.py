from __future__ import annotations

import io
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets._toast import Toast, ToastRack

import tui.app
from mypt.runs.directory import read_exit
from mypt.runs.record import RunRecord, list_records
from mypt.slurm.ask import Ask
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.screens.launch import LaunchScreen
from tui.screens.launch.form import SettingsForm
from tui.screens.launch.keep import KeptPlace
from tui.screens.launch.look import Review
from tui.screens.launch.panes import DataPane, PresetPane
from tui.screens.launch.preset_copy import SavePresetScreen
from tui.starting import filled_in, processes_of
from tui.widgets.confirm import Confirm
from tui.widgets.editors import Choice

TINY = {
    "batch_size": 2,
    "block_size": 8,
    "vocab_size": 64,
    "n_embd": 8,
    "n_head": 1,
    "n_layer": 1,
    "dropout": 0.0,
    "bias": False,
    "tokenization": "char",
    "max_iters": 2,
    "eval_interval": 2,
    "eval_iters": 1,
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "config"))
    folder = tmp_path / "work"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "mini.json").write_text(json.dumps(TINY), encoding="utf-8")
    (folder / "abc.txt").write_text("abc def " * 300, encoding="utf-8")
    return folder.resolve()


class Desk(MyptApp):
    """The app with nothing behind the screen, and what the screen leaves."""

    CSS_PATH: ClassVar = [Path(tui.app.__file__).with_name("app.tcss")]

    def __init__(self, workspace: Path, *, readonly: bool = False) -> None:
        super().__init__(workspace, readonly=readonly)
        self.dismissed: list[RunRecord | None] = []
        self.launched: list[RunRecord] = []
        self.copied: list[str] = []

    def get_default_screen(self) -> Screen[None]:
        return Screen()

    def on_launch_screen_launched(self, message: LaunchScreen.Launched) -> None:
        self.launched.append(message.record)

    def copy_to_clipboard(self, text: str) -> None:
        self.copied.append(text)


class Bench:
    """A screen under test, and ways to wait for what it does."""

    def __init__(self, app: Desk, screen: LaunchScreen, pilot: Pilot[None]) -> None:
        self.app, self.screen, self.pilot = app, screen, pilot
        self.settled: list[Review] = []

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        await until(self.pilot, condition, what=what)

    async def review(self) -> Review:
        """The review of all that is chosen and typed now."""
        draft = self.screen.draft()
        await self.until(
            lambda: bool(self.settled) and self.settled[-1].draft == draft, f"the review of {draft}"
        )
        await self.pilot.pause()
        return self.settled[-1]

    async def choose(self, label: str) -> None:
        left = self.screen.query_one(PresetPane)
        at = next(i for i, p in enumerate(left.presets) if p.label == label)
        listing = self.screen.query_one("#presets", OptionList)
        listing.focus()
        listing.highlighted = at
        await self.pilot.pause()

    async def type(self, setting: str, text: str) -> None:
        row = self.screen.query_one(SettingsForm).row(setting)
        assert row is not None
        row.editor.focus()
        await self.pilot.pause()
        await self.pilot.press(*(key_of(c) for c in text))

    def note(self, setting: str) -> str:
        return text_of(self.screen, f"#row-{setting} .note")


def key_of(char: str) -> str:
    return {"-": "minus", ".": "full_stop", "_": "underscore", "/": "slash", " ": "space"}.get(char, char)


def text_of(screen: Screen[Any], selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


def shown(app: Desk) -> str:
    """Every character on the screen."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


@asynccontextmanager
async def bench(
    workspace: Path,
    size: tuple[int, int] = (120, 36),
    *,
    readonly: bool = False,
    toasts: bool = False,
    **wanted: Any,
) -> AsyncIterator[Bench]:
    app = Desk(workspace, readonly=readonly)
    screen = LaunchScreen(**wanted)
    hooks: list[Bench] = []

    def listen(message: object) -> None:
        if isinstance(message, LaunchScreen.Settled) and hooks:
            hooks[0].settled.append(message.review)

    async with app.run_test(size=size, message_hook=listen, notifications=toasts) as pilot:
        made = Bench(app, screen, pilot)
        hooks.append(made)
        app.push_screen(screen, app.dismissed.append)
        await made.until(lambda: bool(made.settled), "the first review")
        yield made


async def test_opens_with_the_preset_that_anybody_can_train(workspace: Path) -> None:
    async with bench(workspace) as b:
        review = await b.review()
        assert review.ready
        assert b.screen.draft().preset == "tiny_char"
        assert b.screen.query_one("#name", Input).value == "tiny_char"
        assert review.data is not None and review.data.lines


async def test_choose_type_review(workspace: Path) -> None:
    async with bench(workspace) as b:
        await b.choose("mini")
        assert b.screen.query_one("#name", Input).value == "mini"
        await b.type("max_iters", "7")
        review = await b.review()
        assert review.ready and review.values is not None
        assert str(review.values["max_iters"].source) == "form" and review.values["max_iters"].value == 7
        assert str(review.values["n_embd"].source) == "preset mini"
        assert review.command == "mypt train --config_file configs/mini.json --model_name mini --max_iters 7"
        await b.pilot.press("ctrl+y")
        assert b.app.copied == [review.command]
        picture = shown(b.app)
        assert "preset mini" in picture and "✓ ready" in picture
        lines = picture.splitlines()
        (at,) = [number for number, line in enumerate(lines) if "from you" in line]
        assert "max_iters" in lines[at + 1] and "7 " in lines[at + 1]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_a_fine_tune_stands_beside_its_base(trained: Path, size: tuple[int, int]) -> None:
    given = {"input_file": "input.txt", "max_iters": "50", "dropout": "0.5"}
    async with bench(trained, size, base="dante", given=given) as b:
        review = await b.review()
        assert review.ready
        b.screen.action_step(3)
        await b.pilot.pause()
        body = b.screen.query_one("#review-body", Static)
        console = Console(width=body.size.width, file=io.StringIO())
        with console.capture() as captured:
            console.print(body.content)
        seen = captured.get()
        assert "new in this run" in seen and "inherited" in seen
        assert "dropout 0.2 → 0.5" in seen
        [row] = [line for line in seen.splitlines() if line.startswith("max_iters")]
        assert row.split()[1:3] == ["8", "50"] and "you" in row


async def test_a_bad_value_is_told_beside_its_field_and_keeps_the_run_from_starting(workspace: Path) -> None:
    async with bench(workspace, preset="mini") as b:
        await b.type("learning_rate", "much")
        await b.type("warmup_iters", "-3")
        review = await b.review()
        assert not review.ready
        assert "must be a number" in b.note("learning_rate")
        assert "must be at least 0" in b.note("warmup_iters")
        assert b.screen.query_one("#start", Button).disabled
        b.screen.query_one("#presets").focus()
        refused = await start_and_be_refused(b)
        assert len(refused.problems) == 2
        assert b.screen.focused is b.screen.query_one("#row-learning_rate Field")
        assert not list_records(workspace).records
        # Mended, it is ready again.
        await b.pilot.press("ctrl+u")
        row = b.screen.query_one(SettingsForm).row("warmup_iters")
        assert row is not None
        row.editor.value = "0"
        await b.pilot.pause()
        assert (await b.review()).ready
        assert b.note("learning_rate") == ""


async def start_and_be_refused(b: Bench) -> Review:
    before = b.screen.review
    await b.pilot.press("ctrl+s")
    await b.until(lambda: b.screen.review is not before, "the refusal")
    await b.pilot.pause()
    assert b.screen.review is not None
    return b.screen.review


async def test_what_a_preset_decides_explains_itself_and_may_be_typed_over(workspace: Path) -> None:
    async with bench(workspace, preset="mini") as b:
        await b.type("batch_size", "")
        said = text_of(b.screen, "#help")
        assert (
            "2, decided by preset mini, which is used whole" in said
            and "f2 saves a preset of your own" in said
        )
        await b.type("batch_size", "64")
        review = await b.review()
        assert review.overruled == {"batch_size": "64"}
        assert b.note("batch_size") == "! ignored: preset mini has 2; f2 saves a preset of your own"
        assert "the preset overrules what you typed" in text_of(b.screen, "#review-state")


async def test_a_preset_of_ones_own_is_saved_and_chosen(workspace: Path) -> None:
    async with bench(workspace, preset="mini") as b:
        await b.pilot.press("ctrl+l")
        await b.pilot.pause()
        await b.type("batch_size", "4")
        await b.type("n_layer", "2")
        await b.review()
        await b.pilot.press("f2")
        await b.until(lambda: isinstance(b.app.screen, SavePresetScreen), "the question")
        ask = b.app.screen
        words = "Saves configs/mini.json with batch_size=4, n_layer=2"
        await b.until(lambda: words in shown(b.app), "what is saved")
        name = ask.query_one("#preset-name", Input)
        assert name.value == "mini_own" and name.has_focus
        name.value = "../x"
        await b.pilot.press("enter")
        await b.until(lambda: "would leave configs/" in shown(b.app), "the refusal")
        name.value = "deep/wide"
        await b.pilot.press("enter")
        await b.until(lambda: b.app.screen is b.screen, "the preset")
        path = workspace / "configs" / "deep" / "wide.json"
        saved = json.loads(path.read_text())
        assert (saved["batch_size"], saved["n_layer"], saved["n_embd"]) == (4, 2, 8)
        review = await b.review()
        assert review.draft.preset == "configs/deep/wide.json" and review.draft.given == {}
        assert review.values is not None and review.values["batch_size"].value == 4
        assert b.screen.query_one("#name", Input).value == "wide"


async def test_nothing_typed_is_dropped_at_the_start_without_a_word(workspace: Path) -> None:
    async with bench(workspace, preset="mini", given={"device": "cpu"}) as b:
        await b.type("batch_size", "4")
        await b.review()
        await b.pilot.press("ctrl+s")
        await b.until(lambda: isinstance(b.app.screen, SavePresetScreen), "the question")
        words = "batch_size=4 would be ignored: preset mini is used whole"
        await b.until(lambda: words in shown(b.app), "why it is asked")
        await b.pilot.press("escape")
        assert b.app.screen is b.screen and not list_records(workspace).records
        await b.pilot.press("f6")
        await b.until(lambda: isinstance(b.app.screen, SavePresetScreen), "the question")
        await b.pilot.press("enter")
        await b.until(lambda: bool(b.app.dismissed), "the start")
        (record,) = b.app.dismissed
        assert record is not None and record.queued and record.settings["batch_size"] == 4
        assert "configs/mini_own.json" in record.command
        await b.until(lambda: read_exit(record.directory(workspace)) is not None, "the end of the run")


async def test_what_cannot_fit_is_asked_about(workspace: Path) -> None:
    async with bench(workspace, given={"device": "cpu", "batch_size": "9_000_000", "n_layer": "1"}) as b:
        await b.choose("no preset")
        review = await b.review()
        assert review.ready and review.memory is not None and review.room is not None
        assert "needs" in b.note("batch_size") and "needs more memory than is free" in shown(b.app)
        await b.pilot.press("ctrl+s")
        await b.until(lambda: isinstance(b.app.screen, Confirm), "the question")
        await b.until(lambda: "it would most likely fail" in " ".join(shown(b.app).split()), "the words")
        await b.pilot.press("n")
        await b.pilot.pause()
        assert b.app.screen is b.screen and not list_records(workspace).records


async def test_what_an_existing_model_decides_takes_no_typing_and_says_why(workspace: Path) -> None:
    folder = workspace / "checkpoints" / "old"
    folder.mkdir(parents=True)
    names = ("batch_size", "block_size", "vocab_size", "n_embd", "n_head", "n_layer", "dropout", "bias")
    (folder / "config.json").write_text(json.dumps({name: TINY[name] for name in names}))
    state = {"step": 1, "training_config": {"max_iters": 10, "input_file": "builtin:stories"}}
    (folder / "training_state.json").write_text(json.dumps(state))
    (folder / "tokenizer.json").write_text(json.dumps({"token_kind": "char", "chars": ["a", "b"]}))
    (folder / "model.pt").write_bytes(b"x")
    async with bench(workspace, model_name="old") as b:
        # How far it shall go on is what one comes for.
        await b.until(lambda: b.screen.focused is b.screen.query_one("#row-max_iters Field"), "the focus")
        assert "go on with old" in shown(b.app)
        await b.pilot.press("ctrl+l")
        await b.pilot.pause()
        await b.type("n_layer", "3")
        row = b.screen.query_one(SettingsForm).row("n_layer")
        assert row is not None and row.value == ""
        assert "decided by checkpoint old step 1: a model that exists keeps it" in b.note("n_layer")


async def test_all_that_is_wrong_is_said_at_once_where_it_is(workspace: Path) -> None:
    async with bench(workspace, (200, 50), preset="mini") as b:
        b.screen.query_one("#name", Input).value = "a/b"
        b.screen.query_one("#path", Input).value = "nothing.txt"
        await b.type("learning_rate", "much")
        await b.type("max_iters", "0")
        review = await b.review()
        assert len(review.problems) == 4
        assert "would leave checkpoints/" in text_of(b.screen, "#name-note")
        assert "no such file" in text_of(b.screen, "#data-note")
        assert "must be a number" in b.note("learning_rate") and "at least 1" in b.note("max_iters")
        assert "✗ 4 problems keep it from starting" in shown(b.app)
        # What is right is shown all the same.
        assert "parameters" in shown(b.app) and "main memory" in shown(b.app)


async def test_what_is_filled_in_is_there_again_until_it_is_begun_afresh(workspace: Path) -> None:
    async with bench(workspace) as b:
        await b.choose("mini")
        b.screen.query_one("#path", Input).value = "abc.txt"
        await b.type("max_iters", "77")
        await b.review()
        await b.pilot.press("escape")
        assert b.app.dismissed == [None]
    async with bench(workspace) as b:
        review = await b.review()
        assert review.draft.given == {"max_iters": "77"} and review.draft.data == ("input_file", "abc.txt")
        assert review.draft.preset == "configs/mini.json" and review.draft.model_name == "mini"
        assert "f4 begins afresh" in shown(b.app)
        b.screen.action_afresh()
        # Nothing can be typed that would be overwritten.
        assert b.screen.query_one("#panes").disabled
        await b.until(lambda: not b.screen.query_one("#panes").disabled, "the form")
        await b.until(lambda: b.screen.draft().given == {}, "the empty form")
        assert (await b.review()).draft.preset == "tiny_char"
        await b.pilot.press("escape")
    async with bench(workspace) as b:
        assert b.screen.draft().preset == "tiny_char" and b.screen.draft().given == {}
    # A form for another purpose is another form.
    async with bench(workspace, preset="mini") as b:
        assert b.screen.draft().preset == "configs/mini.json"


async def test_presets_that_cannot_be_used_come_last_with_the_reason(workspace: Path) -> None:
    (workspace / "configs" / "a_wrong.json").write_text(json.dumps(TINY | {"n_hed": 3}))
    async with bench(workspace, (200, 50)) as b:
        labels = [p.label for p in b.screen.query_one(PresetPane).presets]
        assert labels[-2:] == ["no preset", "a_wrong"]
        await b.choose("a_wrong")
        await b.review()
        picture = shown(b.app)
        assert "✗ a_wrong" in picture and "n_hed: is not known" in picture


async def test_values_are_whole_and_the_review_is_beside_the_form_at_a_hundred_columns(
    workspace: Path,
) -> None:
    async with bench(workspace, (100, 30), preset="mini") as b:
        await b.review()
        await b.pilot.press("ctrl+n", "ctrl+n")
        await b.until(lambda: "learning_rate" in shown(b.app), "the settings")
        picture = shown(b.app)
        assert ("2 · preset" in picture and "3e-4 · default" in picture) or "0.0003 · default" in picture
        assert "3 Settings" in picture and "tokens a step" in picture


async def test_where_values_come_from_is_whole_where_there_is_no_room_beside_them(workspace: Path) -> None:
    async with bench(workspace, (120, 36)) as b:
        await b.review()
        await b.until(lambda: "from preset tiny_char" in shown(b.app), "what the preset decides")
        await b.pilot.resize_terminal(160, 48)
        await b.until(lambda: "2000     preset tiny_char" in shown(b.app), "the source beside the value")


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 50)])
async def test_no_toast_lies_over_what_starts(workspace: Path, size: tuple[int, int]) -> None:
    async with bench(workspace, size, preset="mini", toasts=True) as b:
        await b.review()
        await b.pilot.press("4")
        await b.pilot.press("ctrl+y")
        await b.until(lambda: bool(toasts(b.app)), "the toast")
        await b.pilot.pause()
        start = b.screen.query_one("#start", Button).region
        regions = [toast.region for toast in b.screen.get_child_by_type(ToastRack).walk_children(Toast)]
        assert regions and start.area and not any(region.overlaps(start) for region in regions)


async def test_arrows_go_from_field_to_field_where_the_form_scrolls(workspace: Path) -> None:
    async with bench(workspace, (80, 24), preset="mini") as b:
        await b.review()
        await b.pilot.press("3")
        await b.pilot.pause()
        await b.pilot.press("down", "down", "up")
        assert b.screen.focused is b.screen.query_one("#row-learning_rate Field")


async def test_the_model_name_is_checked_as_it_is_typed(workspace: Path) -> None:
    async with bench(workspace, preset="mini") as b:
        name = b.screen.query_one("#name", Input)
        name.focus()
        await b.pilot.press("end", "slash")
        assert "would leave checkpoints/" in text_of(b.screen, "#name-note")
        assert not (await b.review()).ready
        # A name of one's own stays when the preset changes.
        await b.pilot.press("backspace", "x")
        await b.choose("tiny")
        assert name.value == "minix"
        assert (await b.review()).name_note == "a new model"


async def test_bad_data_is_told_in_the_form(workspace: Path) -> None:
    (workspace / "short.txt").write_text("too short")
    async with bench(workspace, preset="mini", given={"input_file": "short.txt"}) as b:
        review = await b.review()
        assert not review.ready and review.data_problems()
        assert "fewer than one block of 8" in text_of(b.screen, "#data-note")
        b.screen.query_one("#path", Input).value = "nothing.txt"
        await b.review()
        assert "no such file" in text_of(b.screen, "#data-note")
        # The list takes the place of a path.
        listing = b.screen.query_one("#data", OptionList)
        listing.focus()
        pane = b.screen.query_one(DataPane)
        listing.highlighted = next(i for i, c in enumerate(pane.choices) if c.value == "abc.txt")
        await b.pilot.pause()
        assert b.screen.draft().data == ("input_file", "abc.txt") and pane.path == ""
        assert (await b.review()).ready


async def test_all_settings_are_one_key_away_and_keep_what_was_typed(workspace: Path) -> None:
    async with bench(workspace, preset="mini", given={"weight_decay": 0.2}) as b:
        form = b.screen.query_one(SettingsForm)
        assert form.given() == {"weight_decay": "0.2"}
        await b.type("seed", "5")
        await b.pilot.press("ctrl+l")
        await b.pilot.pause()
        await b.type("grad_clip", "3")
        review = await b.review()
        assert review.draft.given == {"weight_decay": "0.2", "seed": "5", "grad_clip": "3"}
        assert text_of(b.screen, "#help").endswith("3.0, as you typed")
        row = form.row("neftune_alpha")
        assert row is not None and row.display and "0.0 · default" in str(row.editor.placeholder)
        await b.pilot.press("ctrl+l")
        await b.pilot.pause()
        hidden = b.screen.query_one("#row-neftune_alpha")
        assert not hidden.display and b.screen.query_one("#row-grad_clip").display


async def test_settings_stand_as_people_think_and_the_cursor_where_most_is_told(workspace: Path) -> None:
    async with bench(workspace, preset="mini") as b:
        await b.review()
        form = b.screen.query_one(SettingsForm)
        await b.pilot.press("ctrl+l", "ctrl+n", "ctrl+n")
        shown_groups = [box.id for box in form.children if box.display]
        assert shown_groups == [
            "model",
            "data",
            "schedule",
            "evaluation",
            "fine-tuning",
            "machine",
            "advanced",
        ]
        await b.until(lambda: b.screen.focused is b.screen.query_one("#row-max_iters Field"), "the focus")
        await b.pilot.press("up")
        focused = b.screen.focused
        assert b.screen.step == 2 and focused is not None
        assert any(above.id == "data" for above in focused.ancestors), "the group before it"


async def test_choices_turn_by_key(workspace: Path) -> None:
    async with bench(workspace, preset="mini") as b:
        row = b.screen.query_one(SettingsForm).row("precision")
        assert row is not None
        row.editor.focus()
        await b.pilot.press("right")
        assert row.value == "auto"
        await b.pilot.press("b")
        assert row.value == "bf16"
        await b.pilot.press("backspace")
        assert row.value == ""
        assert "precision" not in (await b.review()).draft.given


async def test_start_really_starts_a_run_that_leaves_a_checkpoint(workspace: Path) -> None:
    async with bench(workspace, preset="mini", given={"input_file": "abc.txt", "device": "cpu"}) as b:
        assert (await b.review()).ready
        await b.pilot.press("ctrl+s")
        await b.until(lambda: bool(b.app.dismissed), "the start")
        (record,) = b.app.dismissed
        assert record is not None and record.model_name == "mini" and record.origin == "dashboard"
        assert record.settings["max_iters"] == 2 and record.settings["data"] == "abc.txt"
        assert record.log_file == "logs/train/mini_eval.jsonl"
        await b.until(lambda: b.app.launched == [record], "the message")
        run = record.directory(workspace)
        await b.until(lambda: read_exit(run) is not None, "the end of the run")
        end = read_exit(run)
        assert end is not None and end.code == 0, end
        assert (workspace / "checkpoints" / "mini" / "model.pt").is_file()
    # Opened again, the name is taken, and the old one can be gone on with.
    async with bench(workspace, preset="mini") as again:
        assert again.screen.query_one("#name", Input).value == "mini-2"
    async with bench(workspace, model_name="mini", given={"max_iters": 4}) as resumed:
        review = await resumed.review()
        assert review.ready and review.name_note == "exists: resumes it from step 2"
        assert review.command == "mypt train --model_name mini --max_iters 4"


async def test_only_who_asks_for_no_place_is_offered_that_of_the_run_before(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path_factory.mktemp("bin")
    (programs / "sbatch").write_text("#!/bin/sh\nexit 1\n")
    (programs / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    async with bench(workspace, preset="mini") as b:
        KeptPlace(b.app.prefs, workspace).save(Ask(nodes="2"), last=True)
    for processes, offered in ((None, "SLURM"), (1, "this machine, one process")):
        async with bench(workspace, preset="mini", processes=processes) as b:
            assert b.screen.query_one("#where", Choice).value == offered
            await b.review()
            # SLURM queues by itself: its key line offers no key that would only say so.
            words = ("s Submit", "") if offered == "SLURM" else ("s Start", "F6 Queue")
            assert words[0] in shown(b.app) and ("Queue" in shown(b.app)) == bool(words[1])


async def test_several_processes_train_what_the_form_asks_for(workspace: Path) -> None:
    (workspace / "configs" / "mini.json").write_text(json.dumps(TINY | {"batch_size": 1}))
    given = {"input_file": "abc.txt", "device": "cpu"}
    async with bench(workspace, preset="mini", given=given, processes=2) as b:
        where = b.screen.query_one("#where", Choice)
        assert where.value == "2 processes here"
        assert not (await b.review()).ready and b.screen.query_one("#start", Button).disabled
        assert "an update has 1 sequences" in " ".join(shown(b.app).split())
        where.focus()
        await b.pilot.press("t")
        assert (await b.review()).ready and where.value == "this machine, one process"
        await b.type("grad_accum_steps", "2")
        where.focus()
        await b.pilot.press("2")
        review = await b.review()
        assert review.ready and review.command.endswith("--nproc 2") and "each process:" in shown(b.app)
        assert review.memory is not None and review.needed == 2 * review.memory.total
        await b.pilot.press("ctrl+s")
        await b.until(lambda: bool(b.app.dismissed), "the start")
        (record,) = b.app.dismissed
        assert record is not None and processes_of(record) == 2
        run = record.directory(workspace)
        await b.until(lambda: read_exit(run) is not None, "the end of the run")
        end = read_exit(run)
        assert end is not None and end.code == 0, end
    state = json.loads((workspace / "checkpoints" / "mini" / "training_state.json").read_text())
    assert state["processes"] == 2
    filled = filled_in(record)
    assert filled is not None and "nproc" not in filled.given


async def test_queue_waits_for_the_runs_before_it(workspace: Path) -> None:
    async with bench(workspace, preset="mini", given={"device": "cpu"}) as b:
        assert (await b.review()).ready
        await b.pilot.press("f6")
        await b.until(lambda: bool(b.app.dismissed), "the start")
        (record,) = b.app.dismissed
        assert record is not None and record.origin == "queue" and record.queued
        await b.until(lambda: read_exit(record.directory(workspace)) is not None, "the end of the run")


async def test_readonly_starts_nothing(workspace: Path) -> None:
    async with bench(workspace, readonly=True, preset="mini") as b:
        assert (await b.review()).ready
        await b.pilot.press("ctrl+s", "f6")
        await b.pilot.pause()
        assert not b.app.dismissed and not list_records(workspace).records
        assert b.app.screen is b.screen


async def test_escape_leaves_without_a_run(workspace: Path) -> None:
    async with bench(workspace) as b:
        await b.pilot.press("escape")
        assert b.app.dismissed == [None] and b.app.screen is not b.screen


async def test_names_from_files_are_shown_and_never_obeyed(workspace: Path) -> None:
    (workspace / "configs" / "[red]x[].json").write_text(json.dumps(TINY | {"description": "[b]\x1b[31mno"}))
    (workspace / "configs" / "bad\x1b[2J.json").write_text('{"n_layer": "[/]\x07"')
    (workspace / "[bold]a\x1b[1m.txt").write_text("abc " * 300)
    async with bench(workspace, (200, 50), preset="[red]x[]") as b:
        review = await b.review()
        assert review.ready and b.screen.query_one("#name", Input).value == "red_x"
        picture = shown(b.app)
        assert "[red]x[]" in picture and "[b]\\x1b[31mno" in picture and "[bold]a\\x1b[1m.txt" in picture
        assert "preset [red]x[]" in picture
        await b.choose("bad\x1b[2J")
        await b.review()
        picture = shown(b.app)
        assert "not JSON" in picture and "bad\\x1b[2J" in picture
        assert "\x1b" not in picture and "\x07" not in picture


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_every_step_is_reachable_by_keys_at_every_size(workspace: Path, size: tuple[int, int]) -> None:
    async with bench(workspace, size, preset="mini") as b:
        assert (await b.review()).ready
        seen = []
        for _ in range(4):
            await b.pilot.pause()
            focused = b.screen.focused
            assert focused is not None and focused.region.area > 0
            assert b.screen.region.contains_region(focused.region), f"{focused} is cut off"
            seen.append(b.screen.step)
            await b.pilot.press("ctrl+n")
        assert seen == [0, 1, 2, 3]
        start = b.screen.query_one("#start")
        if size[0] >= 100:
            assert b.screen.region.contains_region(start.region) and start.region.area > 0
        assert "^s Start" in shown(b.app) and "? Keys" in shown(b.app)


async def test_keys_pressed_in_haste_are_all_counted(workspace: Path) -> None:
    async with bench(workspace, (80, 24), preset="mini") as b:
        for _ in range(3):
            b.app.simulate_key("ctrl+n")
        await b.until(lambda: b.screen.focused is b.screen.query_one("#start"), "the review")
        await b.pilot.pause()
        assert b.screen.step == 3


async def test_narrow_shows_one_step_and_marks_those_with_problems(workspace: Path) -> None:
    async with bench(workspace, (80, 24), preset="mini") as b:
        await b.review()
        await b.pilot.press("ctrl+n", "ctrl+n")
        await b.pilot.pause()
        await b.type("max_iters", "0")
        await b.review()
        assert "3 Settings✗" in shown(b.app) and "must be at least 1" in shown(b.app)
        refused = await start_and_be_refused(b)
        await b.pilot.pause()
        assert refused.problems and b.screen.step == 3
        assert "max_iters: must be at least 1" in shown(b.app)


async def test_the_mouse_does_what_keys_do(workspace: Path) -> None:
    async with bench(workspace, (80, 24), preset="mini") as b:
        await b.review()
        await b.pilot.click("#steps", offset=(16, 0))
        await b.pilot.pause()
        assert b.screen.step == 1
        await b.pilot.click("#data", offset=(3, 1))
        assert b.screen.draft().data == ("input_file", "builtin:stories")
