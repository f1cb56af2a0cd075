"""The real process at the other end of a real pipe: how it begins, what it stands, and that it ends."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from mypt.sampling.process import Gone, Said, SamplingProcess
from mypt.sampling.protocol import (
    Cancel,
    Ended,
    Failed,
    Load,
    Piece,
    Ready,
    Started,
    Told,
    Write,
    read_report,
    to_line,
)
from mypt.sampling.server import MOST_THREADS, NICENESS
from mypt.sampling.settings import Settings
from tests.processes import is_gone, wait_until
from tests.workbench import environment
from tests.workbench import mypt as mypt_command

ENDLESS = Settings(max_new_tokens=1_000_000, seed=1)
_R = TypeVar("_R")


class Other:
    """The process as a test holds it: reports wait in a queue."""

    def __init__(self, workspace: Path) -> None:
        self.reports: queue.SimpleQueue[Told | Said | Gone] = queue.SimpleQueue()
        self.process = SamplingProcess(workspace, self.reports.put)

    def until(self, kind: type[_R], holds: Callable[[_R], bool] = lambda report: True) -> _R:
        """The next report of a kind; those before it are dropped."""
        while True:
            report = self.reports.get(timeout=90)
            if isinstance(report, kind) and holds(report):
                return report
            assert not isinstance(report, Gone), report


@contextmanager
def started(workspace: Path) -> Iterator[Other]:
    other = Other(workspace)
    try:
        yield other
    finally:
        other.process.close()
        other.process.wait(30)


def test_it_says_how_it_stands_back_and_writes_what_generate_writes(trained_once: Path) -> None:
    with started(trained_once) as other:
        begun = other.until(Started)
        assert begun.pid == other.process.pid
        assert 1 <= begun.threads <= MOST_THREADS
        if sys.platform != "win32":
            assert begun.niceness >= NICENESS
            assert psutil.Process(begun.pid).nice() == begun.niceness
        settings = Settings(max_new_tokens=60, seed=5)
        other.process.ask(Write(id="a", model="dante", prompt="once", settings=settings))
        text = ""
        while not isinstance(report := other.until(Piece | Ended), Ended):  # type: ignore[arg-type]
            text += report.text
        flags = ["--prompt", "once", "--seed", "5", "--max_new_tokens", "60"]
        printed = mypt_command(trained_once, "generate", "--model_name", "dante", *flags).stdout
        assert "once" + text == printed.removesuffix("\n")


def test_many_pieces_come_while_it_writes_and_it_stops_when_told(trained_once: Path) -> None:
    with started(trained_once) as other:
        other.process.ask(Write(id="a", model="dante", settings=ENDLESS))
        for _ in range(5):
            other.until(Piece)
        other.process.ask(Cancel(id="a"))
        ended = other.until(Ended)
        assert ended.why == "cancelled" and 5 <= ended.tokens < ENDLESS.max_new_tokens
        other.process.ask(Load(model="dante"))
        assert other.until(Ready).model == "dante"


def test_it_ends_when_its_input_closes_even_in_the_middle_of_a_text(trained_once: Path) -> None:
    other = Other(trained_once)
    other.process.ask(Write(id="a", model="dante", settings=ENDLESS))
    other.until(Piece)
    other.process.close()
    assert other.process.wait(30) == 0
    wait_until(lambda: is_gone(other.process.pid))


def test_a_killed_one_is_told_in_words(trained_once: Path) -> None:
    other = Other(trained_once)
    other.process.ask(Write(id="a", model="dante", settings=ENDLESS))
    other.until(Piece)
    os.kill(other.process.pid, signal.SIGKILL)
    while not isinstance(report := other.reports.get(timeout=60), Gone):
        pass
    assert report.sentence == "it was killed by SIGKILL, as the system does where memory ends"
    assert report.code == -signal.SIGKILL
    # Nobody is there to hear it, which is no error.
    other.process.ask(Load(model="dante"))
    other.process.close()


def test_one_that_fails_to_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch in this Python')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]))
    other = Other(tmp_path)
    lines = []
    while isinstance(gone := other.reports.get(timeout=60), Said):
        lines.append(gone.line)
    assert isinstance(gone, Gone) and gone.code == 1
    assert lines[-1] == gone.lines[-1]
    assert gone.sentence == "it ended with status 1"
    assert gone.lines[-1] == "ImportError: no torch in this Python"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_the_terminals_ctrl_c_does_not_reach_it(trained_once: Path) -> None:
    with started(trained_once) as other:
        other.until(Started)
        os.kill(other.process.pid, signal.SIGINT)
        other.process.ask(Load(model="dante"))
        other.until(Ready)


def test_what_is_no_request_is_told_and_the_next_is_served(trained_once: Path) -> None:
    command = [sys.executable, "-m", "mypt.sampling", str(trained_once)]
    lines = b"hello\n\n" + to_line(Load(model="dante"))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(lines)
    process.stdin.flush()
    reports = [read_report(process.stdout.readline()) for _ in range(5)]
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()
    refused = [report for report in reports if isinstance(report, Failed)]
    assert len(refused) == 2 and all(r.message.startswith("not a request: ") for r in refused)
    assert isinstance(reports[-1], Ready)


OWNER = """
import sys, time
from pathlib import Path
from mypt.sampling.process import SamplingProcess
from mypt.sampling.protocol import Piece, Write
from mypt.sampling.settings import Settings

def tell(report):
    if isinstance(report, Piece):
        print(process.pid, flush=True)

process = SamplingProcess(Path(sys.argv[1]), tell)
process.ask(Write(id="a", model="dante", settings=Settings(max_new_tokens=1_000_000)))
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_it_ends_when_whoever_started_it_is_killed(trained_once: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(trained_once)], stdout=subprocess.PIPE, env=environment(), text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert not is_gone(pid)
    owner.kill()
    owner.wait(30)
    owner.stdout.close()
    wait_until(lambda: is_gone(pid))
