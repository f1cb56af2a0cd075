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
# A spike is over well below the line that it began at, or a loss that stays about there would be many.
_OVER = 0.5


@dataclass(frozen=True, slots=True)
class RecentLoss:
    """The losses of the last `WINDOW` updates that were no part of a spike, and for how many updates one has lasted.

    While a spike lasts, what it is measured by stays as it was. One that lasts for a whole window is the level of
    the loss from then on, which is measured anew.
    """

    losses: tuple[float, ...] = ()
    above: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for `training_state.json`."""
        return {"losses": list(self.losses), "above": self.above}

    @classmethod
    def from_json(cls, value: object) -> RecentLoss:
        """What was saved; nothing where there is none or it cannot be read."""
        if not isinstance(value, Mapping) or not isinstance(losses := value.get("losses"), list):
            return cls()
        if not all(_is_loss(loss) for loss in losses):
            return cls()
        above = value.get("above")
        return cls(
            tuple(map(float, losses[-WINDOW:])), above if isinstance(above, int) and 0 < above < WINDOW else 0
        )


@dataclass(frozen=True, slots=True)
class Spike:
    """A `loss` far above the `mean` of the `updates` before it."""

    loss: float
    mean: float
    updates: int

    def __str__(self) -> str:
        return (
            f"the training loss jumped to {self.loss:.4f}; over the {self.updates} updates before it was "
            f"{self.mean:.4f} on average"
        )


def follow(recent: RecentLoss, loss: float | None) -> tuple[RecentLoss, Spike | None]:
    """The state after an update with this loss, and the spike that begins with it, if one does.

    A loss above the mean by more than eight times the spread (standard deviation), a fifth of the mean and 0.05 is
    one. What was not measured (None) or is no number says nothing.
    """
    if loss is None or not math.isfinite(loss):
        return recent, None
    losses = recent.losses
    if len(losses) >= _FEWEST:
        mean = sum(losses) / len(losses)
        share = max(_SHARE * mean, _LEAST)
        # Most losses are no more than usual, and then nobody asks how they scatter.
        if loss > mean + (share * _OVER if recent.above else share):
            margin = max(share, _SPREADS * _spread(losses, mean))
            if recent.above:
                if loss > mean + _OVER * margin:
                    above = recent.above + 1
                    return (RecentLoss() if above >= WINDOW else RecentLoss(losses, above)), None
            elif loss > mean + margin:
                return RecentLoss(losses, 1), Spike(loss, mean, len(losses))
    return RecentLoss((*losses[1 - WINDOW :], loss)), None


def _spread(losses: tuple[float, ...], mean: float) -> float:
    return math.sqrt(sum((loss - mean) ** 2 for loss in losses) / len(losses))


def _is_loss(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
