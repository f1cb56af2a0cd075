"""A process that runs `mypt` in forked children, so that torch is imported once; `forked` asks it to.

Hears lines of JSON on the socket whose number is its argument: {"arguments": […], "cwd": …, "env": {…}}, each with the
descriptors of the child's output, of its errors, and of a pipe to tell its pid and then its exit status, a line each,
the latter as `Popen.returncode` has it. A child does what `python -m mypt` does from there on, down to how an
interpreter ends. All end when whoever asks is gone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
from typing import Any

import mypt


def load() -> None:
    """Import whatever a command may need."""
    for module in pkgutil.walk_packages(mypt.__path__, "mypt."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def become(asked: dict[str, Any], out: int, error: int) -> None:
    """Make this process what `python -m mypt` would be, with output and errors of its own."""
    for source, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (error, 2)):
        os.dup2(source, number)
        os.close(source)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    encoding, _, errors = os.environ["PYTHONIOENCODING"].partition(":")
    sys.stdin = os.fdopen(0, encoding=encoding, errors=errors or "strict")
    sys.stdout = os.fdopen(1, "w", encoding=encoding, errors=errors or "strict")
    sys.stderr = os.fdopen(2, "w", 1, encoding=encoding, errors="backslashreplace")
    sys.path[0] = asked["cwd"]
    sys.argv = ["mypt", *asked["arguments"]]


def watch(asked: dict[str, Any], out: int, error: int, told: int) -> None:
    """Fork the child and tell how it ended; returns in the child."""
    if pid := os.fork():
        os.close(out)
        os.close(error)
        os.write(told, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(told)
    become(asked, out, error)


def main() -> None:
    """Answer until nobody can ask any longer; returns in each child."""
    load()
    gc.freeze()
    asking = socket.socket(fileno=int(sys.argv[1]))
    while True:
        line, descriptors, _, _ = socket.recv_fds(asking, 1 << 16, 3)
        while line and not line.endswith(b"\n"):
            line += asking.recv(1 << 16)
        if not line:
            os.killpg(0, signal.SIGKILL)
        if os.fork() == 0:
            asking.close()
            watch(json.loads(line), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    main()
    runpy.run_module("mypt", run_name="__main__", alter_sys=True)
