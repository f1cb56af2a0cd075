"""How the C library gives out memory while a CPU trains."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Larger blocks (the logits of a large vocabulary) still go back: kept, they leave holes that nothing else fits into,
# and the tiny preset takes 4.8 GB instead of 3.3 (benchmarks/memory.py).
_LARGEST_BLOCK, _NEVER = 1 << 26, (1 << 31) - 1
# Older versions take no more than half of their largest heap.
_LARGEST_BLOCK_ONCE = 1 << 25
_SMALLEST_BLOCK = 128 << 10


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process; returns whether that could be arranged.

    A training step takes and frees the same large blocks again and again. glibc gives them back to the system each
    time, which then clears every page anew: up to a quarter of a step of a small model. Where the user has set
    thresholds of their own, those hold.
    """
    if (mallopt := _mallopt()) is None:
        return False
    kept = bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
    larger = bool(
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK) or mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_ONCE)
    )
    return kept and larger


def give_back_freed_memory() -> bool:
    """Let every large block that is freed go back to the system; returns whether that could be arranged.

    Where weights come and go block by block, glibc would soon keep room for all of them. What a user has set holds.
    """
    mallopt = _mallopt()
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, _SMALLEST_BLOCK))


def _mallopt() -> Callable[[int, int], int] | None:
    """glibc's own, where there is one and the user has set no thresholds."""
    if sys.platform != "linux" or {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return None
    try:
        found: Callable[[int, int], int] = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return None
    return found
