"""A signal that comes a second time: nobody waits any longer, and nothing whole is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mypt.bundle import read_info
from mypt.runs.record import list_records
from mypt.training.stopping import StopFlag
from tests.training.runs import row, state_of, train
from tests.workbench import TINY, environment, events

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


@pytest.fixture
def flag() -> Any:
    made = StopFlag(say=lambda text: None)
    made.listen()
    yield made
    made.unlisten()


def a_second_later(flag: StopFlag) -> None:
    """Let the signals that came so far be a second old."""
    flag._first = {name: moment - 1.0 for name, moment in flag._first.items()}


def test_only_the_same_signal_a_second_later_means_at_once(flag: StopFlag) -> None:
    said: list[str] = []
    flag.at_once, flag.say = said.append, said.append
    signal.raise_signal(signal.SIGINT)
    assert flag.asked() == "SIGINT"
    assert said == ["SIGINT: stops at the next batch and saves; Ctrl+C again ends at once, without saving"]
    said.clear()
    # A key that bounces; a queue that ends with SIGTERM what it has asked by SIGINT; a terminal that goes away.
    signal.raise_signal(signal.SIGINT)
    a_second_later(flag)
    for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
        signal.raise_signal(other)
    assert said == [] and flag.asked() == "SIGINT"
    signal.raise_signal(signal.SIGINT)
    assert said == ["SIGINT"]


def test_in_a_program_it_does_what_it_does_to_a_program(flag: StopFlag) -> None:
    signal.raise_signal(signal.SIGINT)
    a_second_later(flag)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def hanging(workspace: Path, what: str, *arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(Path(__file__).with_name("hanging.py")), what, "--workspace", str(workspace)]
    return subprocess.Popen(
        [*words, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def until_it_hangs(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    seen = ""
    while "the disk hangs" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    return seen


def insist(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Press the key until it is heard."""
    while process.poll() is None:
        process.send_signal(number)
        try:
            out, _ = process.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        return out
    return process.communicate()[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hung", "sign", "status"), [("write", signal.SIGTERM, 143), ("look", signal.SIGINT, 130)]
)
def test_a_second_signal_ends_a_run_whose_disk_hangs(
    workspace: Path, hung: str, sign: signal.Signals, status: int
) -> None:
    flags = ["train", "--model_name", "m", *TINY, "--max_iters", "30", "--eval_interval", "8"]
    process = hanging(workspace, hung, *flags)
    try:
        before = until_it_hangs(process)
        out = before + insist(process, sign)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == status, out
    again = "Ctrl+C again" if sign is signal.SIGINT else "a second SIGTERM"
    assert (
        f"mypt: {sign.name}: stops at the next batch and saves; {again} ends at once, without saving" in out
    )
    said = (
        f"{sign.name}, sent twice, at step 8, not saved; the last good checkpoint is checkpoints/m of step 0"
    )
    assert f"mypt: ended at once by {said}\n  Resume training: mypt train --model_name m\n" in out
    assert "Traceback" not in out
    # What was whole is whole; what was half is gone.
    assert "m" in [path.name for path in (workspace / "checkpoints").iterdir()]
    assert not list((workspace / "checkpoints").glob(".*"))
    info = read_info(workspace / "checkpoints" / "m")
    assert (info.problem, info.step) == ("", 0)
    last = events(workspace, "m")[-1]
    assert (last["event"], last["reason"], last["message"]) == ("training_stopped", "signal", said)
    (record,) = list_records(workspace).records
    end = json.loads(record.directory(workspace).exit_file.read_text())
    assert (end["code"], end["reason"]) == (status, said)
    assert "ended at once" in record.directory(workspace).console.read_text()
    shown = row(workspace)
    assert shown["state"] == "stopped" and "after saving" not in str(shown)
    assert train(workspace, "--model_name", "m") == 0
    assert state_of(workspace, "m")["step"] == 30


@pytest.mark.slow
def test_one_signal_is_enough_where_training_data_does_not_come(workspace: Path) -> None:
    flags = ["train", "--model_name", "m", *TINY, "--max_iters", "30", "--eval_interval", "30"]
    process = hanging(workspace, "read", *flags)
    try:
        until_it_hangs(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130 and "Training stopped by SIGINT at step 5; checkpoint saved." in out
    assert state_of(workspace, "m")["step"] == 5 == events(workspace, "m")[-1]["iter"]


@pytest.mark.slow
def test_a_program_that_hangs_can_be_interrupted(workspace: Path) -> None:
    program = PROGRAM.format(tests=Path(__file__).parent, workspace=workspace)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        before = until_it_hangs(process)
        out = before + insist(process, signal.SIGINT)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0 and "the program goes on" in out, out
    last = events(workspace, "m")[-1]
    assert (last["event"], last["reason"]) == ("training_stopped", "signal")
    kept = "the last good checkpoint is checkpoints/m of step 0"
    assert last["message"] == f"SIGINT, sent twice, at step 8, not saved; {kept}"
    assert [path.name for path in (workspace / "checkpoints").iterdir() if path.name != "m_gold"] == ["m"]
    assert read_info(workspace / "checkpoints" / "m").problem == ""


PROGRAM = """
import os, signal, sys
sys.path.insert(0, "{tests}")
os.chdir("{workspace}")
import hanging, mypt
hanging.checkpointing._write = hanging.write
try:
    mypt.train(model_name="m", input_file="input.txt", tokenization="char", n_layer=1, n_head=2, n_embd=16,
               block_size=16, batch_size=4, max_iters=30, eval_interval=8, eval_iters=1, sample_interval=0,
               device="cpu")
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("the program goes on", flush=True)
"""
