"""Whom the training loop has to do with: who is told what happens, who saves, and how it may end."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from mypt import events
from mypt.training.gold import Decision
from mypt.training.progress import Progress


class Reporter(Protocol):
    """Who is told what happens: the log, the console, or nobody."""

    def train(self, event: events.Train) -> None:
        """An update that the log should have."""

    def evaluation(self, event: events.Eval) -> None:
        """An evaluation."""

    def gold(self, decision: Decision, step: int, val_loss: float, train_loss: float | None) -> None:
        """A gold checkpoint was saved, or blocked; of one that was saved any thread may tell."""

    def phase(self, event: events.PhaseSwitch) -> None:
        """The next phase begins."""

    def notice(self, event: events.Notice) -> None:
        """Something that a person should know of."""

    def sample(self, step: int) -> bool:
        """It is time for a sample; False where a stop cut it short."""

    def progress(self, made: Progress, tokens_per_sec: float | None) -> None:
        """An update was made; the speed is None until it is known."""

    def stopping(self, step: int, why: str) -> None:
        """The run ends before its time, and is going to be saved."""


class Keeper(Protocol):
    """Who saves checkpoints."""

    #: Seconds that writing the last checkpoint took, whether training waited for it or not.
    took_s: float

    @property
    def behind(self) -> bool:
        """Whether the training goes on while a checkpoint is written."""

    def last(self, progress: Progress) -> None:
        """Save the checkpoint that resuming begins from."""

    def gold(self, progress: Progress, then: Callable[[], None]) -> None:
        """Save the best checkpoint, and do what comes `then` once it is there."""

    def check(self) -> None:
        """Raises what went wrong with a checkpoint that is saved while training goes on."""


class End(StrEnum):
    """How the loop ended."""

    COMPLETE = "complete"
    SIGNAL = "signal"
    REQUEST = "request"
