"""A process that runs `mypt` in forked children, so that torch is imported once, and lets faults befall them.

Reads lines of JSON from standard input (see `striker`, which is the asker's end). A child counts the calls of MyPT's own
functions (its steps) and its file operations in the workspace, and what is to happen at one of them happens there and then.
Answers with a line {"status": …, "output": …, "steps": […], "operations": […], "seconds": …}.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import mypt.cli
import mypt.training.already
import mypt.training.run
import mypt.training.session
from tests.asking import fork
from tests.faults.striker import FILLER, fill
from tests.training.killed import operation

OURS = str(Path(mypt.__file__).parent) + os.sep
# `failing.c` is in it where the asker could compile that.
LIBC = ctypes.CDLL(None)


class Child:
    """What happens in a child: the command, watched and struck."""

    def __init__(self, asked: dict[str, Any], answer: int) -> None:
        self.asked, self.answer = asked, answer
        self.workspace: str = asked["workspace"]
        self.steps = 0
        self.operations = itertools.count(1)
        self.names: dict[str, int] = {}
        self.within = threading.local()

    def run(self) -> int:
        """The command from its first step to its exit status."""
        if self.asked["limit"] is not None:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.asked["limit"], hard))
        if self.asked["humble"]:
            give_up_rights()
        # As `python -m mypt` does before it imports the rest.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.argv = ["mypt", "--workspace", self.workspace, *self.asked["arguments"]]
        if self.asked["writes"] is not None:
            first, last = self.asked["writes"]
            LIBC.mypt_fail(self.workspace.encode(), first, last, self.asked["errno"])
        sys.addaudithook(self.watch)
        if self.asked["record"] or self.asked["signals"]:
            sys.setprofile(self.step)
        try:
            return mypt.cli.main()
        except BaseException:
            # As the interpreter would end: what is told by its traceback must be seen.
            traceback.print_exc()
            return 1
        finally:
            sys.setprofile(None)
            if self.asked["writes"] is not None:
                self.tell(writes=LIBC.mypt_done())
                LIBC.mypt_fail(b"", 0, 0, 0)

    def tell(self, **what: Any) -> None:
        """A line for the asker."""
        os.write(self.answer, json.dumps(what).encode() + b"\n")

    def step(self, frame: FrameType, event: str, _: Any) -> None:
        """Before each call of a function of MyPT's own."""
        if event != "call" or not frame.f_code.co_filename.startswith(OURS):
            return
        self.steps += 1
        if self.asked["record"]:
            name = f"{frame.f_code.co_filename.removeprefix(OURS)} {frame.f_code.co_qualname}"
            self.tell(step=name)
        signals = self.asked["signals"]
        while signals and self.steps >= signals[0][0]:
            _, number, wait = signals.pop(0)
            time.sleep(wait)
            self.tell(struck=time.monotonic())
            os.kill(os.getpid(), number)

    @contextlib.contextmanager
    def unwatched(self) -> Iterator[None]:
        """What this thread does meanwhile is the fault, and not what is struck."""
        self.within.so = True
        try:
            yield
        finally:
            del self.within.so

    def watch(self, event: str, values: tuple[Any, ...]) -> None:
        """Before each file operation in the workspace."""
        path = None if getattr(self.within, "so", False) else operation(event, values)
        if path is None or not path.startswith(self.workspace):
            return
        # Of two threads that are at it at once, each has a number of its own, and none is passed over.
        number = next(self.operations)
        self.tell(operation=f"{event} {Path(path).relative_to(self.workspace)}")
        if number == self.asked["fill_at"]:
            with self.unwatched():
                fill(Path(self.workspace) / FILLER, self.asked["spare"])
        if number == self.asked["do_at"]:
            with self.unwatched():
                exec(self.asked["do"], {"workspace": Path(self.workspace)})
        # Whoever removes a folder whatever comes of it would be told of that all the same.
        if number in self.asked["fail_at"] and event != "shutil.rmtree":
            raise OSError(self.asked["errno"], os.strerror(self.asked["errno"]), path)


def child(asked: dict[str, Any], asker: int, answer: int) -> int:
    """What happens in a child, from its first line."""
    os.close(asker)
    output = os.open(asked["output"], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    return Child(asked, answer).run()


def give_up_rights() -> None:
    """Let root be a user like others, to whom permissions apply (Linux; see capset(2))."""
    version, none = 0x20080522, (ctypes.c_uint32 * 6)()
    header = (ctypes.c_uint32 * 2)(version, 0)
    if LIBC.capset(header, none) != 0:
        raise OSError("rights could not be given up")


def main() -> None:
    """Answer each line of standard input."""
    # Signals that a test runner ignores would stay ignored in what it starts.
    for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    for line in sys.stdin:
        asked = json.loads(line)
        read, write = os.pipe()
        pid = fork(partial(child, asked, read, write))
        os.close(write)
        steps, operations, struck, writes = [], [], [], 0
        with os.fdopen(read) as heard:
            for told in map(json.loads, heard):
                steps += [told["step"]] if "step" in told else []
                operations += [told["operation"]] if "operation" in told else []
                writes = told.get("writes", writes)
                struck += [told["struck"]] if "struck" in told else []
        _, status = os.waitpid(pid, 0)
        answer = {
            "status": os.waitstatus_to_exitcode(status),
            "output": Path(asked["output"]).read_text(errors="replace"),
            "steps": steps,
            "operations": operations,
            "writes": writes,
            "seconds": time.monotonic() - struck[0] if struck else None,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
