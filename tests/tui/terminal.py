"""A real terminal for tests: a program on a pseudo-terminal, and the screen that it has painted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyte


class Terminal:
    """`mypt-tui` in a terminal of `columns` × `rows`. Keys are bytes, the screen is text."""

    def __init__(
        self,
        workspace: Path,
        *arguments: str,
        columns: int = 120,
        rows: int = 36,
        program: Sequence[str] = (sys.executable, "-m", "tui.cli"),
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        """Everything that the program has sent."""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(workspace)
            environment = dict(os.environ, TERM="xterm-256color", OMP_NUM_THREADS="1")
            os.execvpe(program[0], [*program, *arguments], environment)
        # Another one that is opened later shall not hold this one open.
        os.set_inheritable(self.fd, False)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.screen.display)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def wait_for(self, what: str | Callable[[str], bool], seconds: float = 60.0) -> str:
        """Read until the screen shows `what`; fails with the screen as it is then."""
        holds = what if callable(what) else lambda text: what in text
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if holds(self.text):
                return self.text
            self._read(min(0.2, deadline - time.monotonic()))
        raise AssertionError(f"not on the screen within {seconds} s: {what}\n{self.text}")

    def hang_up(self) -> None:
        """Close the terminal under the program, as a lost connection does."""
        self.close_terminal()
        self._reap()

    def close_terminal(self) -> None:
        """Close the terminal and leave the program to notice."""
        os.close(self.fd)
        self.fd = -1

    def kill(self) -> None:
        """SIGKILL to the program."""
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def exit_status(self, seconds: float = 60.0) -> int:
        """How the program ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            self._read(0.05)
        raise AssertionError(f"still there after {seconds} s\n{self.text}")

    def close(self) -> None:
        """End whatever is left."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._reap()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _reap(self) -> None:
        if self.pid:
            os.waitpid(self.pid, 0)
            self.pid = 0

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        if ready:
            with contextlib.suppress(OSError):
                sent = os.read(self.fd, 1 << 16)
                self.raw += sent
                self._stream.feed(sent)


@contextlib.contextmanager
def terminal(
    workspace: Path,
    *arguments: str,
    columns: int = 120,
    rows: int = 36,
    program: Sequence[str] = (sys.executable, "-m", "tui.cli"),
) -> Iterator[Terminal]:
    """A `Terminal` that is gone afterwards."""
    opened = Terminal(workspace, *arguments, columns=columns, rows=rows, program=program)
    try:
        yield opened
    finally:
        opened.close()
