"""A process that runs `mypt` in forked children with a limit on their memory, so that torch is imported once.

Reads lines of JSON from standard input: {"arguments": […], "kind": "RLIMIT_AS", "room": bytes}. The child may have `room`
more bytes (of address space, or of data) than it has as it begins; without `kind` there is no limit. Answers with a line
{"status": …, "err": …}: the exit status as `Popen.returncode` has it, and what was said on standard error.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path

import mypt.cli
import mypt.training.already
import mypt.training.run
import mypt.training.session
from tests.asking import fork

_FIELDS = {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}
_PATIENCE_S = 120


def held(kind: str) -> int:
    """Bytes that this process has of what a limit of this kind counts."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(_FIELDS[kind] + ":"))
    return int(line.split()[1]) * 1024


def child(arguments: list[str], kind: str | None, room: int, err: int) -> int:
    """What happens in the child."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(err, 2)
    # One that hangs is a fault as well: it is ended, by a signal.
    signal.alarm(_PATIENCE_S)
    if kind is not None:
        limit = held(kind) + room
        resource.setrlimit(getattr(resource, kind), (limit, limit))
    try:
        return mypt.cli.main(arguments)
    except BaseException:
        # As Python itself ends: what is tested must not be hidden by who tests it.
        traceback.print_exc()
        return 1


def main() -> None:
    """Answer each line of standard input."""
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as err:
            pid = fork(partial(child, asked["arguments"], asked["kind"], asked["room"], err.fileno()))
            _, status = os.waitpid(pid, 0)
            err.seek(0)
            said = err.read().decode("utf-8", "replace")
        answer = {"status": os.waitstatus_to_exitcode(status), "err": said}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
