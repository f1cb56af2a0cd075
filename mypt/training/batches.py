"""The batches of an update: drawn by its number alone, and brought onto the device."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mypt.data.split import Batch, Split
from mypt.errors import RunError
from mypt.settings.fields import Settings


class DeviceBatch(NamedTuple):
    """Inputs `x` and targets `y`, int64 (B, T); `valid` is how many targets count.

    `mask`, float32 (B, T), weighs the targets, and `segments`, int64 (B, T), part the inputs; both may be None.
    """

    x: torch.Tensor
    y: torch.Tensor
    mask: torch.Tensor | None
    segments: torch.Tensor | None
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
    segments = None if batch.segments is None else move(batch.segments)
    return DeviceBatch(move(batch.x.copy()), move(batch.y.copy()), mask, segments, valid)


def check_whole(split: Split) -> None:
    """Raises `RunError` where a file of `split` has been cut short since it was opened.

    Reading a mapped file behind its end is no error that Python could catch: the system ends the process. A look at
    the sizes takes microseconds and leaves a gap of as many. A file that was moved away or replaced is still there
    for whoever has it mapped, and no reason to stop.
    """
    for data in (*split.shards, *split.masks, *getattr(split, "segments", ())):
        if not isinstance(data, np.memmap) or data.filename is None:
            continue
        try:
            there = Path(data.filename).stat()
        except OSError:
            continue
        # The first look is right after the file was opened; the array itself does not know which file it is.
        mapped = data.__dict__.setdefault("_inode", there.st_ino)
        if there.st_ino == mapped and there.st_size < data.offset + data.nbytes:
            raise RunError(
                f"{data.filename} has become shorter while it was trained on; put back what it was, then run the "
                "same command again to go on"
            )


def of_update(split: Split, settings: Settings, number: int, device: str) -> list[DeviceBatch]:
    """The micro-batches of update `number`, a function of the seed, the number and the data alone."""
    return [on_device(batch, device) for batch in draw(split, settings, number)]


WHOLE = slice(None)


def draw(split: Split, settings: Settings, number: int, share: slice = WHOLE) -> list[Batch]:
    """`of_update` before the batches are on a device; of its sequences only those of `share`."""
    s = settings
    check_whole(split)
    masked = s.use_loss_mask and split.has_masks
    places = split.update_places(
        number, batches=s.grad_accum_steps, batch_size=s.batch_size, block_size=s.block_size, seed=s.seed
    )[share]
    return [
        split.gather(places[i : i + s.batch_size], s.block_size, masked=masked)
        for i in range(0, len(places), s.batch_size)
    ]
