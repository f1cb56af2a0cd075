"""How much memory a training holds, for the log."""

from __future__ import annotations

import os
from functools import lru_cache

import psutil
import torch


def memory(device: str) -> int | None:
    """Bytes that training holds on `device`; None where the system does not say.

    On a CUDA device the most that was allocated since the last call, since what counts there is how near the end of
    its memory a step comes; on others what the process holds at this moment.
    """
    kind = device.partition(":")[0]
    if kind == "cuda":
        most = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return most
    if kind == "mps":
        return torch.mps.driver_allocated_memory()
    try:
        return int(_process(os.getpid()).memory_info().rss)
    except psutil.Error:
        return None


@lru_cache(maxsize=1)
def _process(pid: int) -> psutil.Process:
    # Looked up once, but anew in a child that goes on from here.
    return psutil.Process(pid)
