"""Worker processes: results in order, errors as they are, and nobody left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mypt.data.prepare.worker import Pool
from mypt.errors import RunError, UserError
from tests.data.prepare.errands import chatter, die, double, itself, refuse, stumble
from tests.processes import is_gone
from tests.workbench import environment, wait_for


@pytest.fixture(autouse=True)
def workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


@pytest.mark.parametrize("number", [1, 3])
def test_results_come_in_order(number: int) -> None:
    with Pool(number) as pool:
        for setup in (2, 5):
            found = list(pool.map(double, setup, range(20), itself))
            assert [(task, result) for task, (result, _) in found] == [(n, setup * n) for n in range(20)]
            processes = {pid for _, (_, pid) in found}
            assert (processes == {os.getpid()}) if number == 1 else (os.getpid() not in processes)


def test_only_a_few_tasks_are_on_their_way() -> None:
    asked: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    with Pool(2) as pool:
        results = pool.map(double, 1, tasks(), itself)
        for taken in range(50):
            next(results)
            assert len(asked) <= taken + 1 + 4


@pytest.mark.parametrize("number", [1, 2])
def test_errors_are_what_they_are(number: int) -> None:
    with Pool(number) as pool, pytest.raises(UserError, match=r"^a is wrong$"):
        list(pool.map(refuse, None, ["a"], str))
    with Pool(number) as pool, pytest.raises((ZeroDivisionError, RuntimeError), match="division"):
        list(pool.map(stumble, None, [1, 0], itself))


def test_what_a_library_prints_does_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    with Pool(2) as pool:
        assert [result for _, result in pool.map(chatter, None, range(5), itself)] == list(range(5))
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err.count("in its own way") == 5


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_worker_that_is_killed_is_said() -> None:
    with Pool(2) as pool, pytest.raises(RunError, match=r"a worker process ended.*--num_proc"):
        list(pool.map(die, None, range(3), itself))


def test_nobody_is_left_when_the_work_is_broken_off() -> None:
    with Pool(3) as pool:
        next(pool.map(double, 1, range(100), itself))
        pids = pool.pids()
        assert len(pids) == 3 and all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


ORPHANS = """
from mypt.data.prepare.worker import Pool
from tests.data.prepare.errands import double, itself
with Pool(2) as pool:
    for _ in pool.map(double, 1, iter(int, 1), itself):
        print(*pool.pids(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_workers_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS],
        env=environment(),
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    workers = [psutil.Process(pid) for pid in pids]
    assert len(workers) == 2
    parent.kill()
    parent.stdout.close()
    parent.wait()

    assert wait_for(lambda: all(is_gone(worker) for worker in workers))


STEADY = """
import sys
import psutil
from pathlib import Path
from mypt.data.prepare import steps
from mypt.data.prepare.documents import whole_files
from mypt.data.prepare.inputs import Source
from mypt.data.prepare.plan import Cutter
from mypt.data.prepare.worker import Pool
from mypt.tokenizers.cuts import ANYWHERE
stat = Path(sys.argv[1]).stat()
file = Source(sys.argv[1], "text", stat.st_size, stat.st_mtime_ns, False)
(document,) = whole_files([file]).spans()
spans = [[span] for span in Cutter(ANYWHERE).spans(document)] * 12
held = []
with Pool(1) as pool:
    for _ in pool.map(steps.characters, None, spans, list):
        held.append(psutil.Process().memory_info().rss)
print((max(held[-8:]) - max(held[:3])) / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is about the allocator of Linux")
def test_memory_does_not_grow_with_the_number_of_pieces(tmp_path: Path) -> None:
    # Pieces of one byte, two bytes and four bytes a character, in turn.
    parts = [
        "plain words " * 350_000,
        "wörter " * 550_000,
        "東京🦊 " * 380_000,
        "more plain words " * 260_000,
    ]
    (tmp_path / "text").write_text("".join(parts))
    done = subprocess.run(
        [sys.executable, "-c", STEADY, str(tmp_path / "text")],
        env=environment(),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 10
