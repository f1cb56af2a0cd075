"""Sample in a real terminal, with a training beside it: by keys alone, and nothing is left when the dashboard is killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mypt.runs.identity import Alive
from mypt.runs.record import list_records
from tests.processes import children_of, is_gone, wait_until
from tests.tui.terminal import Terminal, terminal
from tests.workbench import CHARS, environment, story

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")]

_PRESET = {
    "batch_size": 2, "block_size": 16, "vocab_size": len(CHARS), "n_embd": 16, "n_head": 2, "n_layer": 1,
    "dropout": 0.0, "bias": False, "tokenization": "char", "max_iters": 1_000_000, "eval_interval": 300,
    "eval_iters": 1, "sample_tokens": 5, "log_interval": 50, "input_file": "input.txt",
}  # fmt: skip


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace in which a model trains, with a checkpoint of it already there."""
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.json").write_text(json.dumps(_PRESET))
    (tmp_path / "input.txt").write_text(story())
    command = [sys.executable, "-m", "mypt", "train", "--config_file", "mine", "--model_name", "live"]
    with (tmp_path / "out.txt").open("wb") as out:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=out, stderr=out)
    try:
        wait_until(lambda: (tmp_path / "checkpoints" / "live_gold" / "model.pt").exists(), 90)
        yield tmp_path
    finally:
        process.kill()
        process.wait()
    for record in list_records(tmp_path).records:
        assert record.trainer is None or record.trainer.is_alive() is not Alive.ALIVE


def model_process(dashboard: Terminal) -> psutil.Process:
    """The process that samples for this dashboard."""
    (only,) = children_of(dashboard.pid, lambda child: "mypt.sampling" in " ".join(child.cmdline()))
    return only


def test_a_training_model_is_asked_reloaded_and_left_while_it_trains_on(training: Path) -> None:
    with terminal(training) as dashboard:
        dashboard.wait_for("● running")
        dashboard.press("g")
        dashboard.wait_for(lambda text: "live ★ gold" in text and "ready · " in text, 60)
        sampler = model_process(dashboard)
        dashboard.press("once upon\r")
        dashboard.wait_for(lambda text: "300 tokens" in text and "tok/s" in text, 90)
        # It trains on, so that sooner or later there is a better one.
        dashboard.wait_for("a newer one is on disk", 90)
        dashboard.press("\x0e")
        dashboard.wait_for("ready · ", 60)
        dashboard.press("\x1b[A")
        dashboard.wait_for(lambda text: re.search(r"Prompt ─.*\n.*once upon", text) is not None)
        dashboard.press("\x1b")
        dashboard.wait_for("● running")
        wait_until(lambda: is_gone(sampler))
        dashboard.press("q")
        assert dashboard.exit_status() == 0


def test_nothing_is_left_of_it_when_the_dashboard_is_killed_while_it_writes(training: Path) -> None:
    with terminal(training, columns=80, rows=24) as dashboard:
        dashboard.wait_for("● running")
        dashboard.press("g")
        dashboard.wait_for("ready · ", 60)
        sampler = model_process(dashboard)
        dashboard.press("\x1bOQ")
        for help_of_the_next in ("likeliest", "k likeliest", "probability", "less likely", "at most"):
            dashboard.wait_for(help_of_the_next)
            if help_of_the_next != "at most":
                dashboard.press("\x1b[B")
        dashboard.press("100000\r")
        dashboard.wait_for(lambda text: "000 tokens" in text)
        dashboard.press("a\r")
        dashboard.wait_for("writing ", 60)
        dashboard.kill()
        wait_until(lambda: is_gone(sampler))
