"""Commands that faults befall: signals at a step, disks that fill and operations that fail (see `struck`, which does it)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.workbench import environment


@dataclass(frozen=True)
class Struck:
    """How a command ended: its exit status as `Popen.returncode` has it, what it said, and what it did."""

    status: int
    output: str
    steps: list[str]
    operations: list[str]
    seconds: float | None
    """From the first signal to the end."""


class Striker:
    """Runs `mypt` in forked children of one process, which has torch loaded already."""

    def __init__(self) -> None:
        self.output = tempfile.NamedTemporaryFile(prefix="mypt-struck-")  # noqa: SIM115 - it lives as long as we do
        # A user that has no rights may be asked to run a command, and writes what it says here.
        Path(self.output.name).chmod(0o666)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.struck"],
            cwd=Path(__file__).parents[2],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        workspace: Path,
        *arguments: str,
        record: bool = False,
        signals: Sequence[tuple[int, int, float]] = (),
        fill_at: int = 0,
        spare: int = 0,
        do_at: int = 0,
        do: str = "",
        fail_at: Sequence[int] = (),
        errno: int = 0,
        limit: int | None = None,
        user: int | None = None,
    ) -> Struck:
        """Run `mypt` with `arguments`; `record` has the answer tell its steps.

        `signals` are (step, number, seconds to wait before). Before file operation `fill_at` the disk is filled but for
        `spare` bytes; before `do_at` the Python `do` is run, which knows `workspace`; the operations `fail_at` fail with
        `errno`. No file may become larger than `limit`; `user` runs it instead of root.
        """
        asked = {
            "workspace": str(workspace),
            "arguments": arguments,
            "record": record,
            "signals": [*signals],
            "fill_at": fill_at,
            "spare": spare,
            "do_at": do_at,
            "do": do,
            "fail_at": [*fail_at],
            "errno": errno,
            "limit": limit,
            "user": user,
            "output": self.output.name,
        }
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Struck(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End it, and its children with it, whatever they are at."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self.output.close()
