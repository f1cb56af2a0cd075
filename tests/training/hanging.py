"""`mypt` with a disk that hangs: `hanging.py write|read|look ARGUMENT ...`.

Hung is the second write of `model.pt` and every one after it; or whatever reads the batches from update 6 on; or, with
`look`, the evaluation after the first updates.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from mypt.cli import main
from mypt.data.split import Batch, Split
from mypt.settings.fields import Settings
from mypt.training import batches, checkpointing, prefetch

_NEVER = threading.Event()
_write, _draw = checkpointing._write, batches.draw
_written = 0


def write(content: object, file: Path) -> None:
    """The first half of a large file, and then nothing."""
    global _written
    _written += file.name == "model.pt"
    _write(content, file)
    if _written > 1:
        print("the disk hangs", flush=True)
        _NEVER.wait()


def draw(split: Split, settings: Settings, number: int, share: slice) -> list[Batch]:
    """The batches of the first updates."""
    if number > 5:
        print("the disk hangs", flush=True)
        _NEVER.wait()
    return _draw(split, settings, number, share)


def gather(split: Split, *arguments: Any, **named: Any) -> Batch:
    """A sequence for whoever reads ahead; for evaluations after the first, nothing."""
    if threading.current_thread() is threading.main_thread() and _drawn:
        print("the disk hangs", flush=True)
        _NEVER.wait()
    return _gather(split, *arguments, **named)


def noting(split: Split, settings: Settings, number: int, share: slice) -> list[Batch]:
    """The batches of an update, after which evaluations hang."""
    _drawn.append(number)
    return _draw(split, settings, number, share)


_drawn: list[int] = []
_gather = Split.gather

if __name__ == "__main__":
    replaced: Any = {
        "write": [(checkpointing, "_write", write)],
        "read": [(prefetch, "draw", draw)],
        "look": [(prefetch, "draw", noting), (Split, "gather", gather)],
    }
    for what in replaced[sys.argv[1]]:
        setattr(*what)
    sys.exit(main(sys.argv[2:]))
