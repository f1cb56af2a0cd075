from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mypt.launch.stop import How, stop
from mypt.runs.directory import stop_requested
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.record import create, update
from mypt.runs.state import RunState, decide, evidence_of
from tests.launch.launch_bench import Bench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

# Attaches as a trainer does, looks for the request as a trainer does, saves at SIGTERM as a trainer does.
TRAINER = """
import signal, sys, time
from pathlib import Path
from mypt.runs.attach import attach
from mypt.runs.directory import stop_requested
def save(number, frame):
    print("saved"); sys.exit(143)
signal.signal(signal.SIGTERM, save)
run = attach(Path.cwd(), "dante", "x.jsonl", ["mypt"], {})
print("attached")
open("up", "w").write("up\\n")
while (reason := stop_requested(run)) is None:
    time.sleep(0.01)
print("stopping:", reason)
"""

ALL: list[How] = ["request", "terminate", "kill"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path.resolve())
    yield bench
    bench.clear()


def test_the_request_is_seen(bench: Bench) -> None:
    record = bench.launch(TRAINER)
    bench.until_file("up")
    result = stop(bench.workspace, record)
    assert result.done and "asked to stop" in result.sentence
    assert bench.until_exit(record).code == 0
    assert bench.console(record) == "attached\nstopping: request\n"


def test_terminate_lets_it_save(bench: Bench) -> None:
    record = bench.launch(TRAINER)
    bench.until_file("up")
    # The caller's record is as old as the launch; who trains is looked up anew.
    result = stop(bench.workspace, record, how="terminate")
    assert result.done and "SIGTERM sent to the trainer" in result.sentence
    assert bench.until_exit(record).code == 143
    assert bench.console(record) == "attached\nsaved\n"


def test_kill_is_told_from_want_of_memory(bench: Bench) -> None:
    record = bench.launch(TRAINER)
    bench.until_file("up")
    assert stop(bench.workspace, record, how="kill").done
    assert bench.until_exit(record).signal == signal.SIGKILL
    run = record.directory(bench.workspace)
    bench.wait_for(lambda: stop_requested(run) == "kill", "the note")
    evidence = evidence_of(bench.workspace, bench.now(record), closing=None, silent_s=1, wrote_event=True)
    assert decide(evidence) == (RunState.STOPPED, "killed on request; what was saved before is intact")


@pytest.mark.parametrize("how", ALL)
def test_a_waiting_run_leaves_the_queue(bench: Bench, how: How) -> None:
    first = bench.launch(TRAINER)
    bench.until_file("up")
    second = bench.launch("open('never', 'w')", name="b", queue=True)
    assert stop(bench.workspace, second, how=how).done
    assert bench.until_exit(second).reason == "cancelled"
    stop(bench.workspace, first)
    bench.until_exit(first)
    assert not (bench.workspace / "never").exists()


@pytest.mark.parametrize("how", ALL)
def test_an_ended_run_is_left_alone(bench: Bench, how: How) -> None:
    record = bench.launch("pass")
    bench.until_exit(record)
    result = stop(bench.workspace, record, how=how)
    assert not result.done and "ended already" in result.sentence
    assert stop_requested(record.directory(bench.workspace)) is None


@pytest.mark.parametrize("how", ALL)
def test_another_program_with_the_same_pid_is_never_signalled(bench: Bench, how: How) -> None:
    """The record of a dead run names a pid that a live process has now."""
    alive = bench.until_trainer(bench.launch(TRAINER))
    bench.until_file("up")
    assert alive.trainer is not None
    stale = create(bench.workspace, model_name="old", log_file="y", command=["x"], origin="shell")
    update(
        stale.directory(bench.workspace),
        trainer=replace(alive.trainer, start_ticks=1, create_time=alive.trainer.create_time - 1e5),
    )
    result = stop(bench.workspace, stale, how=how)
    assert not result.done and "not running any more" in result.sentence
    assert alive.trainer.is_alive() is Alive.ALIVE
    stop(bench.workspace, alive)
    assert bench.until_exit(alive).code == 0
    assert "saved" not in bench.console(alive)


def test_a_run_of_another_machine_can_only_be_asked(bench: Bench) -> None:
    record = create(bench.workspace, model_name="far", log_file="y", command=["x"], origin="shell")
    far = ProcessIdentity("gpu-box", "another boot", 1, 1, 1.0)
    record = update(record.directory(bench.workspace), trainer=far)
    for how in ALL[1:]:
        result = stop(bench.workspace, record, how=how)
        assert not result.done and "does not reach gpu-box" in result.sentence
    assert stop(bench.workspace, record).done
    assert stop_requested(record.directory(bench.workspace)) == "request"
