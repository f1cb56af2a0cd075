"""Where a program's training shows: the workspace that its folders belong to, held and recorded as `mypt train` does."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mypt import bundle
from mypt.runs.attach import attach
from mypt.runs.directory import RunDirectory
from mypt.runs.lock import ModelLock
from mypt.settings.resolved import Resolved
from mypt.training.recorded import only_writer


class Held(NamedTuple):
    """What raises where another run has taken the model or the log meanwhile; None for what is nobody's to take."""

    model: Callable[[], None] | None = None
    log: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The workspace of a training; None where its files lie in no such thing. `model_name` is what lists call it."""

    workspace: Path | None
    model_name: str
    checkpoint: bool
    """Whether the training saves its model among the workspace's checkpoints."""
    log: Path | None

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Hold model and log against a second run. Raises `UserError` where there is one."""
        held = Held()
        with contextlib.ExitStack() as stack:
            if self.workspace is not None and self.checkpoint:
                lock = ModelLock(self.workspace, self.model_name)
                held = held._replace(model=stack.enter_context(lock.acquire(command=_command())).keep)
                bundle.repair(self.workspace / "checkpoints", self.model_name)
            if self.workspace is not None and self.log is not None:
                log = only_writer(self.workspace, self.log, str(self.log))
                held = held._replace(log=stack.enter_context(log).keep)
            yield held

    def record(self, run: Resolved, parameters: int) -> RunDirectory | None:
        """The record of this run; None where nobody could follow it: without a workspace, or without a log."""
        if self.workspace is None or self.log is None:
            return None
        return attach(self.workspace, self.model_name, self.log, _command(), run.summary(parameters))


def place_of(folder: Path | None, log_file: Path | None) -> Place:
    """Where a training shows that saves in `folder` and logs to `log_file`.

    A workspace is what has `checkpoints/<model>`, or else `logs/` with the log somewhere below.
    """
    log = None if log_file is None else log_file.resolve()
    if folder is not None:
        # Not the folder itself: it may be a link to another disk.
        parent = folder.absolute().parent.resolve()
        if parent.name == "checkpoints":
            return Place(parent.parent, folder.name, True, log)
    if log is not None:
        name = log.stem.removesuffix("_eval")
        root = next((above.parent for above in log.parents if above.name == "logs"), None)
        if root is not None and not bundle.check_model_name(name):
            return Place(root, name, False, log)
    return Place(None, "", False, log)


def _command() -> list[str]:
    # In one word: nobody shall take an argument of the program's for one of ours.
    return ["python", " ".join(sys.argv)]
