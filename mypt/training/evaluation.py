"""The loss on fixed batches, dropout off, from generators of its own, so that training never notices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mypt.data.split import Split, key_of
from mypt.training.batches import DeviceBatch, check_whole, on_device
from mypt.training.engine import Engine


class Measured(NamedTuple):
    """Mean loss over all `valid` tokens that were looked at; nan where none was. `scores` are a `Scorer`'s."""

    loss: float
    valid: float
    scores: Mapping[str, float] | None = None

    @property
    def broken(self) -> bool:
        """Whether there was a loss to measure, and it is no number."""
        return self.valid > 0 and not math.isfinite(self.loss)


class Scorer(Protocol):
    """What is measured beside the loss."""

    def see(self, given: Tensor, batch: DeviceBatch) -> None:
        """Take in what the model gave for a batch."""

    def scores(self) -> dict[str, float]:
        """What all batches together are worth, by name."""


def evaluate(
    engine: Engine,
    splits: Mapping[str, Split],
    *,
    sequences: int,
    stop: Callable[[], bool],
    scorer: Callable[[], Scorer] | None = None,
) -> dict[str, Measured] | None:
    """The loss of each split, on `sequences` sequences of it; None where `stop` said that there is no time.

    A `scorer` is made anew for the split "val".
    """
    losses: dict[str, Measured] = {}
    for name, split in splits.items():
        own = scorer() if scorer and name == "val" else None
        loss = split_loss(engine, split, name=name, sequences=sequences, stop=stop, scorer=own)
        if loss is None:
            return None
        losses[name] = loss
    return losses


@torch.no_grad()
def split_loss(
    engine: Engine,
    split: Split,
    *,
    name: str,
    sequences: int,
    stop: Callable[[], bool],
    scorer: Scorer | None = None,
) -> Measured | None:
    """The loss on `sequences` sequences of `split`, the same ones at every call.

    None when `stop` says, between two batches, that there is no time.
    """
    s, model, ranks, together = engine.settings, engine.model, engine.ranks, engine.layout.in_parts
    check_whole(split)
    masked = s.use_loss_mask and split.has_masks
    places = split.places(sequences, s.block_size, key_of(s.eval_seed, "eval", name))
    was_training = model.training
    model.eval()
    total, valid, stopped = 0.0, 0.0, False
    try:
        # The ranks take turns, each a batch as one process has them.
        batches = range(0, len(places), s.batch_size)
        for turn in range(0, len(batches), ranks.world):
            stopped = ranks.any(stop()) if together else stop()
            own = turn + ranks.rank < len(batches)
            # Weights come together only where all compute at once: the last turn is everybody's.
            if stopped or not (own or together):
                break
            first = batches[turn + ranks.rank if own else turn]
            drawn = split.gather(places[first : first + s.batch_size], s.block_size, masked=masked)
            batch = on_device(drawn, engine.numerics.device)
            given, loss = engine.outputs(batch)
            if not own:
                break
            if scorer is not None:
                scorer.see(given, batch)
            # As the loss divides: by one at least.
            total += float(loss) * max(batch.valid, 1.0)
            valid += batch.valid
    finally:
        model.train(was_training)
        engine.layout.rest(model)
    total, valid, stops = ranks.sum(total, valid, stopped)
    if stops:
        return None
    return Measured(total / valid if valid else math.nan, valid, scorer.scores() if scorer else None)
