"""Sample: the screen with the real process behind it and a real, tiny, trained model."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

import mypt
from mypt.text import printable
from mypt.tokenizers import CHAT_TOKENS, CharTokenizer
from tests.processes import is_gone
from tests.sampling.models import reciting
from tests.tui.logs import write_run
from tests.tui.toasts import said
from tests.tui.waiting import until
from tests.workbench import CHARS
from tests.workbench import mypt as mypt_command
from tui.actions import GLOBAL
from tui.app import MyptApp
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.checkpoints.tree import BundleTree
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.sample import SampleScreen
from tui.screens.sample.actions import WRITING_ACTIONS
from tui.screens.sample.choose import ChooseScreen
from tui.screens.sample.pane import OutputPane
from tui.screens.sample.panel import SettingsPanel
from tui.screens.sample.prompt import PromptField
from tui.screens.sample.talk import Answer, Phase
from tui.widgets.confirm import Confirm
from tui.widgets.lines import KeyLine, TopLine


@pytest.fixture(autouse=True)
def preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))


@asynccontextmanager
async def shown(
    place: Path, *names: str, size: tuple[int, int] = (120, 36), readonly: bool = False, load: bool = True
) -> AsyncIterator[tuple[Pilot[None], SampleScreen]]:
    """The screen over Home, with these checkpoints in memory."""
    app = MyptApp(place, readonly=readonly)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        screen = SampleScreen(names)
        await app.push_screen(screen)
        if load:
            await until(pilot, lambda: all(side.phase is Phase.READY for side in screen.desk.talk.sides))
        await pilot.pause()
        yield pilot, screen


def pane(screen: SampleScreen, number: int = 0) -> OutputPane:
    return screen.query_one(f"#pane-{number}", OutputPane)


def text_of(screen: SampleScreen, number: int = 0) -> str:
    return "\n".join(line.plain for line in pane(screen, number).view.lines)


def border(title: object) -> str:
    """What a border says, without its colours."""
    return Content.from_markup(str(title)).plain


def answers(screen: SampleScreen, number: int = 0) -> list[Answer]:
    return screen.desk.talk.sides[number].answers


def keys(screen: SampleScreen) -> str:
    return screen.query_one(KeyLine).render().plain


def set_field(screen: SampleScreen, **values: str) -> None:
    for name, value in values.items():
        screen.query_one(f"#{name}", Input).value = value


async def type_in(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))


async def ask(pilot: Pilot[None], screen: SampleScreen, prompt: str) -> None:
    """Type, press Enter, and wait for the end of what is written."""
    await type_in(pilot, prompt)
    await pilot.press("enter")
    await until(pilot, lambda: not screen.desk.talk.is_writing and answers(screen))
    await pilot.pause()


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_text_that_comes_is_the_one_that_generate_prints(trained: Path) -> None:
    async with shown(trained, "dante_gold") as (pilot, screen):
        assert screen.focused is screen.query_one(PromptField)
        assert border(pane(screen).border_title).startswith("dante ★ gold ─ step ")
        assert " ─ val " in border(pane(screen).border_title)
        assert border(pane(screen).border_subtitle).startswith("ready · ")
        set_field(screen, seed="7", max_new_tokens="50")
        await ask(pilot, screen, "once upon")
        assert screen.query_one(PromptField).text == ""
        (answer,) = answers(screen)
        flags = ["--prompt", "once upon", "--seed", "7", "--max_new_tokens", "50"]
        printed = mypt_command(trained, "generate", "--model_name", "dante_gold", *flags).stdout
        assert answer.whole == printed.removesuffix("\n")
        joined = " ".join(text_of(screen).split())
        assert joined.startswith(" ".join(answer.whole.split())[:20])
        assert "seed 7 · 50 tokens" in joined


async def test_two_stand_side_by_side_and_draw_with_one_seed_or_two(trained: Path) -> None:
    async with shown(trained, "dante", "dante_gold") as (pilot, screen):
        assert pane(screen).region.width == pane(screen, 1).region.width > 30
        set_field(screen, max_new_tokens="20")
        await ask(pilot, screen, "ab")
        left, right = answers(screen)[0], answers(screen, 1)[0]
        assert left.settings.seed == right.settings.seed is not None
        assert len(left.text) == len(right.text) == 20
        screen.query_one(SettingsPanel)._editors["same_seed"].value = "no"
        await ask(pilot, screen, "ab")
        left, right = answers(screen)[1], answers(screen, 1)[1]
        assert left.settings.seed is not None
        assert right.settings.seed == left.settings.seed + 1
        # One alone again, and the other's memory is given back.
        await pilot.press("f3")
        await pilot.pause()
        assert not pane(screen, 1).region
        assert len(screen.desk.talk.sides) == 1


async def test_again_writes_another_text_and_with_a_seed_the_same(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert "Nothing was asked yet" in said(pilot.app)[-1]
        set_field(screen, max_new_tokens="40")
        await ask(pilot, screen, "ab")
        for seed in ("", "5", "5"):
            set_field(screen, seed=seed)
            before = len(answers(screen))
            await pilot.press("ctrl+r")
            await until(pilot, lambda before=before: len(answers(screen)) > before)  # type: ignore[misc]
            await until(pilot, lambda: not screen.desk.talk.is_writing)
        texts = [answer.text for answer in answers(screen)]
        assert [answer.prompt for answer in answers(screen)] == ["ab"] * 4
        assert texts[0] != texts[1] and texts[2] == texts[3]


async def test_escape_stops_keeps_what_is_there_and_then_leaves_with_the_process(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        set_field(screen, max_new_tokens="1000000")
        await type_in(pilot, "ab")
        await pilot.press("enter")
        await until(pilot, lambda: answers(screen) and answers(screen)[0].tokens > 5)
        await until(pilot, lambda: "esc Stop" in keys(screen))
        assert "writing" in border(pane(screen).border_subtitle)
        await pilot.press("x", "enter")
        await pilot.pause()
        assert "still writing: esc stops it" in said(screen.app)[-1]
        await pilot.press("escape")
        await until(pilot, lambda: not screen.desk.talk.is_writing)
        assert pilot.app.screen is screen
        assert answers(screen)[0].why == "cancelled" and answers(screen)[0].text
        await until(pilot, lambda: "stopped" in text_of(screen))
        assert "esc Back" in keys(screen)
        # What could not be sent is still there.
        assert screen.query_one(PromptField).text == "x"
        pid = screen.desk.pid
        assert pid is not None and not is_gone(pid)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await until(pilot, lambda: is_gone(pid))


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
async def test_one_that_does_not_answer_keeps_nobody_here_and_is_ended(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        pid = screen.desk.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await pilot.press("a", "enter", "escape")
        await until(pilot, lambda: border(pane(screen).border_subtitle) == "stopping …")
        assert pilot.app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await until(pilot, lambda: is_gone(pid))


async def test_leaving_in_the_middle_keeps_what_was_written(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        set_field(screen, max_new_tokens="1000000")
        await type_in(pilot, "ab")
        await pilot.press("enter")
        await until(pilot, lambda: answers(screen) and answers(screen)[0].tokens > 5)
        pid = screen.desk.pid
    assert pid is not None
    async with shown(trained, "dante") as (pilot, screen):
        await until(pilot, lambda: is_gone(pid))
        (answer,) = answers(screen)
        assert answer.why == "cancelled" and len(answer.text) > 5


async def test_a_killed_process_is_said_and_started_again(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        set_field(screen, max_new_tokens="20")
        await ask(pilot, screen, "ab")
        first = screen.desk.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(pilot, lambda: "it was killed by SIGKILL" in text_of(screen))
        assert "f4 starts the model process again" in text_of(screen)
        assert screen.query_one(TopLine).right == "model process: ended"
        # What was written before is still there.
        assert answers(screen)[0].text[:5] in text_of(screen)
        await pilot.press("f4")
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.READY)
        assert "SIGKILL" not in text_of(screen)
        second = screen.desk.pid
        assert second is not None and second != first
        os.kill(second, signal.SIGKILL)
        await until(pilot, lambda: screen.desk.pid is None)
        # Asking starts it too.
        await ask(pilot, screen, "cd")
        assert len(answers(screen)) == 2 and answers(screen)[1].why == "length"


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_wrong_setting_is_marked_explained_and_refused(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        await pilot.press("f2", "down")
        await pilot.pause()
        assert isinstance(screen.focused, Input) and screen.focused.id == "top_k"
        await pilot.press("0")
        await pilot.pause()
        help_text = str(screen.query_one("#settings-help", Static).render())
        assert "✗ must be a whole number from 1 on, or off" in help_text
        assert screen.query_one("#top_k").has_class("-wrong")
        await pilot.press("enter")
        await until(pilot, lambda: screen.focused is screen.query_one(PromptField))
        await pilot.press("a", "enter")
        await until(pilot, lambda: isinstance(screen.focused, Input) and screen.focused.id == "top_k")
        assert "top_k: must be a whole number from 1 on, or off (got '0')" in said(screen.app)[-1]
        assert answers(screen) == [] and screen.query_one(PromptField).text == "a"
        await pilot.press("backspace", "escape")
        await until(pilot, lambda: screen.focused is screen.query_one(PromptField))
        assert not screen.query_one("#top_k").has_class("-wrong")


@pytest.mark.skipif(sys.platform == "darwin", reason="MPS is there")
async def test_a_device_that_is_not_here_is_said_and_another_is_taken(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        screen.query_one("#device").focus()
        await pilot.press("m")
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.FAILED)
        await until(
            pilot, lambda: "device: this machine does not have it" in " ".join(text_of(screen).split())
        )
        await pilot.press("c")
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.READY)
        assert "on cpu" in border(pane(screen).border_subtitle)


async def test_settings_and_an_unsent_prompt_are_there_the_next_time(trained: Path) -> None:
    async with shown(trained, "dante", load=False) as (pilot, screen):
        set_field(screen, temperature="0.3", system="be kind")
        screen.query_one(SettingsPanel)._editors["chat"].value = "off"
        await type_in(pilot, "half a")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
    async with shown(trained, "dante", load=False) as (pilot, screen):
        panel = screen.query_one(SettingsPanel)
        assert (panel["temperature"], panel["system"], panel["chat"]) == ("0.3", "be kind", "off")
        assert screen.query_one(PromptField).text == "half a"


async def test_on_a_small_terminal_settings_take_turns_with_texts(trained: Path) -> None:
    async with shown(trained, "dante", "dante_gold", size=(80, 24), load=False) as (pilot, screen):
        panel = screen.query_one(SettingsPanel)
        assert not panel.region
        above, below = pane(screen).region, pane(screen, 1).region
        assert above.bottom <= below.y and above.width == below.width == 80
        assert above.height >= 6 and below.height >= 6
        assert "temperature 0.8" in str(screen.query_one("#summary", Static).render())
        await pilot.press("f2")
        await until(pilot, lambda: panel.has_focus_within)
        await until(pilot, lambda: panel.region.right == 80)
        await pilot.press("escape")
        await until(pilot, lambda: not panel.display)
        assert screen.focused is screen.query_one(PromptField)


# ── the prompt and what is remembered ───────────────────────────────────────────────────────────────────────────


async def test_several_lines_are_typed_by_keys_that_every_terminal_has(trained: Path) -> None:
    async with shown(trained, "dante", load=False) as (pilot, screen):
        prompt = screen.query_one(PromptField)
        await pilot.press("a", "ctrl+j", "b", "backslash", "enter", "c", "shift+enter", "d")
        assert prompt.text == "a\nb\nc\nd"
        assert answers(screen) == []
        await pilot.press("ctrl+enter")
        await until(pilot, lambda: answers(screen))
        assert answers(screen)[0].prompt == "a\nb\nc\nd"


async def test_prompts_and_texts_come_back_after_a_restart(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        set_field(screen, max_new_tokens="15")
        await ask(pilot, screen, "first")
        await ask(pilot, screen, "second")
        texts = [answer.text for answer in answers(screen)]
    async with shown(trained, "dante") as (pilot, screen):
        assert [answer.text for answer in answers(screen)] == texts
        prompt = screen.query_one(PromptField)
        await type_in(pilot, "draft")
        await pilot.press("up")
        assert prompt.text == "second"
        await pilot.press("up")
        assert prompt.text == "first"
        await pilot.press("down", "down")
        assert prompt.text == "draft"
        await pilot.press("enter")
        await until(pilot, lambda: len(answers(screen)) == 3 and not screen.desk.talk.is_writing)
        await until(pilot, lambda: "written before" in text_of(screen))
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert answers(screen) == [] and "Type below" in text_of(screen)
        await pilot.press("up")
        assert prompt.text == "draft"


async def test_forgetting_asks_and_leaves_nothing(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        set_field(screen, max_new_tokens="5")
        await ask(pilot, screen, "ab")
        assert screen.desk.history.path.exists()
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.desk.history.path.exists()
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: not screen.desk.history.path.exists())
        await pilot.press("up")
        assert screen.query_one(PromptField).text == ""


async def test_a_read_only_dashboard_samples_and_writes_no_file(trained: Path) -> None:
    before = sorted(path for path in trained.rglob("*"))
    async with shown(trained, "dante", readonly=True) as (pilot, screen):
        set_field(screen, max_new_tokens="10")
        await ask(pilot, screen, "ab")
        assert len(answers(screen)[0].text) == 10
        assert "read-only" in screen.query_one(TopLine).right
        await pilot.press("f8")
        await pilot.pause()
        assert pilot.app.screen is screen and "--readonly" in said(screen.app)[-1]
    assert sorted(path for path in trained.rglob("*")) == before


async def test_the_last_text_is_copied(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert "no text to copy yet" in said(screen.app)[-1]
        set_field(screen, max_new_tokens="10")
        await ask(pilot, screen, "ab")
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert pilot.app.clipboard == "ab" + answers(screen)[0].text
        assert "dante last is in the clipboard" in said(screen.app)[-1]


# ── which checkpoint ────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_checkpoint_is_found_by_a_few_letters(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooseScreen))
        await until(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count == 3)
        await type_in(pilot, "fp")
        await until(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.READY)
        assert [side.name for side in screen.desk.talk.sides] == ["dante_fp16"]
        # Beside it: what is there already cannot be taken twice.
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooseScreen))
        listed = pilot.app.screen.query_one(OptionList)
        await until(pilot, lambda: listed.option_count == 3)
        assert [listed.get_option_at_index(i).disabled for i in range(3)] == [False, False, True]
        await pilot.press("down", "enter")
        await until(pilot, lambda: len(screen.desk.talk.sides) == 2)
        assert screen.desk.talk.sides[1].name == "dante_gold"
        await pilot.press("f9")
        await pilot.pause()
        assert [side.name for side in screen.desk.talk.sides] == ["dante_gold", "dante_fp16"]
        assert "gold" in border(pane(screen).border_title)


async def test_a_click_on_its_name_asks_for_another(trained: Path) -> None:
    async with shown(trained, "dante", load=False) as (pilot, screen):
        await until(pilot, lambda: pilot.app.live.bundles)  # type: ignore[attr-defined]
        await pilot.click(OutputPane, offset=(6, 0))
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooseScreen))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert [side.name for side in screen.desk.talk.sides] == ["dante"]


async def test_the_texts_scroll_while_one_types(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        set_field(screen, max_new_tokens="3000")
        await ask(pilot, screen, "ab")
        view = pane(screen).view
        await until(pilot, lambda: view.max_scroll_y > 20 and view.scroll_offset.y == view.max_scroll_y)
        await pilot.press("pageup")
        await until(pilot, lambda: view.scroll_offset.y < view.max_scroll_y - 10)
        assert screen.focused is screen.query_one(PromptField)
        # A place that somebody went to stays, whatever comes.
        assert not view.following
        await pilot.press("pagedown", "pagedown")
        await until(pilot, lambda: view.scroll_offset.y == view.max_scroll_y)
        await until(pilot, lambda: view.following)


async def test_a_newer_one_on_disk_is_said_and_loaded_at_a_key(trained: Path) -> None:
    async with shown(trained, "dante_gold") as (pilot, screen):
        (side,) = screen.desk.talk.sides
        loaded = mypt.load_bundle("dante_gold", trained)
        mypt.save_checkpoint_bundle(loaded.model, trained / "checkpoints" / "dante_gold", step=99)
        await until(
            pilot,
            lambda: "a newer one is on disk: step 99, ^n loads it" in border(pane(screen).border_subtitle),
        )
        assert side.ready is not None and side.ready.step != 99
        await pilot.press("ctrl+n")
        await until(pilot, lambda: side.ready is not None and side.ready.step == 99)
        await until(pilot, lambda: "step 99" in border(pane(screen).border_title))
        assert "newer" not in border(pane(screen).border_subtitle)
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert "What is in memory is what is on disk" in said(screen.app)[-1]


async def test_a_checkpoint_that_was_deleted_writes_on_from_memory(trained: Path) -> None:
    async with shown(trained, "dante_gold") as (pilot, screen):
        await until(pilot, lambda: pilot.app.live.bundles)  # type: ignore[attr-defined]
        shutil.rmtree(trained / "checkpoints" / "dante_gold")
        await until(pilot, lambda: "no longer on disk" in border(pane(screen).border_subtitle))
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert "dante ★ gold: no longer on disk" in said(screen.app)[-1]
        set_field(screen, max_new_tokens="10")
        await ask(pilot, screen, "ab")
        assert len(answers(screen)[0].text) == 10


async def test_a_broken_checkpoint_says_what_is_wrong_and_is_tried_again(trained: Path) -> None:
    config = trained / "checkpoints" / "dante" / "config.json"
    right = config.read_bytes()
    config.write_bytes(right[:40])
    async with shown(trained, "dante", load=False) as (pilot, screen):
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.FAILED)
        await pilot.pause()
        joined = " ".join(text_of(screen).split())
        assert "config.json: cut short at line" in joined
        assert "^o chooses another checkpoint, ^n tries again." in joined
        assert "cannot be loaded" in border(pane(screen).border_subtitle)
        config.write_bytes(right)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.READY)


async def test_a_vocabulary_that_is_not_here_is_said_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    reciting(place, "ab ab", CharTokenizer.from_text("ab "), masked=False)
    bundle = place / "checkpoints" / "actor"
    (bundle / "manifest.json").unlink()
    (bundle / "tokenizer.json").write_text('{"token_kind": "gpt2"}')
    monkeypatch.setenv("MYPT_GPT2_VOCAB", str(tmp_path / "vocab.bpe"))
    async with shown(place, "actor", load=False) as (pilot, screen):
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.FAILED)
        await pilot.pause()
        joined = " ".join(text_of(screen).split())
        assert "MYPT_GPT2_VOCAB: No such file or directory" in joined and "it takes vocab.bpe" in joined


async def test_with_no_checkpoint_it_teaches_and_begins_with_the_first(trained: Path) -> None:
    (trained / "checkpoints").rename(trained / "later")
    async with shown(trained) as (pilot, screen):
        assert screen.has_class("-empty") and screen.desk.pid is None
        assert "No checkpoint to write with yet" in str(screen.query_one("#empty", Static).render())
        assert "esc Back" in keys(screen)
        await pilot.press("ctrl+r", "ctrl+o", "f3", "ctrl+y", "ctrl+l", "ctrl+n", "f2", "f9", "enter")
        await pilot.pause()
        (trained / "later").rename(trained / "checkpoints")
        await until(pilot, lambda: screen.desk.talk.sides)
        await until(pilot, lambda: screen.desk.talk.sides[0].phase is Phase.READY)
        assert not screen.has_class("-empty")
        # Of what was saved last, its best.
        assert screen.desk.talk.sides[0].name == "dante_gold"


# ── what comes out of a model ───────────────────────────────────────────────────────────────────────────────────


async def test_nothing_that_a_model_writes_acts(tmp_path: Path) -> None:
    script = "a[red]b[/red]\x1b[2J\x07c [@click=app.quit]d[/] \u202ee"
    reciting(tmp_path / "place", script, CharTokenizer.from_text(script), masked=False)
    async with shown(tmp_path / "place", "actor") as (pilot, screen):
        set_field(screen, temperature="0", max_new_tokens=str(len(script) - 1))
        await ask(pilot, screen, "a")
        assert answers(screen)[0].whole == script
        text = text_of(screen).replace("\n", "")
        assert "a[red]b[/red]\\x1b[2J\\x07c [@click=app.quit]d[/] \\u202ee" in text
        view = pane(screen).view
        for y in range(view.size.height):
            assert not set(view.render_line(y).text) & {"\x1b", "\x07", "\u202e"}


async def test_a_model_of_conversations_answers(tmp_path: Path) -> None:
    script = "<myPT_user>ab</myPT_user><myPT_assistant>ef gh</myPT_assistant>ab ab"
    tokenizer = CharTokenizer.from_text(script + CHARS + "".join(CHAT_TOKENS))
    reciting(tmp_path / "place", script, tokenizer, masked=True)
    async with shown(tmp_path / "place", "actor") as (pilot, screen):
        assert "It was trained to answer" in text_of(screen)
        set_field(screen, temperature="0", max_new_tokens="60")
        await ask(pilot, screen, "ab")
        assert text_of(screen).splitlines()[:2] == ["› ab", "ef gh"]
        joined = " ".join(text_of(screen).split())
        assert "chat · " in joined and "the model ended it" in joined
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert pilot.app.clipboard == "ef gh"


async def test_what_a_vocabulary_lacks_is_said_where_one_looks(trained: Path) -> None:
    async with shown(trained, "dante") as (pilot, screen):
        await ask(pilot, screen, "Über")
        assert answers(screen)[0].why == "failed"
        assert "characters that dante has never seen: 'Ü'" in " ".join(text_of(screen).split())
        await pilot.press("up")
        assert screen.query_one(PromptField).text == "Über"


# ── the ways here, and the keys ─────────────────────────────────────────────────────────────────────────────────


async def test_from_the_runs_its_best_checkpoint_writes(trained: Path) -> None:
    app = MyptApp(trained)
    async with app.run_test(size=(120, 36)) as pilot:
        home = app.screen
        await until(pilot, lambda: app.live.bundles and isinstance(home, HomeScreen) and home.run_in_view)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        assert isinstance(app.screen, SampleScreen)
        assert [side.name for side in app.screen.desk.talk.sides] == ["dante_gold"]


async def test_a_run_without_a_checkpoint_is_said_and_another_is_taken(trained: Path) -> None:
    write_run(trained, "younger")
    app = MyptApp(trained)
    async with app.run_test(size=(120, 36)) as pilot:
        home = app.screen
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: len(app.live.workspace.runs) == 2 and app.live.bundles)
        home.select(next(run.key for run in app.live.workspace.runs if run.name == "younger"))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        assert "younger has no checkpoint yet" in said(app)[-1]
        assert isinstance(app.screen, SampleScreen)
        assert [side.name for side in app.screen.desk.talk.sides] == ["dante_gold"]


async def test_from_the_checkpoints_the_chosen_one_or_two_that_are_marked(trained: Path) -> None:
    app = MyptApp(trained)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.live.bundles)
        await app.push_screen(CheckpointsScreen())
        await until(pilot, lambda: len(app.screen.query_one(BundleTree).rows) == 3)
        await pilot.press("down", "down", "g")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        assert isinstance(app.screen, SampleScreen)
        assert [side.name for side in app.screen.desk.talk.sides] == ["dante_fp16"]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
        await pilot.press("space", "up", "up", "space", "g")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        assert isinstance(app.screen, SampleScreen)
        assert [side.name for side in app.screen.desk.talk.sides] == ["dante", "dante_fp16"]


@pytest.mark.parametrize("width", [80, 120])
async def test_the_way_back_is_in_sight_and_every_key_is_told(trained: Path, width: int) -> None:
    async with shown(trained, "dante", size=(width, 24), load=False) as (pilot, screen):
        line = keys(screen)
        assert "esc Back" in line and "^p More" in line and "f1 Keys" in line
        assert len(line.rstrip()) <= screen.query_one(KeyLine).size.width
        bound = {
            (key, binding.action)
            for where in (screen, pilot.app)
            for key, found in where._bindings.key_to_bindings.items()
            for binding in found
        }
        for action in (*screen.ACTIONS, *WRITING_ACTIONS, *GLOBAL):
            assert {(key, action.name) for key in action.keys.split(",")} <= bound
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        helped = pilot.app.screen
        assert isinstance(helped, HelpScreen)
        areas = helped.areas()
        told = {what for entries in areas.values() for _, what in entries}
        assert {action.help for action in screen.ACTIONS} <= told
        assert "Let the model go on from this" in {what for _, what in areas["In focus: the prompt"]}


async def test_the_dashboard_itself_never_has_torch(trained: Path) -> None:
    code = (
        "import sys\n"
        "from tui.screens.sample import SampleScreen\n"
        "from tui.screens.sample.desk import Desk\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_hostile_names_are_shown_as_they_are(trained: Path) -> None:
    names = ["[red]x[b]", "[@click=app.quit]y", "\x1b[31mred", "長" * 60]
    for name in names:
        shutil.copytree(trained / "checkpoints" / "dante", trained / "checkpoints" / name)
    for name in names:
        async with shown(trained, name) as (pilot, screen):
            drawn = "\n".join(strip.text for strip in screen._compositor.render_strips())
            assert "\x1b" not in drawn
            assert printable(name, newline=False)[:30] in drawn.replace("長 ", "長")
            await until(pilot, lambda: len(pilot.app.live.bundles) == 7)  # type: ignore[attr-defined]
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(pilot.app.screen, ChooseScreen))
            listed = pilot.app.screen.query_one(OptionList)
            await until(pilot, lambda listed=listed: listed.option_count == 7)  # type: ignore[misc]
            prompts = [str(listed.get_option_at_index(i).prompt) for i in range(7)]
            assert any(printable(name, newline=False)[:15] in prompt for prompt in prompts)
            await pilot.press("escape")
