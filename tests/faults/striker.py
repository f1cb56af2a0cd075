"""Commands that faults befall: signals at a step, disks that fill and operations that fail (see `struck`, which does it)."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.asking import Asking

FILLER = "filler"
"""The file that takes the room of a disk that is filled."""


def fill(filler: Path, spare: int) -> None:
    """Take all room that the disk of `filler` has but for `spare` bytes, in whole blocks."""
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    os.truncate(filler, max(0, filler.stat().st_size - spare))


def kind(operation: str) -> str:
    """What is done to which kind of file, out of `Struck.operations`."""
    event, _, path = operation.partition(" ")
    # In a bundle each file of its own; of runs and locks the kind is enough.
    name = Path(path).name if path.startswith("checkpoints") else Path(path).suffix
    return f"{event} {path.split('/')[0]} {name.partition('.tmp-')[0]}"


@dataclass(frozen=True)
class Struck:
    """How a command ended: its exit status as `Popen.returncode` has it, what it said, and what it did."""

    status: int
    output: str
    steps: list[str]
    operations: list[str]
    writes: int
    """Writes and syncs of files in the workspace, where these were counted."""
    seconds: float | None
    """From the first signal to the end."""


class Striker(Asking):
    """Runs `mypt` in forked children of one process, which has torch loaded already."""

    def __init__(self) -> None:
        self.output = tempfile.NamedTemporaryFile(prefix="mypt-struck-")  # noqa: SIM115 - it lives as long as we do
        library = self._library()
        self.can_fail_writes = library is not None
        super().__init__("-m", "tests.faults.struck", **({"LD_PRELOAD": str(library)} if library else {}))

    def _library(self) -> Path | None:
        """`failing.c` as a library; None where it cannot be made or loaded."""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or sys.platform != "linux":
            return None
        made = Path(tempfile.mkdtemp(prefix="mypt-failing-")) / "failing.so"
        atexit.register(shutil.rmtree, made.parent, ignore_errors=True)
        source = Path(__file__).with_name("failing.c")
        words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"]
        return made if subprocess.run(words, capture_output=True, check=False).returncode == 0 else None

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
        writes: tuple[int, int] | None = None,
        errno: int = 0,
        limit: int | None = None,
        humble: bool = False,
    ) -> Struck:
        """Run `mypt` with `arguments`; `record` has the answer tell its steps.

        `signals` are (step, number, seconds to wait before). Before file operation `fill_at` the disk is filled but for
        `spare` bytes; before `do_at` the Python `do` is run, which knows `workspace`; the operations `fail_at`, and the
        writes and syncs from the first to the last of `writes`, fail with `errno`. No file may become larger than `limit`; with `humble` root has no more rights than others.
        """
        answer = self.ask(
            workspace=str(workspace),
            arguments=arguments,
            record=record,
            signals=[*signals],
            fill_at=fill_at,
            spare=spare,
            do_at=do_at,
            do=do,
            fail_at=[*fail_at],
            writes=writes,
            errno=errno,
            limit=limit,
            humble=humble,
            output=self.output.name,
        )
        return Struck(**answer)

    def close(self) -> None:
        """End it, and its children with it, whatever they are at."""
        super().close()
        self.output.close()
