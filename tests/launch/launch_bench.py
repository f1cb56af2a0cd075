"""A workspace for tests in which small real programs stand in for the trainer."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mypt.launch.start import launch
from mypt.runs.directory import ExitRecord, read_exit
from mypt.runs.record import RunRecord, list_records, load

DEADLINE_S = 60.0


class Bench:
    """Launches programs in `workspace` and waits, with a deadline, for what they do."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def launch(self, code: str, *args: str, name: str = "dante", queue: bool = False) -> RunRecord:
        return self.launch_into("logs/train/x.jsonl", code, *args, name=name, queue=queue)

    def launch_into(
        self, log_file: str, code: str, *args: str, name: str = "dante", queue: bool = False
    ) -> RunRecord:
        return launch(
            self.workspace,
            [code, *args],
            model_name=name,
            log_file=log_file,
            settings={},
            queue=queue,
            program=("-c",),
        )

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.01)

    def until_exit(self, record: RunRecord) -> ExitRecord:
        run = record.directory(self.workspace)
        self.wait_for(lambda: read_exit(run) is not None, f"the end of {record.run_id}")
        end = read_exit(run)
        assert end is not None
        return end

    def until_file(self, name: str) -> str:
        path = self.workspace / name
        self.wait_for(lambda: path.exists() and path.read_text().endswith("\n"), name)
        return path.read_text().strip()

    def until_trainer(self, record: RunRecord) -> RunRecord:
        self.wait_for(lambda: self.now(record).trainer is not None, f"the trainer of {record.run_id}")
        return self.now(record)

    def now(self, record: RunRecord) -> RunRecord:
        found = load(record.directory(self.workspace))
        assert isinstance(found, RunRecord)
        return found

    def console(self, record: RunRecord) -> str:
        return record.directory(self.workspace).console.read_text()

    def clear(self) -> None:
        """End whatever a failed test has left."""
        if sys.platform == "win32":
            return
        for record in list_records(self.workspace).records:
            for identity in (record.supervisor, record.trainer):
                if identity is not None and identity.pid != os.getpid():
                    identity.signal_if_same(signal.SIGKILL)
