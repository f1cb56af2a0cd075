"""Alerts as they reach a person: toasts in a headless dashboard, bell and notification in a real terminal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from mypt import events
from mypt.events import LogWriter
from mypt.runs.record import list_records
from tests.tui.logs import log_path, write_run
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui import alerts
from tui.app import MyptApp
from tui.prefs import Preferences


def opened(workspace: Path, *, readonly: bool = False, **prefs: Any) -> MyptApp:
    path = workspace / "prefs.json"
    path.write_text(json.dumps(prefs))
    return MyptApp(workspace, readonly=readonly, prefs=Preferences(path))


def titles(app: MyptApp) -> list[str]:
    return [toast.title for toast in toasts(app)]


async def settled(pilot: Pilot[Any], app: MyptApp) -> None:
    """The first look is complete."""
    await until(
        pilot, lambda: bool(app.live.workspace.runs) and all(r.known for r in app.live.workspace.runs)
    )
    await until(pilot, lambda: all(r.key in app.herald._met for r in app.live.workspace.runs))


def append(workspace: Path, name: str, *said: Any) -> None:
    with LogWriter(log_path(workspace, name)) as log:
        for event in said:
            log.write(event)


NAN = events.TrainingStopped(iter=31, reason="nan", message="the loss is nan at step 31")


async def test_nothing_is_said_of_the_past_and_everything_once(tmp_path: Path) -> None:
    write_run(tmp_path, "done")
    write_run(tmp_path, "alive", complete=False)
    app = opened(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot, app)
        assert toasts(app) == []
        append(tmp_path, "alive", events.GoldCheckpoint(iter=40, val_loss=0.5))
        await until(pilot, lambda: titles(app) == ["alive has a new gold"])
        assert toasts(app)[0].message == "val 0.5000 at step 40"
        append(tmp_path, "alive", NAN)
        await until(pilot, lambda: len(toasts(app)) == 2)
        toast = toasts(app)[1]
        assert toast.title == "alive has a loss that is no number" and toast.severity == "error"
        assert "the loss is nan at step 31" in toast.message
        # The log is cut and written anew, and another run makes the dashboard look around.
        path = log_path(tmp_path, "alive")
        whole = path.read_bytes()
        path.write_bytes(whole[:100])
        run = app.live.workspace.find("alive")[0]
        await until(pilot, lambda: not run.history.golds)
        path.write_bytes(whole)
        await until(pilot, lambda: bool(run.history.golds) and run.history.ended is not None)
        write_run(tmp_path, "another", complete=False)
        await until(pilot, lambda: "another has a new gold" in titles(app))
        assert len(toasts(app)) == 3


async def test_golds_of_a_fast_run_are_said_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_GOLDS_EVERY_S", 3.0)
    write_run(tmp_path, "fast", complete=False)
    app = opened(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot, app)
        append(tmp_path, "fast", events.GoldCheckpoint(iter=40, val_loss=0.5))
        await until(pilot, lambda: len(toasts(app)) == 1)
        for step in (50, 60, 70):
            append(tmp_path, "fast", events.GoldCheckpoint(iter=step, val_loss=20.0 / step))
            await until(pilot, lambda step=step: app.live.workspace.runs[0].history.golds[-1].step == step)  # type: ignore[misc]
        await until(pilot, lambda: len(toasts(app)) == 2)
        assert toasts(app)[1].message == "3 of them, the last with val 0.2857 at step 70"


async def test_the_end_of_a_run_tells_its_gold_and_only_what_is_wanted_is_told(tmp_path: Path) -> None:
    write_run(tmp_path, "one", complete=False)
    write_run(tmp_path, "two", complete=False)
    app = opened(tmp_path, alert_nan=False)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot, app)
        append(tmp_path, "two", NAN)
        append(
            tmp_path,
            "one",
            events.GoldCheckpoint(iter=40, val_loss=0.5),
            events.TrainingComplete(total_steps=100, final_val_loss=1.0, best_val_loss=0.5),
        )
        await until(pilot, lambda: bool(toasts(app)))
        assert [(toast.title, toast.message) for toast in toasts(app)] == [
            ("one finished", "trained to the end; gold 0.5000 at step 40")
        ]


async def test_a_hostile_run_is_told_and_not_obeyed(tmp_path: Path) -> None:
    name = "[red]x \x1b]0;evil\x07 \u202e"
    write_run(tmp_path, name, complete=False)
    app = opened(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot, app)
        append(tmp_path, name, events.TrainingStopped(iter=31, reason="error", message="[/] \x1b[2J"))
        await until(pilot, lambda: bool(toasts(app)))
        (toast,) = toasts(app)
        assert "\x1b" not in toast.title + toast.message and "\u202e" not in toast.title
        assert "[red]x" in toast.title and "[/]" in toast.message
        await pilot.pause()


def _counter(folder: Path) -> list[str]:
    code = f"import os, pathlib; pathlib.Path({str(folder)!r}, str(os.getpid())).write_text(os.environ['MYPT_SENTENCE'])"
    return [sys.executable, "-c", code]


async def test_two_dashboards_run_the_command_once_and_a_readonly_one_never(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    workspace = tmp_path / "ws"
    write_run(workspace, "one", complete=False)
    prefs: dict[str, Any] = {"alert_command": _counter(calls)}
    apps = [opened(workspace, **prefs), opened(workspace, **prefs)]
    async with apps[0].run_test() as first, apps[1].run_test() as second:
        for pilot, app in ((first, apps[0]), (second, apps[1])):
            await settled(pilot, app)
        append(workspace, "one", NAN)
        for pilot, app in ((first, apps[0]), (second, apps[1])):
            await until(pilot, lambda app=app: bool(toasts(app)))  # type: ignore[misc]
            await app.workers.wait_for_complete([w for w in app.workers if w.group == "alerts"])
        (call,) = calls.iterdir()
        assert "the loss is nan" in call.read_text()
    marks = len(list((workspace / ".mypt" / "alerts").iterdir()))
    write_run(workspace, "two", complete=False)
    app = opened(workspace, readonly=True, **prefs)
    async with app.run_test() as pilot:
        await settled(pilot, app)
        append(workspace, "two", NAN)
        await until(pilot, lambda: bool(toasts(app)))
        await pilot.pause()
        assert not [w for w in app.workers if w.group == "alerts"]
    assert len(list(calls.iterdir())) == 1 and len(list((workspace / ".mypt" / "alerts").iterdir())) == marks


async def test_a_command_that_fails_is_said_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run(tmp_path, name, complete=False)
    app = opened(tmp_path, alert_command=[sys.executable, "-c", "raise SystemExit('no route')"])
    async with app.run_test() as pilot:
        await settled(pilot, app)
        append(tmp_path, "one", NAN)
        await until(pilot, lambda: "The alert command failed" in titles(app))
        append(tmp_path, "two", NAN)
        await until(pilot, lambda: "two has a loss that is no number" in titles(app))
        await app.workers.wait_for_complete([w for w in app.workers if w.group == "alerts"])
        await pilot.pause()
        assert titles(app).count("The alert command failed") == 1
        assert any("no route" in toast.message for toast in toasts(app))


# ── in a real terminal ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("multiplexer", ["", "TMUX", "STY"])
def test_bell_and_notification_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multiplexer: str
) -> None:
    from tests.tui.terminal import terminal

    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    if multiplexer:
        monkeypatch.setenv(multiplexer, "there")
    config = tmp_path / "config"
    config.mkdir()
    (config / "dashboard.json").write_text(json.dumps({"bell": True, "notification": True}))
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(config))
    write_run(tmp_path, "poems", complete=False)
    with terminal(tmp_path) as dashboard:
        dashboard.wait_for("● running")
        dashboard.wait_for(lambda text: "val" in text)
        assert b"\x1b]9;" not in dashboard.raw
        append(tmp_path, "poems", NAN)
        dashboard.wait_for("loss that is no number")
        dashboard.wait_for(lambda text: b"]9;MyPT: " in dashboard.raw)
        raw = bytes(dashboard.raw)
        note = b"\x1b]9;MyPT: poems has a loss that is no number: stopped at a loss that is not a number: the loss is nan at step 31\x07"
        wrapped = {
            "": note,
            "TMUX": b"\x1bPtmux;\x1b" + note + b"\x1b\\",
            "STY": b"\x1bP" + note + b"\x1b\\",
        }[multiplexer]
        assert raw.count(wrapped) == 1 and raw.count(b"]9;") == 1
        # A bell that ends no sequence.
        assert b"\x07" in raw.replace(wrapped, b"").replace(b"\x1b]22;default\x07", b"")
        dashboard.press("q")
        assert dashboard.exit_status() == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt" or shutil.which("kill") is None, reason="signals")
async def test_a_real_training_that_is_killed_is_told_with_why(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    preset = {
        "batch_size": 2, "block_size": 16, "vocab_size": 48, "n_embd": 16, "n_head": 2, "n_layer": 1, "dropout": 0.0,
        "bias": False, "tokenization": "char", "max_iters": 1_000_000, "eval_interval": 200, "eval_iters": 1,
    }  # fmt: skip
    (tmp_path / "configs" / "tiny_char.json").write_text(json.dumps(preset))
    app = opened(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.screen.has_class("empty"))
        await pilot.press("d")
        await until(pilot, lambda: "demo has a new gold" in titles(app), 90)
        record = list_records(tmp_path).records[0]
        assert record.trainer is not None
        subprocess.run(["kill", "-9", str(record.trainer.pid)], check=True)
        await until(pilot, lambda: "demo failed" in titles(app), 30)
        (toast,) = [toast for toast in toasts(app) if toast.title == "demo failed"]
        assert "killed by signal 9" in toast.message


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_tmux_hands_the_notification_to_the_terminal_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tui.terminal import terminal

    monkeypatch.delenv("TMUX", raising=False)
    config = tmp_path / "config"
    config.mkdir()
    (config / "dashboard.json").write_text(json.dumps({"notification": True}))
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(config))
    (tmp_path / "tmux.conf").write_text("set -g allow-passthrough on\n")
    write_run(tmp_path, "poems", complete=False)
    name = f"mypt-alerts-{os.getpid()}"
    tmux = ["tmux", "-L", name, "-f", str(tmp_path / "tmux.conf")]
    try:
        with terminal(tmp_path, program=[*tmux, "new-session", f"{sys.executable} -m tui.cli"]) as dashboard:
            dashboard.wait_for("● running")
            dashboard.wait_for(lambda text: "val" in text)
            append(tmp_path, "poems", NAN)
            dashboard.wait_for(
                lambda text: b"\x1b]9;MyPT: poems has a loss that is no number" in dashboard.raw
            )
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
