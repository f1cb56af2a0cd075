"""The loss on fixed batches, dropout off, from generators of its own, so that training never notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from mypt.data.split import Batch, Split, key_of
from mypt.model import GPT
from mypt.settings.fields import Settings
from mypt.training.numerics import Numerics


def tensors(batch: Batch, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A batch on the device: inputs and targets int64 (B, T), mask float32 (B, T) or None."""

    def move(array: object) -> torch.Tensor:
        tensor = torch.as_tensor(array)
        if device.startswith("cuda"):
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor.to(device)

    return move(batch.x.copy()), move(batch.y.copy()), None if batch.mask is None else move(batch.mask)


@torch.no_grad()
def split_loss(
    model: GPT,
    forward: Callable[..., Any],
    split: Split,
    settings: Settings,
    numerics: Numerics,
    *,
    name: str,
    sequences: int,
    stop: Callable[[], bool],
) -> float | None:
    """Mean loss over all valid tokens of `sequences` sequences of `split`; the same ones at every call.

    None when `stop` says, between two batches, that there is no time. nan where no token is valid.
    """
    masked = settings.use_loss_mask and split.has_masks
    places = split.places(
        sequences,
        settings.block_size,
        key_of(settings.eval_seed, "eval", name),
    )
    was_training = model.training
    model.eval()
    total, valid = 0.0, 0.0
    try:
        for first in range(0, len(places), settings.batch_size):
            if stop():
                return None
            batch = split.gather(
                places[first : first + settings.batch_size], settings.block_size, masked=masked
            )
            x, y, mask = tensors(batch, numerics.device)
            with numerics.autocast():
                _, loss = forward(x, y, mask)
            number = float(mask.sum()) if mask is not None else y.numel()
            total += float(loss) * number
            valid += number
    finally:
        model.train(was_training)
    return total / valid if valid else float("nan")
