"""A process that runs `mypt` in forked children, so that torch is imported once, and has them killed where it hurts.

Reads lines of JSON from standard input: {"arguments": […], "kill_at": n, "later_s": t}. The child is killed by SIGKILL
right before its n-th file operation in the workspace (a file opened for writing, a folder made, renamed or removed), or
`later_s` seconds after that was begun, whatever it is at then; it runs to its end where n is 0. Answers with a line {"status": …, "operations": […]}: the exit status as `Popen.returncode` has
it, and what was done.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import mypt.cli
import mypt.interop.importing
import mypt.training.already
import mypt.training.run
import mypt.training.session
from tests.asking import fork

_CHANGES = {"os.mkdir": 0, "os.rename": 0, "os.remove": 0, "os.rmdir": 0, "shutil.rmtree": 0}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


def operation(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The path that an audited event changes; None for all other events."""
    if event == "open":
        path, mode, flags = arguments
        writes = flags & _WRITING if mode is None else set(mode) & set("wax+")
        return os.fsdecode(path) if writes and isinstance(path, str | bytes | os.PathLike) else None
    return os.fsdecode(arguments[0]) if event in _CHANGES else None


def child(arguments: list[str], kill_at: int, asker: int, answer: int) -> int:
    """What happens in the child: the command, watched, and killed right before its operation `kill_at`."""
    os.close(asker)
    workspace = arguments[arguments.index("--workspace") + 1]
    numbers = itertools.count(1)

    def watch(event: str, values: tuple[Any, ...]) -> None:
        path = operation(event, values)
        if path is None or not path.startswith(workspace):
            return
        # Two threads write at once now and then: each operation has a number that no other has.
        number = next(numbers)
        os.write(answer, f"{event} {Path(path).relative_to(workspace)}\n".encode())
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return mypt.cli.main(arguments)


def main() -> None:
    """Answer each line of standard input."""
    for line in sys.stdin:
        asked = json.loads(line)
        later = asked["later_s"]
        read, write = os.pipe()
        pid = fork(partial(child, asked["arguments"], 0 if later else asked["kill_at"], read, write))
        os.close(write)
        with os.fdopen(read) as heard:
            operations = []
            for told in heard:
                operations.append(told.rstrip("\n"))
                if later and len(operations) == asked["kill_at"]:
                    time.sleep(later)
                    os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"status": code, "operations": operations}), flush=True)


if __name__ == "__main__":
    main()
