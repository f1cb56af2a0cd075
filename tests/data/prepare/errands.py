"""Steps for worker processes, in a module that they can import."""

from __future__ import annotations

import os
import signal
import time

from mypt.errors import UserError


def double(setup: int, task: int) -> tuple[int, int]:
    if task == 3:
        time.sleep(0.05)  # later than those behind it
    return setup * task, os.getpid()


def refuse(_: None, task: str) -> None:
    raise UserError(f"{task} is wrong")


def stumble(_: None, task: int) -> float:
    return 1 / task


def chatter(_: None, task: int) -> int:
    print("a library says something", flush=True)
    os.write(1, b"in its own way")
    return task


def die(_: None, task: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def itself(task: int) -> int:
    return task
