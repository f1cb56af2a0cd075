"""Much at once and for long: what watches needs no more memory than what it shows, and opens nothing for good."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mypt.text import whole
from tests.faults.busy import Trainings, write_bundle
from tests.faults.rounds import ROUNDS, Report
from tests.tui.terminal import Terminal, terminal
from tests.workbench import environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc"),
]
RUNS = 20
# A point on each of nine curves and axes is kept as a number of eight bytes, with room to grow.
BYTES_AN_EVENT = 200
# What an allocator and a garbage collector may keep for a while.
SLACK_MB = 12.0


def amount(full: int) -> int:
    """All of it in a long round, a hundredth in the short one."""
    return full if ROUNDS >= 10 else max(1, full // 100)


class Need(NamedTuple):
    """What a process holds: memory in MB, descriptors, threads."""

    mb: float
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Need:
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        # A file that is just being read is none that was forgotten.
        files = min(_files_of(pid) for _ in range(20))
        return cls(int(fields["VmRSS"].split()[0]) / 1024, files, int(fields["Threads"]))


def _files_of(pid: int) -> int:
    time.sleep(0.02)
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Core:
    """The watching core, in a process of its own."""

    def __init__(self, workspace: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("watched.py")), str(workspace)],
            env=environment(PYTHONPATH=str(Path(__file__).parents[2])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def look(self) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("look\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    @property
    def need(self) -> Need:
        return Need.of(self.process.pid)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    yield core
    core.process.kill()
    core.process.communicate()


def assert_flat(needs: list[Need], events: int) -> None:
    """From the second to the last, memory grew by no more than the events that came, and nothing else grew."""
    _, begin, end = needs
    allowed = SLACK_MB + events * BYTES_AN_EVENT / 2**20
    assert end.mb - begin.mb <= allowed, f"{needs}: more than {allowed:.1f} MB for {events} events"
    assert end.files <= begin.files and end.threads <= begin.threads, needs


def told(needs: list[Need]) -> str:
    return f"{' / '.join(f'{need.mb:.0f}' for need in needs)} MB, {needs[-1].files} files"


def drain(dashboard: Terminal, holds: Callable[[str], bool], seconds: float = 120.0) -> None:
    dashboard.wait_for(holds, seconds)
    # What it has sent is not to fill this process's memory.
    dashboard.raw.clear()


def test_many_runs_at_once_for_an_hour(tmp_path: Path, core: Core, report: Report) -> None:
    seconds = amount(3600)
    quarter = max(seconds // 4, 1)
    of_core: list[Need] = []
    of_screen: list[Need] = []
    lines: list[int] = []
    with Trainings(tmp_path, RUNS) as trainings, terminal(tmp_path) as dashboard:
        for part in range(4):
            for _ in range(quarter):
                trainings.second()
            found = core.look()
            assert (found["runs"], found["steps"], found["bad"]) == (RUNS, RUNS * trainings.step, 0)
            drain(dashboard, lambda text: f"step {whole(trainings.step)} of" in text)
            dashboard.press("]")
            if part != 2:
                of_core.append(core.need)
                of_screen.append(Need.of(dashboard.pid))
                lines.append(trainings.lines)
        dashboard.press("q")
        assert dashboard.exit_status() == 0
    report(lines=lines[-1], core=told(of_core), dashboard=told(of_screen))
    assert_flat(of_core, lines[-1] - lines[1])
    assert_flat(of_screen, lines[-1] - lines[1])


def test_a_million_events_in_one_log(tmp_path: Path, core: Core, report: Report) -> None:
    steps, needs = amount(1_000_000), []
    with Trainings(tmp_path, 1) as trainings:
        for part in (0.1, 0.5, 1.0):
            while trainings.step < steps * part:
                trainings.second()
            assert core.look()["steps"] == trainings.step
            needs.append(core.need)
    report(events=steps, core=told(needs))
    assert_flat(needs, steps // 2)
    quiet = core.need
    for _ in range(50):
        core.look()
    assert core.need.mb - quiet.mb < 2.0 and core.need.files == quiet.files


def test_a_log_that_is_written_anew_again_and_again(tmp_path: Path, core: Core, report: Report) -> None:
    needs = []
    for lap in range(amount(3000)):
        with Trainings(tmp_path, 1) as trainings:
            for _ in range(300):
                trainings.second()
        found = core.look()
        assert (found["runs"], found["steps"]) == (1, 300)
        if lap in (0, amount(3000) // 3, amount(3000) - 1):
            needs.append(core.need)
        shutil.rmtree(tmp_path / "logs")
    report(logs=amount(3000), core=told(needs))
    assert_flat(needs, 0)


def test_a_thousand_checkpoints_that_come_change_and_go(tmp_path: Path, core: Core, report: Report) -> None:
    number, folder, needs = amount(1000), tmp_path / "checkpoints", []
    with terminal(tmp_path) as dashboard:
        dashboard.wait_for("Try the demo")
        dashboard.press("c")
        screen = []
        for lap in range(3):
            for place in range(number):
                write_bundle(folder, f"m{place:04}", step=lap + 1)
            assert core.look()["bundles"] == number
            drain(dashboard, lambda text: f"{number} checkpoint" in text)
            needs.append(core.need)
            screen.append(Need.of(dashboard.pid))
            if lap == 1:
                shutil.rmtree(folder)
                assert core.look()["bundles"] == 0
                drain(dashboard, lambda text: f"{number} checkpoint" not in text)
    report(checkpoints=number, core=told(needs), dashboard=told(screen))
    assert_flat(needs, 0)
    assert_flat(screen, 0)
