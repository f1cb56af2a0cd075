"""Whether the loss of an update stands far above those before it. Pure: a small state, saved with the checkpoint, decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WINDOW = 50
"""So many updates are what the next one is measured by."""
# Before there are so many, nobody can say what is usual.
_FEWEST = 10
# Losses of single batches scatter with long tails, and so far out of so few nearly none lies by chance; a share of the
# mean beside it, since the losses of a run that repeats itself hardly scatter at all.
_SPREADS = 8.0
_SHARE = 0.2
# What a text that is known by heart costs now and then alarms nobody.
_LEAST = 0.05
_MOST_DOUBLED = 20


@dataclass(frozen=True, slots=True)
class RecentLoss:
    """The losses of the last `WINDOW` updates, how many spikes were `told`, and for how many updates none is (`quiet`).

    After each one it is quiet for twice as long as after the one before, since data whose losses jump all the time need
    be told of a few times, and not for days.
    """

    losses: tuple[float, ...] = ()
    quiet: int = 0
    told: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for `training_state.json`."""
        return {"losses": list(self.losses), "quiet": self.quiet, "told": self.told}

    @classmethod
    def from_json(cls, value: object) -> RecentLoss:
        """What was saved; nothing where there is none or it cannot be read."""
        if not isinstance(value, Mapping) or not isinstance(losses := value.get("losses"), list):
            return cls()
        if not all(map(_is_loss, losses)):
            return cls()
        return cls(tuple(map(float, losses[-WINDOW:])), _count(value.get("quiet")), _count(value.get("told")))


@dataclass(frozen=True, slots=True)
class Spike:
    """A `loss` far above the `mean` of the `updates` before it."""

    loss: float
    mean: float
    updates: int

    def __str__(self) -> str:
        return f"batch loss jumped to {self.loss:.4f} from {self.mean:.4f} (mean of {self.updates})"


def follow(recent: RecentLoss, loss: float | None) -> tuple[RecentLoss, Spike | None]:
    """The state after an update with this loss, and the spike to tell of, if it is one.

    A loss above the mean by more than eight times the spread (standard deviation), a fifth of the mean and 0.05 is
    one. What was not measured (None) or is no number says nothing.
    """
    if loss is None or not math.isfinite(loss):
        return recent, None
    losses, quiet, told = recent.losses, max(recent.quiet - 1, 0), recent.told
    spike = None
    if len(losses) >= _FEWEST and not quiet:
        mean = sum(losses) / len(losses)
        share = max(_SHARE * mean, _LEAST)
        # Most losses are no more than usual, and then nobody asks how they scatter.
        if loss > mean + share and loss > mean + _SPREADS * _spread(losses, mean):
            spike = Spike(loss, mean, len(losses))
            quiet, told = WINDOW << min(told, _MOST_DOUBLED), told + 1
    return RecentLoss((*losses[1 - WINDOW :], loss), quiet, told), spike


def _spread(losses: tuple[float, ...], mean: float) -> float:
    # Not by squares, which overflow long before the losses do.
    return math.dist(losses, (mean,) * len(losses)) / math.sqrt(len(losses))


def _is_loss(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
