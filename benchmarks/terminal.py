"""A program in a pseudo-terminal, with the moment at which it writes something."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Terminal:
    """Runs a command in a terminal of its own; `until` reads what it writes until some bytes appear."""

    def __init__(self, argv: list[str], cwd: Path, size: tuple[int, int] = (120, 36)) -> None:
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.environ.update(
                TERM="xterm-256color", COLORTERM="truecolor", MYPT_CONFIG_DIR=str(cwd / ".prefs")
            )
            os.execv(argv[0], argv)
        columns, rows = size
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.output = b""

    def read(self, seconds: float) -> bytes:
        """What comes within that time; returns with the first piece."""
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        if not ready:
            return b""
        try:
            piece = os.read(self.fd, 1 << 16)
        except OSError:
            return b""
        self.output = (self.output + piece)[-(1 << 20) :]
        return piece

    def until(self, wanted: bytes, seconds: float = 20.0) -> float:
        """Seconds until `wanted` was written, from now; raises TimeoutError."""
        began, seen = time.perf_counter(), b""
        while time.perf_counter() - began < seconds:
            seen += self.read(seconds - (time.perf_counter() - began))
            if wanted in seen:
                return time.perf_counter() - began
        raise TimeoutError(f"{wanted!r} did not appear within {seconds} s")

    def drain(self, seconds: float) -> None:
        """Read for that long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def press(self, key: bytes) -> None:
        """Type it."""
        os.write(self.fd, key)

    def cpu_s(self) -> float:
        """Seconds of CPU that the program has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self) -> float:
        """Seconds from the start to the end of the program."""
        while True:
            done, _ = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = 0
                return time.perf_counter() - self.started
            self.read(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
