"""Pids that really are used again: `unshare -Urpf --mount-proc python tests/faults/reused.py FOLDER SEED LAPS`.

In a namespace of its own a process may say which pid comes next. A run is killed without a word, strangers get the pids
of its trainer and its supervisor, and then everything is tried by which somebody could be signalled. Prints what was found.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mypt import housekeeping
from mypt.errors import MyptError
from mypt.launch import queue
from mypt.launch.stop import How, stop
from mypt.runs.directory import read_exit
from mypt.runs.lock import ModelLock
from mypt.runs.record import RunRecord, list_records, load
from mypt.watch.inventory import Workspace
from tests.faults.busy import write_bundle
from tests.faults.logging_run import launched
from tests.tui.logs import log_path

ALL: tuple[How, ...] = ("request", "terminate", "kill")
_HARMLESS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD)


def main() -> None:
    """As many laps as were asked for, each in a workspace of its own."""
    folder, seed, laps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    bystanders = 0
    for lap in range(laps):
        workspace = folder / str(lap)
        workspace.mkdir()
        bystanders += Lap(workspace, random.Random(f"{seed} {lap}")).run()
    print(json.dumps({"laps": laps, "bystanders": bystanders}))


class Lap:
    """One run, killed and mistaken."""

    def __init__(self, workspace: Path, chance: random.Random) -> None:
        self.workspace = workspace
        self.chance = chance
        self.heard = workspace / "heard"

    def run(self) -> int:
        """How many strangers lived through it."""
        write_bundle(self.workspace / "checkpoints", "dante", 8)
        record = launched(self.workspace, "dante")
        wait(lambda: log_path(self.workspace, "dante").exists() and self.now(record).trainer is not None)
        waiting = launched(self.workspace, "virgil", queue=True) if self.chance.random() < 0.5 else None
        record = self.now(record)
        assert record.trainer is not None and record.supervisor is not None
        pids = [record.supervisor.pid, record.trainer.pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            wait(lambda pid=pid: is_gone(pid))  # type: ignore[misc]
        chosen = self.chance.choice(([pids[1]], [pids[0]], pids))
        strangers = [self.stranger(pid) for pid in chosen]
        try:
            assert strangers == chosen, (strangers, chosen)
            self.try_everything(record)
            if waiting is not None:
                # It waits for nobody who only bears the number of one that it waited for.
                wait(lambda: self.now(waiting).trainer is not None)
                stop(self.workspace, waiting)
                wait(lambda: read_exit(waiting.directory(self.workspace)) is not None)
            assert not self.heard.exists(), self.heard.read_text()
            for pid in strangers:
                assert os.waitpid(pid, os.WNOHANG) == (0, 0), f"{pid} is gone"
        finally:
            for pid in strangers:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        return len(strangers)

    def try_everything(self, record: RunRecord) -> None:
        picture = Workspace(self.workspace)
        picture.load()
        (run,) = [run for run in picture.runs if run.name == "dante"]
        assert run.state.value == "failed" and "ended without a word" in run.sentence, run.sentence
        for how in self.chance.sample(ALL, 3):
            result = stop(self.workspace, record, how=how)
            assert not result.done, result
        assert record.run_id not in {other.run_id for other in queue.waiting(self.workspace)}
        queue.move(self.workspace, record, -1)
        queue.start_now(self.workspace, record)
        lock = ModelLock(self.workspace, "dante")
        assert lock.holder() is None
        with lock.acquire(command=["test"], patience_s=0):
            pass
        again = launched(self.workspace, "dante")
        wait(lambda: self.now(again).trainer is not None)
        stop(self.workspace, again, how=self.chance.choice(ALL[:2]))
        wait(lambda: read_exit(again.directory(self.workspace)) is not None)
        housekeeping.rename(self.workspace, "dante", "beatrice")
        housekeeping.recover(self.workspace)
        housekeeping.delete(self.workspace, ["beatrice"])
        with suppress(MyptError):
            housekeeping.delete(self.workspace, ["dante"])
        for old in list_records(self.workspace).records:
            if old.model_name != "virgil":
                for how in ALL:
                    assert not stop(self.workspace, old, how=how).done

    def now(self, record: RunRecord) -> RunRecord:
        found = load(record.directory(self.workspace))
        return found if isinstance(found, RunRecord) else record

    def stranger(self, pid: int) -> int:
        """A process with that pid, which notes every signal that it hears."""
        ready, told = os.pipe()
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        child = os.fork()
        if child == 0:
            for number in set(signal.Signals) - set(_HARMLESS):
                with suppress(OSError, ValueError):
                    signal.signal(number, self.note)
            os.write(told, b"!")
            while True:
                signal.pause()
        assert os.read(ready, 1) == b"!"
        os.close(ready)
        os.close(told)
        return child

    def note(self, number: int, frame: object) -> None:
        with self.heard.open("a") as file:
            file.write(f"{signal.Signals(number).name} to {os.getpid()}\n")


def is_gone(pid: int) -> bool:
    """Whether nothing is left of a process; orphans are this one's to bury."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not Path(f"/proc/{pid}").exists()


def wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


if __name__ == "__main__":
    main()
