"""The learning rate as a pure function of the update's number."""

from __future__ import annotations

import math

FLOOR = 0.1
"""The cosine ends at this share of the peak."""


def learning_rate(update: int, *, peak: float, warmup: int, total: int) -> float:
    """The rate of update number `update` (the first is 1; 0 is before any): linear from 0, then cosine to 10 %.

    The cosine is that of Loshchilov and Hutter 2017 without restarts; from `total` on the rate stays at the floor.
    """
    if update < warmup:
        return peak * update / warmup
    if update >= total:
        return peak * FLOOR if total > warmup else peak
    progress = (update - warmup) / (total - warmup)
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))
