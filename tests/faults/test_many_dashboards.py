"""Several dashboards on one workspace act at once and are closed at random: there is one run a model, and one truth."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mypt import housekeeping
from mypt.errors import MyptError
from mypt.launch import queue
from mypt.launch.stop import stop
from mypt.runs.record import RunRecord, list_records
from mypt.watch.inventory import Workspace
from tests.faults.busy import write_bundle
from tests.faults.logging_run import launched
from tests.faults.rounds import ROUNDS, Report, draw, times
from tests.processes import wait_until
from tests.tui.terminal import Terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
]
DASHBOARDS = 10 if ROUNDS > 1 else 3
MODELS = ("m0", "m1", "m2")
PRESET = {
    "batch_size": 2, "block_size": 16, "vocab_size": 48, "n_embd": 16, "n_head": 2, "n_layer": 1, "dropout": 0.0,
    "bias": False, "tokenization": "char", "max_iters": 1_000_000, "eval_interval": 500, "eval_iters": 1,
    "sample_tokens": 2, "log_interval": 50, "save_every": 500,
}  # fmt: skip


class Crowd:
    """The dashboards, the workspace, and what can be done to both."""

    def __init__(self, workspace: Path, chance: random.Random) -> None:
        self.workspace = workspace
        self.chance = chance
        self.done: Counter[str] = Counter()
        self.open = [Terminal(workspace) for _ in range(DASHBOARDS)]
        self._pool = ThreadPoolExecutor(4)
        for dashboard in self.open:
            dashboard.wait_for("New run", 90)

    def act(self) -> None:
        """Something, somewhere."""
        acts: list[Callable[[], object]] = [
            self.press, self.press, self.start, self.start, self.enqueue, self.stop, self.shift, self.rename, self.delete,
            self.close,
        ]  # fmt: skip
        done = self.chance.choice(acts)
        self.done[done.__name__] += 1
        with contextlib.suppress(MyptError):
            done()

    def press(self) -> None:
        """A key in several dashboards at once."""
        key = self.chance.choice("sssSKJ]]r")
        for dashboard in self.chance.sample(self.open, 2):
            dashboard.press(key)

    def start(self) -> None:
        """The same model three times at once."""
        model = self.chance.choice(MODELS)
        list(self._pool.map(lambda _: launched(self.workspace, model), range(3)))

    def enqueue(self) -> None:
        """A run that waits for those before it."""
        launched(self.workspace, self.chance.choice(MODELS), queue=True)

    def stop(self) -> None:
        """Any run, by any way."""
        if record := self.any_record():
            stop(self.workspace, record, how=self.chance.choice(("request", "terminate", "kill")))

    def shift(self) -> None:
        """Any run in the queue."""
        if record := self.any_record():
            change = self.chance.choice((queue.start_now, lambda w, r: queue.move(w, r, 1)))
            change(self.workspace, record)

    def rename(self) -> None:
        """A model, which may be in use."""
        housekeeping.rename(self.workspace, *self.chance.sample(MODELS, 2))

    def delete(self) -> None:
        """A model's checkpoints, which may be in use."""
        housekeeping.delete(self.workspace, [self.chance.choice(MODELS)])

    def close(self) -> None:
        """A dashboard, by any way; another one is opened."""
        place = self.chance.randrange(len(self.open))
        dashboard = self.open[place]
        way = self.chance.choice(("quit", "kill", "hang up"))
        if way == "quit":
            dashboard.press("\x11")
            assert dashboard.exit_status(60) == 0
        elif way == "kill":
            dashboard.kill()
        else:
            dashboard.hang_up()
        dashboard.close()
        self.open[place] = Terminal(self.workspace)
        self.open[place].wait_for("New run", 90)

    def any_record(self) -> RunRecord | None:
        records = list_records(self.workspace).records
        return self.chance.choice(records[-6:]) if records else None

    def assert_one_truth(self) -> None:
        """Each log is written by one process at most, and every record can be read."""
        writers = Counter(log for pid in self.processes() for log in open_logs(pid))
        assert all(number == 1 for number in writers.values()), writers
        assert not list_records(self.workspace).broken

    def processes(self) -> list[int]:
        """Everything that runs in the workspace, but for the dashboards."""
        ours = {dashboard.pid for dashboard in self.open}
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) not in ours:
                with contextlib.suppress(OSError):
                    if (entry / "cwd").resolve() == self.workspace:
                        found.append(int(entry.name))
        return found

    def shut(self) -> None:
        self._pool.shutdown()
        for dashboard in self.open:
            dashboard.close()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def open_logs(pid: int) -> set[str]:
    """The logs that a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(link.readlink())
                if name.endswith(".jsonl"):
                    found.add(name)
    return found


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))
    workspace = (tmp_path / "workspace").resolve()
    (workspace / "configs").mkdir(parents=True)
    (workspace / "configs" / "tiny_char.json").write_text(json.dumps(PRESET))
    for model in MODELS:
        write_bundle(workspace / "checkpoints", model, 8, goal=100)
    crowd = Crowd(workspace, draw("crowd"))
    yield crowd
    crowd.shut()


def test_several_dashboards_and_one_truth(crowd: Crowd, report: Report) -> None:
    workspace = crowd.workspace
    # A real training, which two of them want to start at once under one name.
    for dashboard in crowd.open[:2]:
        dashboard.press("d")
    wait_until(lambda: any(r.trainer is not None for r in list_records(workspace).records))
    crowd.open[-1].wait_for("demo", 90)
    for _ in range(times(12, 600)):
        crowd.act()
        crowd.assert_one_truth()
    for dashboard in crowd.open:
        dashboard.press("\x11")
        assert dashboard.exit_status(60) == 0
        assert b"Traceback" not in dashboard.raw

    def at_rest() -> bool:
        for record in list_records(workspace).records:
            stop(workspace, record)
        return not crowd.processes()

    wait_until(at_rest)
    picture = Workspace(workspace)
    picture.load()
    assert not picture.broken_records
    for run in picture.runs:
        assert run.state.is_over, (run.name, run.state, run.sentence)
        assert_one_story(run.log_path)
    runs = len(list_records(workspace).records)
    report(dashboards=DASHBOARDS, acts=sum(crowd.done.values()), runs=runs)


def assert_one_story(log: Path) -> None:
    """Between two starts the steps of a log rise: nobody else wrote in between."""
    last = -1
    for line in log.read_text().splitlines() if log.exists() else ():
        event = json.loads(line)
        if event["event"] == "training_start":
            last = -1
        elif event["event"] == "train":
            assert event["iter"] > last, (log.name, last, line)
            last = event["iter"]
