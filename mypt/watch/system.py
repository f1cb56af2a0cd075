"""What the machine is busy with: processors, memory, the disk of the workspace, and NVIDIA GPUs where there are some."""

from __future__ import annotations

import contextlib
import importlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

#: Samples that are kept for the little curves.
KEPT = 180


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; None where the driver does not say (MIG, WSL, unified memory). Bytes, degrees Celsius, watts."""

    index: int
    name: str
    busy: float | None = None
    """Part of the time in which something ran on it, 0 to 1; not how well it was used."""
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    throttled: bool = False
    """Whether heat or power holds its clock down."""


@dataclass(frozen=True, slots=True)
class SystemSample:
    """One look. `cpu` is the part of all cores that is busy, 0 to 1; `trainer_*` those of the process in view."""

    cpu: float
    cores: int
    memory_used: int
    memory_total: int
    disk_free: int | None = None
    disk_total: int | None = None
    gpus: tuple[Gpu, ...] = ()
    trainer_cpu: float | None = None
    """In cores: 1.5 is one and a half."""
    trainer_memory: int | None = None


class SystemProbe:
    """Looks when it is asked to. Not for several threads at once."""

    def __init__(self, workspace: Path) -> None:
        self.history: deque[SystemSample] = deque(maxlen=KEPT)
        self._workspace = workspace
        self._nvml = _Nvml()
        self._process: psutil.Process | None = None
        psutil.cpu_percent()

    def sample(self, pid: int | None = None) -> SystemSample:
        """Look now; `pid` is the trainer's, whose own share is wanted. What cannot be known is None."""
        memory = psutil.virtual_memory()
        free = total = None
        with contextlib.suppress(OSError):
            disk = psutil.disk_usage(str(self._workspace))
            free, total = disk.free, disk.total
        cpu, held = self._trainer(pid)
        found = SystemSample(
            cpu=psutil.cpu_percent() / 100,
            cores=psutil.cpu_count() or 1,
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            disk_free=free,
            disk_total=total,
            gpus=self._nvml.read(),
            trainer_cpu=cpu,
            trainer_memory=held,
        )
        self.history.append(found)
        return found

    def _trainer(self, pid: int | None) -> tuple[float | None, int | None]:
        if pid is None:
            self._process = None
            return None, None
        try:
            if self._process is None or self._process.pid != pid:
                self._process = psutil.Process(pid)
                # The first look measures from nothing.
                self._process.cpu_percent()
                return None, int(self._process.memory_info().rss)
            return self._process.cpu_percent() / 100, int(self._process.memory_info().rss)
        except psutil.Error:
            self._process = None
            return None, None


class _Nvml:
    """NVIDIA's library, loaded at the first look; without a driver there are no GPUs, and it is not asked again."""

    def __init__(self) -> None:
        self._library: Any = None
        self._tried = False

    def read(self) -> tuple[Gpu, ...]:
        if not self._tried:
            self._tried = True
            # No driver, no permission, or a container without the device: all are "none to see".
            with contextlib.suppress(Exception):
                library = importlib.import_module("pynvml")
                library.nvmlInit()
                self._library = library
        if self._library is None:
            return ()
        nv = self._library
        found: list[Gpu] = []
        with contextlib.suppress(nv.NVMLError):
            for index in range(nv.nvmlDeviceGetCount()):
                found.append(self._gpu(index))
        return tuple(found)

    def _gpu(self, index: int) -> Gpu:
        nv = self._library
        handle = nv.nvmlDeviceGetHandleByIndex(index)

        def ask(question: Callable[[], Any]) -> Any:
            try:
                return question()
            except nv.NVMLError:
                return None

        memory = ask(lambda: nv.nvmlDeviceGetMemoryInfo(handle))
        rates = ask(lambda: nv.nvmlDeviceGetUtilizationRates(handle))
        power = ask(lambda: nv.nvmlDeviceGetPowerUsage(handle))
        limit = ask(lambda: nv.nvmlDeviceGetEnforcedPowerLimit(handle))
        reasons = ask(lambda: nv.nvmlDeviceGetCurrentClocksThrottleReasons(handle)) or 0
        name = ask(lambda: nv.nvmlDeviceGetName(handle)) or "GPU"
        slowed = (
            nv.nvmlClocksThrottleReasonSwThermalSlowdown
            | nv.nvmlClocksThrottleReasonHwThermalSlowdown
            | nv.nvmlClocksThrottleReasonHwPowerBrakeSlowdown
            | nv.nvmlClocksThrottleReasonHwSlowdown
        )
        return Gpu(
            index=index,
            name=name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name),
            busy=None if rates is None else rates.gpu / 100,
            memory_used=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature=ask(lambda: nv.nvmlDeviceGetTemperature(handle, nv.NVML_TEMPERATURE_GPU)),
            # Milliwatts.
            power_w=None if power is None else power / 1000,
            power_limit_w=None if limit is None else limit / 1000,
            throttled=bool(reasons & slowed),
        )
