"""A run that is stopped by a signal or a request, and one that is held against another."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mypt.bundle import find
from mypt.runs.record import list_records
from mypt.training import build
from mypt.watch.inventory import Workspace
from tests.training.killer import Killer
from tests.training.runs import row, state_of, train
from tests.workbench import (
    TINY,
    Running,
    begin,
    events,
    last_iter,
    mypt,
    wait_for,
)


@pytest.fixture
def running(workspace: Path) -> Iterator[Running]:
    """A run that would go on for hours, some steps old."""
    flags = ["--model_name", "long", *TINY, "--max_iters", "10000000", "--eval_interval", "1000000"]
    process = begin(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "long") >= 3, process)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_request_stops_a_run_which_saves_and_ends_well(workspace: Path, running: Running) -> None:
    (record,) = list_records(workspace).records
    assert record.model_name == "long" and record.settings["max_iters"] == 10_000_000
    record.directory(workspace).stop_file.touch()
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    stop = events(workspace, "long")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "request")
    assert f"Training stopped on request at step {stop['iter']}; checkpoint saved." in out
    assert "Resume training: mypt train --model_name long" in out
    assert state_of(workspace, "long")["step"] == stop["iter"]
    assert (workspace / "checkpoints" / "long_fp16" / "model.pt").is_file()
    assert "step 0/10000000" in record.directory(workspace).console.read_text()
    assert row(workspace)["state"] == "stopped"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_stop_within_the_last_evaluation_leaves_it_to_the_next_run(workspace: Path) -> None:
    flags = [*TINY, "--model_name", "late", "--max_iters", "6", "--eval_interval", "100"]
    flags[flags.index("--eval_iters") + 1] = "500"
    process = begin(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "late") >= 6, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert state_of(workspace, "late")["step"] == 6
    info = find(workspace / "checkpoints", "late")
    assert not info.has_done(6) and info.has_done(5)
    rest = mypt(workspace, "train", "--model_name", "late", "--eval_iters", "2")
    assert rest.returncode == 0 and "Training finished!" in rest.stdout, rest.stdout + rest.stderr
    assert [e["iter"] for e in events(workspace, "late", "eval")] == [0, 6]
    assert events(workspace, "late")[-1]["event"] == "training_complete"
    assert find(workspace / "checkpoints", "late").has_done(6)
    again = mypt(workspace, "train", "--model_name", "late")
    assert again.returncode == 0 and "late is already trained: 6 of 6 updates" in again.stdout


def staged(workspace: Path) -> bool:
    """Whether a bundle is being written."""
    return any((workspace / "checkpoints").glob(".tmp.*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("moment", ["start", "evaluation", "sample", "save"])
def test_a_signal_at_any_moment_ends_a_run_with_its_status_after_it_saved(
    workspace: Path, killer: Killer, moment: str
) -> None:
    flags = [*TINY, "--model_name", "m", "--max_iters", "1000000", "--eval_interval", "1000000"]
    slow = {
        "start": ["--eval_iters", "1000000"],
        "evaluation": ["--eval_iters", "1000000"],
        "sample": ["--sample_interval", "1", "--sample_tokens", "100000"],
        "save": ["--save_every", "1"],
    }[moment]
    sign, status = {
        "start": (signal.SIGHUP, 129),
        "evaluation": (signal.SIGTERM, 143),
        "sample": (signal.SIGINT, 130),
        "save": (signal.SIGTERM, 143),
    }[moment]
    lock = workspace / ".mypt" / "locks" / "m.lock"
    ready = {
        "start": lock.exists,
        "evaluation": lambda: bool(events(workspace, "m", "training_start")),
        "sample": lambda: bool(events(workspace, "m", "eval")),
        "save": lambda: last_iter(workspace, "m") >= 2 and staged(workspace),
    }[moment]
    process = begin(workspace, "train", *flags, *slow)
    assert wait_for(ready, process)
    # An impatient user, and one of a queue that says it twice.
    process.send_signal(sign)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode in (status, 143) and "Traceback" not in out, out
    if "training did not begin, and nothing was written" in out:
        assert moment == "start" and not events(workspace, "m")
        return
    assert f"Training stopped by SIG{'TERM' if process.returncode == 143 else sign.name[3:]} at step" in out
    assert not staged(workspace)
    stop = events(workspace, "m")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "signal")
    assert state_of(workspace, "m")["step"] == stop["iter"] and (stop["iter"] > 1) == (moment == "save")
    kinds = [event["event"] for event in events(workspace, "m")]
    assert ("eval" in kinds) == (moment in ("sample", "save")) and "sample" not in kinds
    # What was cut short is made up for.
    few = ["--eval_iters", "1", "--sample_tokens", "3", "--max_iters", str(stop["iter"] + 1)]
    assert killer.run(workspace, "train", "--model_name", "m", *few)[0] == 0
    (first,) = (e for e in events(workspace, "m", "eval") if e["iter"] == 0)
    assert first["train_loss"] > 0
    assert [e["iter"] for e in events(workspace, "m", "sample")] == ([0, 1] if moment == "sample" else [])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_kill_before_the_second_checkpoint_keeps_the_first_evaluation_in_the_curve(workspace: Path) -> None:
    flags = [*TINY, "--model_name", "early", "--max_iters", "100000", "--eval_interval", "100000"]
    process = begin(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "early") >= 3, process)
    process.kill()
    process.communicate()
    first = events(workspace, "early", "training_start")[0]
    rest = mypt(workspace, "train", "--model_name", "early", "--max_iters", "4", "--eval_interval", "4")
    assert rest.returncode == 0, rest.stderr
    assert [e["iter"] for e in events(workspace, "early", "eval")] == [0, 4]
    picture = Workspace(workspace)
    picture.load()
    (run,) = picture.runs
    assert [point.step for point in run.history.curves["val"].points()] == [0, 4]
    assert [point.step for point in run.history.curves["train"].points()] == [1, 2, 3, 4]
    assert len(run.history.resumes) == 1 and run.history.run_ids > {first["run_id"]}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_model_that_is_trained_is_refused_to_a_second_run(
    workspace: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second model in memory could cost the first its own.
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("built beside the run that holds the model"))
    assert train(workspace, "--model_name", "long", *TINY) == 2
    second = mypt(workspace, "train", "--model_name", "long", *TINY)
    assert second.returncode == 2
    (record,) = list_records(workspace).records
    assert second.stderr.startswith("mypt: model 'long': two runs on one model: held by ")
    assert f"run {record.run_id}, pid {running.pid} on " in second.stderr
    assert ", since 20" in second.stderr and "wait until that run ends, stop it, or choose" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert running.poll() is None and len(list_records(workspace).records) == 1
    log = "logs/train/long_eval.jsonl"
    other = mypt(workspace, "train", "--model_name", "other", *TINY, "--log_file", log)
    assert other.returncode == 2 and len(other.stderr.splitlines()) == 1
    assert other.stderr.startswith(f"mypt: log_file: another run writes it now (got '{log}')")
    assert running.poll() is None and len(list_records(workspace).records) == 1
    assert not (workspace / "checkpoints" / "other").exists()
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 143 and "Training stopped by SIGTERM at step" in out
    stop = events(workspace, "long")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "signal")
