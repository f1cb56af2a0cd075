"""Several processes that train one model: `mypt train --nproc N` starts torchrun, waits, and says why a rank died.

This process loads no torch. A signal goes to rank 0 alone, which agrees with the others to stop and saves: torchrun
itself would give them 30 seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from mypt import signals
from mypt.errors import RunError
from mypt.launch.place import RANKS_VARIABLE
from mypt.launch.supervisor import last_lines
from mypt.runs.identity import ProcessIdentity
from mypt.text import printable

_LAST_LINES = 5
# An agent that is signalled while it starts its ranks is given this long to say who they are.
_LOOK_S = 0.1


def run(arguments: Sequence[str], *, nproc: int, restarts: int = 0) -> int:
    """Run `mypt` with `arguments` in `nproc` processes on this machine; the exit status of rank 0.

    Raises `RunError` where a rank died without a word. Torchrun starts all of them again, up to `restarts` times,
    where one dies; they go on from the newest complete checkpoint.
    """
    folder = Path(tempfile.mkdtemp(prefix="mypt-ranks-"))
    try:
        return _Launch(folder, nproc).run(arguments, restarts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Launch:
    def __init__(self, folder: Path, nproc: int) -> None:
        self._folder, self._nproc = folder, nproc
        self._agent: subprocess.Popen[bytes] | None = None
        # The first of these is what the rank 0 that was `told` has heard, or what the first one is to hear.
        self._asked: list[signal.Signals] = []
        self._told: ProcessIdentity | None = None

    def run(self, arguments: Sequence[str], restarts: int) -> int:
        before = self._listen()
        try:
            self._agent = subprocess.Popen(
                self._command(arguments, restarts),
                env=self._environment(),
                # Ctrl+C in the terminal shall reach this process and no other.
                start_new_session=sys.platform != "win32",
            )
            while self._agent.poll() is None:
                self._pass_on()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._agent.wait(_LOOK_S)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._status()

    def _command(self, arguments: Sequence[str], restarts: int) -> list[str]:
        quiet = ",".join(f"{rank}:3" for rank in range(1, self._nproc))
        return [
            *(sys.executable, "-P", "-m", "mypt.launch.agent", "--standalone"),
            *("--nproc-per-node", str(self._nproc), "--max-restarts", str(restarts)),
            # Rank 0 has the terminal; what the others say is kept for the case that one dies.
            *(["--redirects", quiet, "--log-dir", str(self._folder / "ranks")] if quiet else []),
            *("--no-python", "--", sys.executable, "-P", "-m", "mypt", *arguments),
        ]

    def _environment(self) -> dict[str, str]:
        threads = str(max(1, len(os.sched_getaffinity(0)) // self._nproc)) if _knows_cores() else "1"
        return {"OMP_NUM_THREADS": threads, **os.environ, RANKS_VARIABLE: str(self._folder)}

    # ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> dict[int, Any]:
        before: dict[int, Any] = {}
        for number in signals.NUMBERS.values():
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self._caught)
        return before

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._asked.append(signal.Signals(number))

    def _pass_on(self) -> None:
        """Hand on what was asked for to rank 0, once there is one; what it was asked for last, to each that follows it."""
        if not self._asked:
            return
        try:
            known = json.loads((self._folder / "pid-0").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        leader = ProcessIdentity.from_json(known)
        if leader is None or (leader == self._told and len(self._asked) == 1):
            return
        if leader == self._told:
            self._asked.pop(0)
        with contextlib.suppress(OSError):
            if leader.signal_if_same(self._asked[0]):
                self._told = leader

    # ── how it ended ────────────────────────────────────────────────────────────────────────────────────────────

    def _status(self) -> int:
        assert self._agent is not None
        failed = self._failed()
        with contextlib.suppress(OSError, ValueError):
            code = int((self._folder / "exit-0").read_text(encoding="utf-8"))
            if code or failed is None:
                # One that ended as rank 0 did, because of the same signal, has nothing to add.
                if failed is not None and failed[0] != 0 and failed[1] != code:
                    self._tell(failed)
                return code
        if failed is not None:
            # By a signal before it trained, or by a second one: it said so itself.
            if failed[0] == 0 and signals.name_of_status(failed[1]):
                return failed[1]
            raise RunError("\n".join(self._words(failed)))
        if self._agent.returncode == 0:
            return 0
        raise RunError(f"torchrun ended with status {self._agent.returncode} before a rank began to train")

    def _failed(self) -> tuple[int, int] | None:
        try:
            told = json.loads((self._folder / "failed.json").read_text(encoding="utf-8"))
            return int(told["rank"]), int(told["code"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _tell(self, failed: tuple[int, int]) -> None:
        for line in self._words(failed):
            print(f"mypt: {line}", file=sys.stderr)

    def _words(self, failed: tuple[int, int]) -> list[str]:
        """Which rank failed and how, and the last that it said."""
        rank, code = failed
        how = f"ended with status {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"was killed by {signal.Signals(-code).name}"
        said = [
            line
            for name in ("stdout.log", "stderr.log")
            for file in sorted(self._folder.glob(f"ranks/*/*/{rank}/{name}"))
            for line in last_lines(file)[-_LAST_LINES:]
        ]
        lines = [f"rank {rank} of {self._nproc} {how}" + (", and said last:" if said else "")]
        return lines + [f"  {printable(line, newline=False)}" for line in said]


def _knows_cores() -> bool:
    return hasattr(os, "sched_getaffinity")
