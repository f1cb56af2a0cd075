"""The batches of an update: drawn by its number alone, and brought onto the device."""

from __future__ import annotations

from typing import NamedTuple

import torch

from mypt.data.split import Batch, Split, key_of
from mypt.settings.fields import Settings


class DeviceBatch(NamedTuple):
    """Inputs and targets, int64 (B, T), the targets' loss mask, float32 (B, T) or None, and how many targets count."""

    x: torch.Tensor
    y: torch.Tensor
    mask: torch.Tensor | None
    valid: float


def on_device(batch: Batch, device: str) -> DeviceBatch:
    """`batch` as tensors on `device`."""

    def move(array: object) -> torch.Tensor:
        tensor = torch.as_tensor(array)
        if device.startswith("cuda"):
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor.to(device)

    # Counted before the move: asking a GPU for a sum would wait for all that it has still to do.
    valid = float(batch.y.size if batch.mask is None else batch.mask.sum())
    mask = None if batch.mask is None else move(batch.mask)
    return DeviceBatch(move(batch.x.copy()), move(batch.y.copy()), mask, valid)


def of_update(split: Split, settings: Settings, number: int, device: str) -> list[DeviceBatch]:
    """The micro-batches of update `number`, a function of the seed, the number and the data alone."""
    s = settings
    masked = s.use_loss_mask and split.has_masks
    places = split.places(s.grad_accum_steps * s.batch_size, s.block_size, key_of(s.seed, "train", number))
    return [
        on_device(split.gather(places[i : i + s.batch_size], s.block_size, masked=masked), device)
        for i in range(0, len(places), s.batch_size)
    ]
