"""What a machine computes with where nobody chooses: told without torch, so that sizes are known before a run starts."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

from mypt.settings.fields import Settings

#: Beyond this the weights that the plain kernel keeps, T² a head, take more memory than all else in a layer.
PLAIN_CONTEXT = 1024


def default_kernel(device_type: str, precision: str, context: int, dropout: float = 0.0) -> str:
    """The attention kernel ("sdpa", "plain") to expect most of where nobody has measured; `context` in tokens."""
    if device_type != "cpu":
        return "sdpa"
    # Without a fused dropout torch keeps more than the plain kernel does, whatever the context.
    plain = dropout > 0 or (precision == "bf16" and context <= PLAIN_CONTEXT)
    return "plain" if plain else "sdpa"


def expected(settings: Settings, device_type: str) -> tuple[str, str]:
    """(precision, attention kernel) that a new run takes on "cpu", "cuda" or "mps"; a GPU is taken to know bf16."""
    s = settings
    precision = s.precision if s.precision != "auto" else _precision(s, device_type)
    fresh = default_kernel(device_type, precision, s.block_size, s.dropout)
    return precision, s.attention if s.attention != "auto" else fresh


def _precision(settings: Settings, device_type: str) -> str:
    wanted = settings.amp_dtype
    if not settings.use_amp or device_type not in ("cpu", "cuda"):
        return "fp32"
    if device_type == "cuda":
        return "fp16" if wanted == "fp16" else "bf16"
    return "bf16" if cpu_has_fast_bf16() and wanted != "fp16" else "fp32"


def saves_behind(settings: Settings, device_type: str) -> bool:
    """Whether checkpoints are written while training goes on, on "cpu", "cuda" or "mps".

    A CUDA GPU has memory of its own, and needs few of the processor's cores; elsewhere the copy that is written would
    take from what the training itself lives in.
    """
    return settings.async_save == "on" or (settings.async_save == "auto" and device_type == "cuda")


@lru_cache(maxsize=1)
def cpu_has_fast_bf16() -> bool:
    """Whether the processor multiplies bf16 matrices itself (AVX-512 bf16 or AMX); elsewhere bf16 is slower than fp32."""
    flags = processor()
    return "avx512_bf16" in flags or "amx_bf16" in flags


@lru_cache(maxsize=1)
def processor() -> str:
    """What the system says of the processor; empty where it says nothing."""
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()
