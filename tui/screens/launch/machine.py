"""How much memory is free where a run would train, told without torch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from mypt import cgroup

MAIN_MEMORY = "main memory"
_FRESH_S = 5.0
_NVIDIA_SMI_S = 3.0
_gpus: tuple[float, list[tuple[int, int]]] | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Where a run would compute: the kind of device as torch calls it, the memory's name for people, its bytes."""

    kind: str
    name: str
    free: int
    total: int


def room(device: str) -> Room:
    """Where `device` ("auto", "cpu", "cuda:1", "mps") leads on this machine and what is free there."""
    kind, _, number = device.partition(":")
    if kind in ("auto", "cuda"):
        gpus = _nvidia()
        index = int(number) if number.isdigit() else 0
        if index < len(gpus):
            free, total = gpus[index]
            return Room("cuda", "GPU memory" if len(gpus) == 1 else f"memory of GPU {index}", free, total)
    memory = psutil.virtual_memory()
    free, total = memory.available, memory.total
    if (around := cgroup.room()) is not None:
        free, total = min(free, around.free), min(total, around.limit)
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if kind == "mps" or (kind == "auto" and apple):
        return Room("mps", "memory shared with the GPU", free, total)
    return Room("cpu" if kind in ("auto", "cpu") else kind, MAIN_MEMORY, free, total)


def most_processes() -> int:
    """How many processes this machine has room for at once: one a GPU, or one a core."""
    return len(_nvidia()) or os.cpu_count() or 1


def _nvidia() -> list[tuple[int, int]]:
    """(free, total) bytes of each GPU that a run would see; read at most every few seconds."""
    global _gpus
    if _gpus is not None and time.monotonic() - _gpus[0] < _FRESH_S:
        return _gpus[1]
    found = _ask_nvidia()
    _gpus = (time.monotonic(), found)
    return found


def _ask_nvidia() -> list[tuple[int, int]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = ["--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(
            [program, *query], capture_output=True, text=True, timeout=_NVIDIA_SMI_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    gpus = []
    for line in said.splitlines():
        parts = line.split(",")
        if len(parts) == 2 and all(part.strip().isdigit() for part in parts):
            gpus.append((int(parts[0]) << 20, int(parts[1]) << 20))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus
    chosen = [part.strip() for part in visible.split(",") if part.strip()]
    # Names of slices and cards are not indices; then the cards stand as they are.
    if all(part.isdigit() for part in chosen):
        return [gpus[int(part)] for part in chosen if int(part) < len(gpus)]
    return gpus
