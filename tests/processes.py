"""Waiting for other processes, and asking about them while they come and go."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

import psutil


def wait_until(holds: Callable[[], object], seconds: float = 90.0, what: str = "") -> None:
    """Wait until something is true; what never comes is named."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s not true: {what or inspect.getsource(holds).strip()}")
        time.sleep(0.01)


def is_gone(process: int | psutil.Process) -> bool:
    """Whether a process does nothing any more; where nobody reaps orphans they stay as zombies."""
    try:
        known = psutil.Process(process) if isinstance(process, int) else process
        return not known.is_running() or known.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children_of(parent: int, holds: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """The living processes below `parent` for which something is true; one that ends while it is asked is none."""
    found: list[psutil.Process] = []
    for child in psutil.Process(parent).children(recursive=True):
        try:
            if holds(child):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
