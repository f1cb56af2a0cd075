"""A process that does what it is asked, line by line, and the children that it does it in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.workbench import environment


class Asking:
    """A process that answers each line of JSON with one; its children end with it."""

    def __init__(self, *words: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=Path(__file__).parents[1],
            env=environment(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, **asked: Any) -> Any:
        """What it answers; it must."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "who was asked is gone; what it said stands above"
        return json.loads(answer)

    def close(self) -> None:
        """End it, and its children with it, whatever they are at."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def fork(do: Callable[[], int]) -> int:
    """The pid of a child that does this and ends with what it returns, or with 70."""
    # What waits in our own buffers is not the child's to say.
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = do()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return pid
