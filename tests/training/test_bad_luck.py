"""Disks and memory that are full, and outputs that nobody takes."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mypt.events import LogWriter
from mypt.training import checkpointing
from mypt.training.console import Console
from tests.training.runs import state_of, train
from tests.workbench import (
    TINY,
    command,
    environment,
    events,
    listing,
    log_of,
)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_kept_output_that_finds_no_room_is_let_go() -> None:
    console = Console(io.StringIO())
    console.keep_in(Path("/dev/full"))
    console.note("why it ended")
    console.close()


def test_the_log_is_on_the_disk_before_the_checkpoint_that_it_led_to(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, save = LogWriter.sync, checkpointing.save

    def synced(log: LogWriter) -> None:
        sync(log)
        done.append("log")

    def saved(target: Path, *arguments: Any, **options: Any) -> None:
        save(target, *arguments, **options)
        done.append(target.name)

    monkeypatch.setattr(LogWriter, "sync", synced)
    monkeypatch.setattr(checkpointing, "save", saved)
    assert train(workspace, "--model_name", "m", *TINY, "--max_iters", "2", "--eval_interval", "2") == 0
    places = [place for place, what in enumerate(done) if what == "m"]
    assert len(places) == 2 and all(done[place - 1] == "log" for place in places)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may take of memory")
def test_a_model_that_does_not_fit_into_memory_is_said_before_anything_is_written(workspace: Path) -> None:
    flags = ["--n_embd", "2048", "--n_layer", "40", "--n_head", "16", "--block_size", "16"]
    words = command(workspace, "train", "--model_name", "big", *TINY[:4], *flags, "--device", "cpu")
    before = listing(workspace)
    limited = f"ulimit -v 4000000; exec {shlex.join(words)}"
    done = subprocess.run(
        ["sh", "-c", limited], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("mypt: out of memory on cpu ("), done.stderr
    assert "optimizer state take 32.2 GB" in done.stderr and len(done.stderr.splitlines()) == 1
    assert listing(workspace) == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_stops_no_training(workspace: Path) -> None:
    flags = ["--model_name", "m", *TINY, "--max_iters", "3"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(workspace, "train", *flags),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0 and "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert state_of(workspace, "m")["step"] == 3


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A disk that takes only so much, made by a limit of the kernel's."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_takes_no_line_of_the_log_is_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = log_of(trained, "dante").read_bytes()
    with files_no_larger_than(len(before) + 100):
        assert train(trained, "--model_name", "dante", "--max_iters", "12") == 1
    err = capsys.readouterr().err
    said = (
        "logs/train/dante_eval.jsonl: File too large; the last good checkpoint is checkpoints/dante of step 8"
    )
    assert err == f"mypt: {said}; make room, then run the same command again to go on\n"
    assert log_of(trained, "dante").read_bytes() == before
    assert state_of(trained, "dante")["step"] == 8


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_takes_no_checkpoint_keeps_the_last_one(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(trained / "checkpoints" / "dante")
    # Room for the log's lines, and none for the weights.
    with files_no_larger_than(log_of(trained, "dante").stat().st_size + 8000):
        assert train(trained, "--model_name", "dante", "--max_iters", "12") == 1
    err = capsys.readouterr().err
    said = r"the checkpoint could not be saved \(File too large\); the previous one is intact; make room for 1\.1 MB"
    assert re.fullmatch(rf"mypt: dante(_gold)?: {said}, then run the same command again to go on\n", err)
    assert listing(trained / "checkpoints" / "dante") == before
    assert not [p.name for p in (trained / "checkpoints").iterdir() if p.name.startswith(".")]
    assert events(trained, "dante")[-1]["reason"] == "error"
    assert train(trained, "--model_name", "dante", "--max_iters", "12") == 0
