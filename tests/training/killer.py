"""Commands that are killed right before one of their file operations (see `killed`, which does it)."""

from __future__ import annotations

from pathlib import Path

from tests.asking import Asking

KILLED = -9
"""The exit status of a process that SIGKILL ended."""


class Killer(Asking):
    """Runs `mypt` in forked children of one process, which has torch loaded already."""

    def __init__(self) -> None:
        super().__init__("-m", "tests.training.killed")

    def run(
        self, workspace: Path, *arguments: str, kill_at: int = 0, later_s: float = 0.0
    ) -> tuple[int, list[str]]:
        """The exit status and the file operations that were begun.

        Killed right before operation `kill_at` where that is not 0, or `later_s` after it was begun.
        """
        words = ["--workspace", str(workspace), *arguments]
        answer = self.ask(arguments=words, kill_at=kill_at, later_s=later_s)
        return answer["status"], answer["operations"]


def place_of(operations: list[str], bundle: str, number: int = 1) -> int:
    """The operation (from 1) that begins to write `bundle` for the `number`th time."""
    begun = [
        place
        for place, operation in enumerate(operations, start=1)
        if operation.startswith("os.mkdir checkpoints/.tmp.") and operation.endswith(f".{bundle}")
    ]
    return begun[number - 1]
