"""Commands that are killed right before one of their file operations (see `killed`, which does it)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.workbench import environment

KILLED = -9
"""The exit status of a process that SIGKILL ended."""


class Killer:
    """Runs `mypt` in forked children of one process, which has torch loaded already."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killed.py"))],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, workspace: Path, *arguments: str, kill_at: int = 0, later_s: float = 0.0
    ) -> tuple[int, list[str]]:
        """The exit status and the file operations that were begun.

        Killed right before operation `kill_at` where that is not 0, or `later_s` after it was begun.
        """
        words = ["--workspace", str(workspace), *arguments]
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(
            json.dumps({"arguments": words, "kill_at": kill_at, "later_s": later_s}) + "\n"
        )
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["operations"]

    def close(self) -> None:
        """End it, and its children with it, whatever they are at."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def place_of(operations: list[str], bundle: str, number: int = 1) -> int:
    """The operation (from 1) that begins to write `bundle` for the `number`th time."""
    begun = [
        place
        for place, operation in enumerate(operations, start=1)
        if operation.startswith("os.mkdir checkpoints/.tmp.") and operation.endswith(f".{bundle}")
    ]
    return begun[number - 1]
