"""What a person should know of while a run goes on: loss spikes, broken eval sets, fp16 that gets nowhere; each told once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch

from mypt.text import loss
from mypt.training import spikes
from mypt.training.gold import Decision
from mypt.training.progress import Progress

# The first updates in fp16 look for their loss scale, and a few of them are skipped for it.
_MANY_SKIPPED = 8
# torchrun and SLURM kill 30 seconds after they asked to end. A stop saves once more, and a light copy of a sixth of that
# without the optimizer; before it comes to that, it ends the batch that it is at.
_GRACE_S, _AT_MOST_S = 30, 20.0


class Told(NamedTuple):
    """What to say, as `mypt.events.Notice` has it; `loss` is that of the update that it is about."""

    kind: str
    message: str
    loss: float | None = None


def of_update(progress: Progress, *, skipped: bool, scaler: torch.amp.GradScaler | None) -> list[Told]:
    """What the update that `progress` has come to is worth telling; what was noticed is kept in `progress`."""
    found = []
    progress.recent_loss, spike = spikes.follow(progress.recent_loss, progress.train_loss)
    if spike is not None:
        found.append(Told("loss_spike", str(spike), spike.loss))
    progress.skipped = progress.skipped + 1 if skipped else 0
    if progress.skipped == _MANY_SKIPPED and scaler is not None:
        what = f"the gradients of {_MANY_SKIPPED} updates in a row overflowed fp16, and these were skipped"
        found.append(Told("fp16_overflow", f"{what}; the loss scale is {scaler.get_scale():g}"))
    return found


def of_evaluation(progress: Progress, sets: Mapping[str, float | None]) -> list[Told]:
    """What the losses on the eval sets are worth telling: those that are no finite number any more."""
    broken = [name for name, value in sets.items() if value is not None and not math.isfinite(value)]
    found = [
        Told(
            "eval_set",
            f"the loss on eval set {name} is {sets[name]}; gold is decided without it",
        )
        for name in broken
        if name not in progress.broken_sets
    ]
    progress.broken_sets = tuple(broken)
    return found


def of_gold(previous: float | None, decision: Decision, val_loss: float) -> list[Told]:
    """That the first gold is no improvement on the `previous` evaluation: it is gold whatever its loss."""
    first = decision.accepted and decision.prev_best is None
    if not first or previous is None or val_loss <= previous:
        return []
    message = (
        f"the first gold's validation loss, {loss(val_loss)}, is above the {loss(previous)} of the evaluation "
        "before it: so far the training makes the model worse; where that goes on, lower learning_rate, or raise "
        "warmup_iters"
    )
    return [Told("gold_worse", message)]


def of_save(seconds: float, *, behind: bool = False) -> list[Told]:
    """What a checkpoint that took `seconds` to save is worth telling: that a stop may take longer than it is given.

    A stop saves it, and a light copy of a sixth; where checkpoints are saved `behind` the training, it may first have to wait
    for one.
    """
    stop_s = seconds * 7 / 6 + seconds * behind
    if stop_s <= _AT_MOST_S * 7 / 6:
        return []
    message = (
        f"saving took {seconds:.0f} s, so a stop needs about {stop_s:.0f} s and the batch that it is at; torchrun "
        f"and SLURM kill {_GRACE_S} s after SIGTERM: ask earlier (sbatch --signal), or save on a faster disk"
    )
    return [Told("slow_save", message)]
