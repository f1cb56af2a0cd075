"""The other end of the pipe: starts the process that samples, hands requests over, and tells what it says. No torch."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from mypt.sampling.protocol import Asked, Told, read_report, to_line
from mypt.text import printable

# What a library says when it fails is in its last lines.
_LINES = 12
_LONGEST_LINE = 2000
# After its pipe has closed it ends by itself, unless it is stopped or swaps.
_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the process wrote to standard error, escaped: what a library has to say, or that a download begins."""

    line: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The process has ended. `sentence` says how, `lines` are the last that it wrote to standard error."""

    code: int | None
    sentence: str
    lines: tuple[str, ...] = ()


class SamplingProcess:
    """One process. `tell` gets every report, what is `Said` beside them, and `Gone` as the last, from other threads.

    Nothing here waits: requests are handed over by a thread. When this object's process ends in whatever way, the
    pipe closes, and so the process that samples ends.
    """

    def __init__(
        self, workspace: Path, tell: Callable[[Told | Said | Gone], object], *, python: str = sys.executable
    ) -> None:
        self._tell = tell
        self._requests: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_LINES)
        self._closing = False
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        self._process = subprocess.Popen(
            [python, "-P", "-m", "mypt.sampling", str(workspace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            creationflags=flags,
        )
        self._threads = [
            threading.Thread(target=body, name=f"mypt-sampling-{name}", daemon=True)
            for name, body in (
                ("requests", self._hand_over),
                ("stderr", self._listen),
                ("reports", self._read),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ask(self, request: Asked) -> None:
        """Hand a request over; one that the process does not live to see is forgotten."""
        self._requests.put(request)

    def close(self) -> None:
        """Let it end, and see to it that it does; does not wait."""
        self._closing = True
        self._requests.put(None)
        threading.Thread(target=self._see_it_end, name="mypt-sampling-end", daemon=True).start()

    def wait(self, seconds: float) -> int:
        """Its exit status, once it has one. Raises `subprocess.TimeoutExpired`."""
        return self._process.wait(seconds)

    def _hand_over(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):
            while (request := self._requests.get()) is not None:
                pipe.write(to_line(request))
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()

    def _listen(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while line := pipe.readline(_LONGEST_LINE):
            if text := line.decode("utf-8", "replace").rstrip():
                self._said.append(printable(text, newline=False))
                self._tell(Said(self._said[-1]))

    def _read(self) -> None:
        pipe: IO[bytes] | None = self._process.stdout
        assert pipe is not None
        for line in pipe:
            with contextlib.suppress(msgspec.DecodeError):
                self._tell(read_report(line))
        code = self._process.wait()
        # Its last words come by another pipe.
        self._threads[1].join(timeout=1.0)
        self._requests.put(None)
        self._tell(Gone(code, _how(code), tuple(self._said)))

    def _see_it_end(self) -> None:
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _how(code: int) -> str:
    if code >= 0:
        return f"it ended with status {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        memory = ", as the system does where memory ends" if name == "SIGKILL" else ""
        return f"it was killed by {name}{memory}"
    return f"it was killed by signal {-code}"


def _environment() -> dict[str, str]:
    """Ours, with the place where `mypt` lies, so that the same one is found from everywhere."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    root = str(Path(__file__).resolve().parents[2])
    if Path(root).name not in ("site-packages", "dist-packages"):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (root, known) if part)
    environment.pop("MYPT_RUN_DIR", None)
    return environment
