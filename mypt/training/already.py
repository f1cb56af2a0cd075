"""A run that has nothing left to do: it says so and how to go on, and makes up for what a kill kept from the end."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from mypt import bundle
from mypt.disk import remedy
from mypt.errors import RunError
from mypt.events import (
    AnyEvent,
    BadLineError,
    LogWriter,
    TrainingComplete,
    TrainingStopped,
    Unknown,
    decode,
)
from mypt.settings.fields import Settings
from mypt.training import lines
from mypt.training.build import Built
from mypt.training.console import Console
from mypt.training.keeper import BundleKeeper
from mypt.training.progress import Progress

# The last line is looked for here; an event of ours is far shorter.
_LAST_BYTES = 1 << 20


def is_done(progress: Progress, settings: Settings) -> bool:
    """Whether nothing is left: a stop may have come after the last update, before its evaluation or its sample."""
    total = settings.max_iters
    if progress.iter != total:
        return progress.iter > total
    return progress.last_eval == total and (settings.sample_interval == 0 or progress.last_sample == total)


def going_on(built: Built) -> str:
    """The command that goes on where a run is done."""
    return (
        f"mypt train --model_name {shlex.quote(built.run.model_name)} --max_iters {2 * built.progress.iter}"
    )


def say_so(built: Built, console: Console, command: str) -> None:
    """That the run is done, and the `command` that goes on from there."""
    name, step, asked = built.run.model_name, built.progress.iter, built.run.values["max_iters"]
    if step > asked.value:
        said = f"{step} updates are done, and max_iters is {asked.value} ({asked.source})"
    else:
        said = f"{step} of {asked.value} updates are done"
    console.line(f"{name} is already trained: {said}.", "strong")
    console.line(f"  To go on: {command}")


def make_up(built: Built, console: Console) -> None:
    """Write the light copy and the log's closing line, where a kill or a full disk came before them.

    Raises `RunError` where the disk will not take them now either.
    """
    info, progress = built.run.checkpoint, built.progress
    if info is None or info.kind is not bundle.Kind.LAST or "progress" not in info.training_state:
        return
    keeper = BundleKeeper(built)
    light = bundle.read_info(keeper.folder(bundle.Kind.FP16))
    if light.problem or light.step != progress.iter:
        built.join(console)
        keeper.fp16(progress)
        console.line(f"  checkpoints/{light.name} was not there for step {progress.iter}, and is now")
    path = built.run.log_path
    last = last_event(path) if progress.iter == built.run.settings.max_iters else None
    # What was cut off at its very end, and lacks nothing any longer.
    cut = isinstance(last, TrainingStopped) and last.reason in ("error", "signal")
    if last is not None and (cut or not isinstance(last, TrainingComplete | TrainingStopped)):
        try:
            with LogWriter(path) as log:
                log.write(lines.complete_event(built))
                log.sync()
        except OSError as error:
            what = f"{error.strerror or error}; {remedy(error)}"
            raise RunError(f"{built.run.settings.log_file}: {what}") from error
        console.line(f"  {built.run.settings.log_file} lacked the line of its end, and has it now")


def last_event(path: Path) -> AnyEvent | None:
    """The last event of a log that is of a known kind; None where there is no such log, or no such event at its end."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LAST_BYTES, 0))
            tail = file.read().split(b"\n")
    except OSError:
        return None
    for line in reversed(tail):
        try:
            event = decode(line)
        except BadLineError:
            continue
        if event is not None and not isinstance(event, Unknown):
            return event
    return None
