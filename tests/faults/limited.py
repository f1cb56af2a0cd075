"""A process that runs `mypt` in forked children with a limit on their memory, so that torch is imported once.

Reads lines of JSON from standard input: {"arguments": […], "kind": "RLIMIT_AS", "room": bytes}. The child may have `room`
more bytes (of address space, or of data) than it has as it begins; without `kind` there is no limit. Answers with a line
{"status": …, "out": …, "err": …}: the exit status as `Popen.returncode` has it, and what was said.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import mypt.cli
import mypt.training.already
import mypt.training.run
import mypt.training.session

# What takes seconds to import, once for all children; optimizers ask for this one when they are built.
importlib.import_module("torch._dynamo")

_FIELDS = {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}
_PATIENCE_S = 120


def held(kind: str) -> int:
    """Bytes that this process has of what a limit of this kind counts."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(_FIELDS[kind] + ":"))
    return int(line.split()[1]) * 1024


def child(arguments: list[str], kind: str | None, room: int, out: int, err: int) -> int:
    """What happens in the child."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    # One that hangs is a fault as well: it is ended, by a signal.
    signal.alarm(_PATIENCE_S)
    if kind is not None:
        limit = held(kind) + room
        resource.setrlimit(getattr(resource, kind), (limit, limit))
    return mypt.cli.main(arguments)


def main() -> None:
    """Answer each line of standard input."""
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                code = 70
                try:
                    code = child(asked["arguments"], asked["kind"], asked["room"], out.fileno(), err.fileno())
                except BaseException:
                    # As Python itself ends: what is tested must not be hidden by who tests it.
                    import traceback

                    traceback.print_exc()
                    code = 1
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code)
            _, status = os.waitpid(pid, 0)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8", "replace"))
        answer = {"status": os.waitstatus_to_exitcode(status), "out": said[0], "err": said[1]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
