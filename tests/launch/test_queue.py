from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mypt.launch import queue
from mypt.launch.stop import stop
from mypt.runs.record import RunRecord, load
from mypt.runs.state import RunState, decide, evidence_of
from tests.launch.launch_bench import Bench
from tests.launch.test_supervisor import UNTIL_GO

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions are POSIX")

NOTE = "import sys; open('order', 'a').write(sys.argv[1] + '\\n')\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path.resolve())
    yield bench
    bench.clear()


def waiting(bench: Bench) -> list[str]:
    return [record.model_name for record in queue.waiting(bench.workspace)]


def line(bench: Bench) -> list[RunRecord]:
    """One run that runs until told, and three that wait for it."""
    first = bench.launch(UNTIL_GO, name="first")
    bench.until_file("up")
    return [first, *(bench.launch(NOTE, name, name=name, queue=True) for name in "abc")]


def go(bench: Bench) -> None:
    (bench.workspace / "go").touch()


def test_runs_start_in_the_order_into_which_they_were_moved(bench: Bench) -> None:
    first, a, b, c = line(bench)
    assert waiting(bench) == ["a", "b", "c"]
    assert queue.move(bench.workspace, c, -1).sentence == "before b in the queue"
    assert queue.move(bench.workspace, c, -1).done
    assert queue.move(bench.workspace, a, 1).done
    assert waiting(bench) == ["c", "b", "a"]
    assert queue.move(bench.workspace, c, -1) == queue.Moved(False, "it is the first in the queue")
    assert queue.move(bench.workspace, a, 1) == queue.Moved(False, "it is the last in the queue")
    go(bench)
    assert [bench.until_exit(record).code for record in (first, a, b, c)] == [0, 0, 0, 0]
    assert (bench.workspace / "order").read_text().split() == ["c", "b", "a"]
    # Their creation is what it was: only the turn was exchanged.
    assert [bench.now(r).created_at for r in (a, b, c)] == [r.created_at for r in (a, b, c)]


def test_one_at_a_time_however_often_they_are_moved(bench: Bench) -> None:
    """While runs end and others take their turn, somebody moves about in the queue."""
    alone = (
        "import os, sys, time\n"
        "os.mkdir('alone')\n"  # fails where another one is there
        "time.sleep(0.02); os.rmdir('alone')\n" + NOTE
    )
    first = bench.launch(UNTIL_GO, name="first")
    bench.until_file("up")
    names = [f"q{number}" for number in range(5)]
    records = [bench.launch(alone, name, name=name, queue=True) for name in names]
    go(bench)
    while left := queue.waiting(bench.workspace):
        queue.move(bench.workspace, left[-1], -1)
        queue.move(bench.workspace, left[0], 1)
    assert bench.until_exit(first).code == 0
    assert [bench.until_exit(record).code for record in records] == [0] * 5
    assert sorted((bench.workspace / "order").read_text().split()) == names


def test_a_queued_run_can_start_at_once(bench: Bench) -> None:
    first, a, b, c = line(bench)
    assert queue.start_now(bench.workspace, b).done
    assert bench.until_exit(b).code == 0
    assert waiting(bench) == ["a", "c"]
    evidence = evidence_of(bench.workspace, bench.now(a), closing=None, silent_s=None, wrote_event=False)
    assert decide(evidence)[0] is RunState.QUEUED
    go(bench)
    assert [bench.until_exit(record).code for record in (first, a, c)] == [0, 0, 0]
    assert (bench.workspace / "order").read_text().split() == ["b", "a", "c"]


def test_only_what_waits_can_be_moved(bench: Bench) -> None:
    first, a, b, c = line(bench)
    for change in (
        queue.move(bench.workspace, first, 1),
        queue.start_now(bench.workspace, first),
    ):
        assert not change.done
        assert "does not wait" in change.sentence
    assert stop(bench.workspace, b).sentence == "taken from the queue"
    assert waiting(bench) == ["a", "c"]
    assert queue.move(bench.workspace, c, -1).done
    assert not queue.move(bench.workspace, b, -1).done
    go(bench)
    for record in (first, a, c):
        bench.until_exit(record)
    assert (bench.workspace / "order").read_text().split() == ["c", "a"]


def test_a_turn_is_kept_by_who_does_not_know_it(bench: Bench) -> None:
    _, a, b, _ = line(bench)
    queue.move(bench.workspace, b, -1)
    moved = load(b.directory(bench.workspace))
    assert isinstance(moved, RunRecord)
    assert RunRecord.from_json(moved.to_json()) == moved
    assert moved.turn == a.created_at
    assert "turn" not in a.to_json()
    assert moved.place < bench.now(a).place
    assert moved.order > bench.now(a).order
