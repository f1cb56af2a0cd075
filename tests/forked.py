"""`mypt` in real processes that need not load torch: children of one that has it (see `forking`)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

FORKS = sys.platform == "linux"
"""Whether a process that has torch can be forked; on macOS its libraries forbid it, Windows has no fork."""


class Forked:
    """A running child; its methods are those of `subprocess.Popen`."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, env: dict[str, str], *, stderr: int = subprocess.STDOUT
    ) -> None:
        self._out = _file()
        self._error = None if stderr == subprocess.STDOUT else _file()
        told, tell = os.pipe()
        self._told = os.fdopen(told, "rb", buffering=0)
        asked = json.dumps({"arguments": list(arguments), "cwd": str(cwd), "env": env}) + "\n"
        files = [self._out.fileno(), (self._error or self._out).fileno(), tell]
        message = asked.encode()
        sent = socket.send_fds(_server(), [message], files)
        _server().sendall(message[sent:])
        os.close(tell)
        self.returncode: int | Any = None
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("mypt", timeout or 0)
            self.returncode = int(self._told.readline())
        return int(self.returncode)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; everything that it said, and its errors where they are apart."""
        self.wait(timeout)
        return _read(self._out), _read(self._error)

    def send_signal(self, number: int) -> None:
        """Send a signal to it while it is there."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _file() -> IO[bytes]:
    return os.fdopen(os.memfd_create("output"), "w+b")


def _read(file: IO[bytes] | None) -> str:
    if file is None:
        return ""
    file.seek(0)
    return file.read().decode()


@cache
def _server() -> socket.socket:
    """The way to ask the process that forks; it ends with this one, which has its other end."""
    ours, its = socket.socketpair()
    program = [sys.executable, str(Path(__file__).with_name("forking.py")), str(its.fileno())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.Popen(
        program, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()], start_new_session=True, env=environment
    )
    its.close()
    return ours
