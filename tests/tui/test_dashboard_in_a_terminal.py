"""The dashboard in a real terminal, with real training beside it: it comes and goes, what trains goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mypt import bundle
from mypt.runs.directory import read_exit
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord, list_records
from tests.processes import wait_until
from tests.tui.logs import write_run
from tests.tui.terminal import terminal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")]

# The demo's preset in small, and without an end: the workspace's own presets come first.
_PRESET = {
    "batch_size": 2, "block_size": 16, "vocab_size": 48, "n_embd": 16, "n_head": 2, "n_layer": 1, "dropout": 0.0,
    "bias": False, "tokenization": "char", "max_iters": 1_000_000, "eval_interval": 200, "eval_iters": 1,
    "sample_tokens": 20, "log_interval": 50,
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "tiny_char.json").write_text(json.dumps(_PRESET))
    yield tmp_path
    for record in list_records(tmp_path).records:
        for identity in (record.trainer, record.supervisor):
            if identity is not None and identity.is_alive() is Alive.ALIVE:
                os.kill(identity.pid, 9)


def the_record(workspace: Path) -> RunRecord:
    (record,) = list_records(workspace).records
    return record


def trains(workspace: Path) -> bool:
    identity = the_record(workspace).trainer
    return identity is not None and identity.is_alive() is Alive.ALIVE


def last_step(workspace: Path) -> int:
    text = (workspace / "logs" / "train" / "demo_eval.jsonl").read_text()
    return max((int(step) for step in re.findall(r'"iter": (\d+)', text)), default=0)


def stopped(text: str) -> bool:
    """Not running any more, in the list and beside it."""
    return "■ stopped" in text and "● running" not in text


def test_training_outlives_every_dashboard_and_the_next_one_stops_it(workspace: Path) -> None:
    with terminal(workspace) as first:
        first.wait_for("Try the demo")
        first.press("d")
        first.wait_for("● running", 60)
        first.wait_for(lambda text: "val" in text and "tok/s" in text)
        first.kill()
    assert trains(workspace)
    before = last_step(workspace)
    wait_until(lambda: last_step(workspace) > before)

    with terminal(workspace) as second:
        second.wait_for("● running")
        second.hang_up()
    assert trains(workspace)
    before = last_step(workspace)
    wait_until(lambda: last_step(workspace) > before)

    with terminal(workspace) as third:
        third.wait_for("● running")
        third.press("q")
        assert third.exit_status() == 0
    assert trains(workspace)

    with terminal(workspace) as fourth:
        fourth.wait_for("● running")
        fourth.press("s")
        fourth.wait_for(stopped)
    record = the_record(workspace)
    wait_until(lambda: read_exit(record.directory(workspace)) is not None)
    ended = read_exit(record.directory(workspace))
    assert ended is not None
    assert ended.code == 0
    info = bundle.find(workspace / "checkpoints", "demo")
    assert info.step
    assert '"training_stopped"' in (workspace / "logs" / "train" / "demo_eval.jsonl").read_text()

    with terminal(workspace) as fifth:
        fifth.wait_for(stopped)
        fifth.press("r")
        fifth.wait_for("● running", 60)
        wait_until(lambda: last_step(workspace) > (info.step or 0))
        fifth.press("s")
        fifth.wait_for(stopped, 60)
    resumed = bundle.find(workspace / "checkpoints", "demo")
    assert (resumed.step or 0) > (info.step or 0)


def test_a_run_that_is_started_in_a_shell_appears_by_itself(workspace: Path) -> None:
    with terminal(workspace) as dashboard:
        dashboard.wait_for("Try the demo")
        command = [
            sys.executable,
            "-m",
            "mypt",
            "train",
            "--config_file",
            "tiny_char",
            "--model_name",
            "demo",
        ]
        shell = subprocess.Popen(command, cwd=workspace, stdout=subprocess.DEVNULL)
        try:
            dashboard.wait_for("● running", 60)
            dashboard.press("l")
            dashboard.wait_for("GOLD checkpoint!")
            dashboard.press("s")
            dashboard.wait_for(stopped, 60)
        finally:
            shell.kill()
        assert shell.wait() in (0, -9)
    assert bundle.find(workspace / "checkpoints", "demo").step


def test_what_failed_says_why_where_one_looks(workspace: Path) -> None:
    preset = {
        **_PRESET,
        "learning_rate": 10.0,
        "grad_clip": 0.0,
        "warmup_iters": 0,
        "max_iters": 400,
        "input_file": "missing.txt",
    }
    (workspace / "configs" / "tiny_char.json").write_text(json.dumps(preset))
    with terminal(workspace) as dashboard:
        dashboard.wait_for("Try the demo")
        dashboard.press("d")
        dashboard.wait_for("✗ failed", 60)
        dashboard.wait_for("missing.txt")


def test_eighty_by_twenty_four(workspace: Path) -> None:
    with terminal(workspace, columns=80, rows=24) as dashboard:
        dashboard.wait_for("Try the demo")
        dashboard.press("d")
        dashboard.wait_for("● running", 60)
        dashboard.wait_for(lambda text: "┤" in text and "step" in text)
        dashboard.press("s")
        dashboard.wait_for(stopped, 60)


def test_a_workspace_that_is_not_there_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tui.cli", str(tmp_path / "nowhere")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "no such folder" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_in_tmux_a_killed_server_leaves_the_training(workspace: Path) -> None:
    name = f"mypt-test-{os.getpid()}"
    tmux = ["tmux", "-L", name]
    command = f"{sys.executable} -m tui.cli"
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "120", "-y", "36", "-c", str(workspace), command], check=True
    )

    def screen() -> str:
        return subprocess.run(
            [*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False
        ).stdout

    try:
        wait_until(lambda: "Try the demo" in screen())
        subprocess.run([*tmux, "send-keys", "d"], check=True)
        wait_until(lambda: "● running" in screen(), 60)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    before = last_step(workspace)
    wait_until(lambda: last_step(workspace) > before)
    assert trains(workspace)


def test_a_run_that_never_came_to_a_checkpoint_is_tried_again_as_it_was_started(workspace: Path) -> None:
    (workspace / "configs" / "tiny_char.json").write_text(json.dumps({**_PRESET, "input_file": "later.txt"}))
    with terminal(workspace) as dashboard:
        dashboard.wait_for("Try the demo")
        dashboard.press("d")
        dashboard.wait_for("✗ failed", 60)
        (workspace / "later.txt").write_text("Once there was a frog. " * 400)
        dashboard.press("r")
        dashboard.wait_for("● running", 60)
        dashboard.press("s")
        dashboard.wait_for(stopped, 60)
    assert len(list_records(workspace).records) == 2


def test_the_cursor_stays_with_the_run_that_it_was_put_on(workspace: Path) -> None:
    for name in ("one", "two"):
        write_run(workspace, name)
    with terminal(workspace) as dashboard:
        dashboard.wait_for("┤")
        dashboard.press("\x1b[D")
        dashboard.wait_for("┃ step")
        dashboard.press("]")
        dashboard.wait_for(lambda text: "┃ step" not in text)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_below_make_a_closed_terminal_ends_it_too(workspace: Path) -> None:
    name = workspace.name
    (workspace / "Makefile").write_text(f"run:\n\t@{sys.executable} -m tui.cli {workspace}\n")
    with terminal(workspace, program=["make", "run"]) as dashboard:
        dashboard.wait_for("Try the demo")
        dashboard.close_terminal()
        wait_until(lambda: not any(name in line for line in _command_lines()), 20)


def _command_lines() -> list[str]:
    found = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [line for line in found if "tui.cli" in line]
