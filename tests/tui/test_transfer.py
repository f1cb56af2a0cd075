"""Export and import dialogues: what a dry run says is shown, paths are completed, processes end when they should."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button

from mypt.cli import COMMANDS
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.screens.home import HomeScreen
from tui.screens.transfer import ExportScreen, ImportScreen, process
from tui.screens.transfer.base import TransferScreen
from tui.screens.transfer.importing import name_for
from tui.screens.transfer.preview import read
from tui.screens.transfer.process import Outcome, run_mypt
from tui.widgets.editors import Choice, Field
from tui.widgets.paths import PathField, complete

needs_import = pytest.mark.skipif("import" not in COMMANDS, reason="this mypt has no import")
needs_export = pytest.mark.skipif("export" not in COMMANDS, reason="this mypt has no export")


@pytest.fixture(autouse=True)
def preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))


@asynccontextmanager
async def shown(
    place: Path, screen: TransferScreen, answers: list[str | None] | None = None
) -> AsyncIterator[Pilot[None]]:
    app = MyptApp(place)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await app.push_screen(screen, (answers if answers is not None else []).append)
        await pilot.pause()
        yield pilot


def text(screen: TransferScreen, where: str) -> str:
    return str(screen.query_one(where).render())


# ── pure ────────────────────────────────────────────────────────────────────────────────────────────────────────


def outcome(value: Any, code: int = 0, *errors: str) -> Outcome:
    return Outcome(code, value if isinstance(value, str) else json.dumps(value), errors)


def test_every_value_of_a_dry_run_is_a_row() -> None:
    preview = read(
        outcome(
            {
                "format": "nanogpt",
                "layers": 12,
                "bytes": 3_437_056,
                "tokenizer": {"kind": "gpt2"},
                "files": ["a", "b"],
                "val_loss": 2.34567,
                "written": False,
                "problems": [],
                "notices": ["padded"],
            }
        )
    )
    assert preview.ready and preview.notices == ("padded",)
    assert dict(preview.rows) == {
        "format": "nanogpt",
        "layers": "12",
        "bytes": "3.44 MB",
        "tokenizer.kind": "gpt2",
        "files": "a, b",
        "val_loss": "2.3457",
    }


@pytest.mark.parametrize("name", ["problem", "problems", "error", "errors"])
@pytest.mark.parametrize("value", ["mypt: no such file", ["no such file"]])
def test_problems_are_told_under_any_of_their_names(name: str, value: Any) -> None:
    preview = read(outcome({name: value}, 2, "mypt: something else"))
    assert preview.problems == ("no such file",) and not preview.ready


def test_without_an_object_the_errors_are_the_problem() -> None:
    assert read(outcome("", 2, "mypt: a", "mypt: b")).problems == ("a", "b")
    assert read(outcome("loading\n[1]", 1)).problems == ("ended with status 1 and said nothing",)
    broken = read(outcome("", 1, "Traceback (most recent call last):", "  File x", "KeyError: 'y'"))
    assert broken.problems == ("the command itself failed: KeyError: 'y'",)


def test_what_is_printed_before_the_object_is_no_harm_and_nothing_is_interpreted() -> None:
    preview = read(
        outcome('note\n{"a": "\\u001b[2J", "\\u001b[31m": 1, "deep": ' + "[" * 50 + "]" * 50 + "}")
    )
    assert preview.ready
    assert all((name + value).isprintable() for name, value in preview.rows)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("out/dante/ckpt.pt", "dante"),
        ("dante.safetensors", "dante"),
        ("/x/my model v1.5/model.safetensors", "my_model_v1.5"),
        ("gold/x_gold", "x"),
        ("長.pt", "imported"),
        ("ckpt.pt", "ckpt"),
        ("../..", "imported"),
    ],
)
def test_a_model_s_name_follows_its_path(path: str, name: str) -> None:
    assert name_for(path) == name


def test_paths_are_completed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "dante").mkdir(parents=True)
    for name in ("model.pt", "model.safetensors", ".hidden", "\x1b[31m.pt"):
        (tmp_path / "checkpoints" / "dante" / name).touch()
    for typed, expected in (
        ("che", "checkpoints/"),
        ("checkpoints/", "checkpoints/dante/"),
        ("checkpoints/dante/m", "checkpoints/dante/model.pt"),
        ("checkpoints/dante/model.s", "checkpoints/dante/model.safetensors"),
        ("checkpoints/dante/model.pt", None),
        ("checkpoints/dante/.", "checkpoints/dante/.hidden"),
        ("checkpoints/dante/x", None),
        ("nowhere/x", None),
        ("", None),
        ("a\0b", None),
        ("~nobody/x", None),
        (f"{tmp_path}/che", f"{tmp_path}/checkpoints/"),
    ):
        assert complete(typed, tmp_path) == expected, typed
    assert complete("checkpoints/dante/\x1b", tmp_path) is None


# ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_command_runs_apart_and_its_lines_are_heard(tmp_path: Path) -> None:
    heard: list[str] = []
    done = await run_mypt(tmp_path, ["inspect", "--model_name", "\x1b[31m"], heard.append)
    assert done.code == 2 and heard == list(done.errors)
    assert done.errors[0].startswith("mypt: ") and "\x1b" not in done.errors[0]
    assert json.loads((await run_mypt(tmp_path, ["status", "--json"])).out) == []


async def test_cancelling_ends_the_process(workspace: Path) -> None:
    begun = asyncio.Event()
    arguments = ["train", "--config_file", "tiny_char", "--model_name", "long", "--max_iters", "100000"]
    task = asyncio.create_task(run_mypt(workspace, arguments, lambda line: begun.set()))
    runs = workspace / ".mypt" / "runs"
    while not any(runs.glob("*/run.json")):
        assert not task.done()
        await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # It was asked to stop, so it saved and said so.
    assert any(runs.glob("*/exit.json"))


# ── screens ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_stands_against_an_export_is_said_and_it_cannot_be_started(tmp_path: Path) -> None:
    screen = ExportScreen(tmp_path, "nobody")
    async with shown(tmp_path, screen) as pilot:
        await until(pilot, lambda: "✗" in text(screen, "#transfer-note"))
        assert screen.query_one("#start", Button).disabled
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert not screen.running
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


@needs_export
async def test_an_export_is_previewed_and_made(trained: Path) -> None:
    screen = ExportScreen(trained, "dante")
    async with shown(trained, screen) as pilot:
        await until(pilot, lambda: screen.preview is not None)
        assert screen.preview is not None and screen.preview.ready
        assert not list(trained.glob("exports/*"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.finished)
        place = screen.preview.values["output_dir"]
        assert (trained / place / "model.safetensors").exists()
        await pilot.press("ctrl+y")
        assert place in pilot.app.clipboard
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


@needs_export
async def test_an_export_that_is_there_is_not_replaced_without_a_word(trained: Path) -> None:
    (trained / "exports" / "dante_hf").mkdir(parents=True)
    (trained / "exports" / "dante_hf" / "config.json").write_text("{}")
    screen = ExportScreen(trained, "dante")
    async with shown(trained, screen) as pilot:
        await until(pilot, lambda: "is there already" in text(screen, "#transfer-note"))
        assert screen.query_one("#start", Button).disabled
        screen.query_one("#format", Choice).action_choose("bf16")
        await until(pilot, lambda: not screen.query_one("#start", Button).disabled)


async def test_import_waits_for_a_path_and_suggests_a_name(tmp_path: Path) -> None:
    (tmp_path / "out" / "dante").mkdir(parents=True)
    (tmp_path / "out" / "dante" / "ckpt.pt").write_bytes(b"no pickle")
    screen = ImportScreen(tmp_path)
    async with shown(tmp_path, screen) as pilot:
        assert "Type where the checkpoint lies" in text(screen, "#preview-body")
        await pilot.press("o", "tab")
        field, name = screen.query_one("#path", PathField), screen.query_one("#model-name", Field)
        await until(pilot, lambda: field.value == "out/")
        await pilot.press("tab")
        await until(pilot, lambda: field.value == "out/dante/")
        await pilot.press("tab")
        await until(pilot, lambda: field.value == "out/dante/ckpt.pt")
        assert name.value == "dante"
        await until(pilot, lambda: "✗" in text(screen, "#transfer-note"))
        assert screen.query_one("#start", Button).disabled and not (tmp_path / "checkpoints").exists()
        # There is nothing more to complete, so tab goes on; a name that was typed stays.
        await pilot.press("tab")
        await until(pilot, lambda: name.has_focus)
        await pilot.press("end", "2")
        field.value = "out/other.pt"
        await pilot.pause()
        assert name.value == "dante2"


@needs_import
async def test_an_import_is_previewed_made_and_named(trained: Path) -> None:
    screen = ImportScreen(trained)
    names: list[str | None] = []
    async with shown(trained, screen, names) as pilot:
        screen.query_one("#path", PathField).value = "checkpoints/dante_gold"
        screen.query_one("#model-name", Field).value = "twin"
        await until(
            pilot, lambda: screen.preview is not None and not screen.query_one("#start", Button).disabled
        )
        assert not (trained / "checkpoints" / "twin").exists()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: names)
        assert names == ["twin"] and (trained / "checkpoints" / "twin" / "model.pt").exists()


@needs_import
async def test_a_name_that_is_taken_keeps_an_import_from_starting(trained: Path) -> None:
    screen = ImportScreen(trained)
    async with shown(trained, screen) as pilot:
        screen.query_one("#path", PathField).value = "checkpoints/dante_gold"
        screen.query_one("#model-name", Field).value = "dante"
        await until(pilot, lambda: "✗" in text(screen, "#transfer-note"))
        assert screen.query_one("#start", Button).disabled


async def test_what_was_chosen_becomes_flags(tmp_path: Path) -> None:
    screen = ImportScreen(tmp_path)
    async with shown(tmp_path, screen) as pilot:
        for where, value in (
            ("#path", "a.pt"),
            ("#model-name", "m"),
            ("#tokenizer", "gpt2"),
            ("#heads", "4"),
        ):
            screen.query_one(where, Field).value = value
        await pilot.pause()
        assert screen.arguments() == ("import", "a.pt", "--model_name=m", "--tokenizer=gpt2", "--n_head=4")
        for wrong in ("3x", "0", "-1", "²"):
            screen.query_one("#heads", Field).value = wrong
            assert screen.arguments() is None
            assert screen.missing() == f"✗ heads: must be a whole number, 1 or more (got '{wrong}')"


async def test_a_path_like_a_flag_is_no_flag(tmp_path: Path) -> None:
    screen = ImportScreen(tmp_path)
    async with shown(tmp_path, screen) as pilot:
        screen.query_one("#path", PathField).value = "--help"
        screen.query_one("#model-name", Field).value = "-x"
        await pilot.pause()
        assert screen.arguments() == ("import", "./--help", "--model_name=-x")


@pytest.mark.parametrize("seconds", [10.0, 0.0], ids=["it ends when asked", "it has to be killed"])
def test_a_command_is_ended_to_its_end_also_where_the_dashboard_is_left_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    begun = asyncio.Event()
    starting = asyncio.create_subprocess_exec
    told: list[asyncio.subprocess.Process] = []

    async def noting(*arguments: Any, **more: Any) -> asyncio.subprocess.Process:
        made = await starting(*arguments, **more)
        told.append(made)
        begun.set()
        return made

    async def left() -> None:
        command = asyncio.create_task(run_mypt(tmp_path, ["status"]))
        await begun.wait()
        # The dialogue closes and cancels; the loop that ends now cancels once more.
        command.cancel()
        await asyncio.sleep(0)

    complaints: list[Any] = []
    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    monkeypatch.setattr(process, "_PATIENCE_S", seconds)
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    asyncio.run(left())
    (only,) = told
    assert only.returncode is not None
    told.clear()
    del only
    gc.collect()
    assert not complaints, complaints
