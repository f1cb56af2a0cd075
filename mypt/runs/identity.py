"""A process that cannot be mistaken for another: its pid together with when, and on which machine, it began.

Pids are used again, zombies answer to `kill -0`, and the wall clock may be set; none of these may make us believe
that a run is alive, or signal a stranger.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# psutil derives creation times from the wall clock, which may be stepped: equal within this many seconds is equal.
_CREATE_TIME_TOLERANCE_S = 2.0
# No machine shuts down and starts again within this time; clocks that follow a time server are stepped by less.
_REBOOT_S = 30.0


class Alive(enum.Enum):
    """What can be said from here about a process that was identified earlier."""

    ALIVE = "alive"
    DEAD = "dead"
    OTHER_HOST = "other host"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot of one machine.

    `boot_id` names the boot and, on Linux, the pid namespace (empty where the system tells neither);
    `start_ticks` is the start in clock ticks since that boot (Linux only), `create_time` in seconds since the epoch.
    """

    host: str
    boot_id: str
    pid: int
    start_ticks: int | None
    create_time: float

    @classmethod
    def of_self(cls) -> ProcessIdentity:
        """The identity of the calling process."""
        return cls.of_pid(os.getpid())

    @classmethod
    def of_pid(cls, pid: int) -> ProcessIdentity:
        """The identity of the process that has `pid` now; a zombie has none. Raises ProcessLookupError."""
        ticks, created = _started(pid)
        return cls(host_name(), boot_id(), pid, ticks, created)

    @classmethod
    def from_json(cls, value: Any) -> ProcessIdentity | None:
        """The identity in `value`, as `to_json` gave it; None where it is not one."""
        try:
            ticks = value["start_ticks"]
            found = cls(
                host=str(value["host"]),
                boot_id=str(value["boot_id"]),
                pid=int(value["pid"]),
                start_ticks=None if ticks is None else int(ticks),
                create_time=float(value["create_time"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        # 0 and negative numbers address whole groups of processes when signalled.
        return found if found.pid > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    def is_alive(self, last_sign: float | None = None) -> Alive:
        """Whether this very process still runs; a zombie is dead, another machine's cannot be known from here.

        `last_sign` is when it gave a sign of life (seconds since the epoch): who gave one after this machine started is
        not of an earlier boot of it, but of another machine that bears the same name.
        """
        if not self._could_be_here():
            return Alive.OTHER_HOST
        if self._is_here():
            return Alive.ALIVE
        here = boot_id()
        if self.boot_id and here and self.boot_id != here:
            latest = max(self.create_time, last_sign or 0.0)
            return Alive.OTHER_HOST if latest > _booted_at() + _REBOOT_S else Alive.DEAD
        return Alive.DEAD

    def is_suspended(self) -> bool:
        """Whether this very process is alive but stopped (SIGSTOP, Ctrl-Z), so that it does nothing until SIGCONT."""
        return self._is_here() and _is_stopped(self.pid)

    def signal_if_same(self, number: signal.Signals) -> bool:
        """Send `number` to this very process; False when it is gone, or is on another machine.

        The identity is verified with the process held by a descriptor (Linux), elsewhere right before the signal.
        Raises PermissionError for another user's process.
        """
        if self.is_alive() is not Alive.ALIVE:
            return False
        if sys.platform == "linux":
            try:
                handle = os.pidfd_open(self.pid)
            except ProcessLookupError:
                return False
            except OSError:
                handle = -1  # a kernel or a sandbox without pidfd
            if handle >= 0:
                try:
                    # From here on the descriptor means one process, whatever becomes of the pid: verify, then signal.
                    if not self._is_here():
                        return False
                    signal.pidfd_send_signal(handle, number)
                    return True
                except ProcessLookupError:
                    return False
                finally:
                    os.close(handle)
        if not self._is_here():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def is_of_this_kernel(self) -> bool:
        """Whether it ran in this boot of this machine, perhaps in another container: kernel locks speak for it."""
        here, there = boot_id().partition("/")[0], self.boot_id.partition("/")[0]
        return bool(here) and here == there

    def _could_be_here(self) -> bool:
        """Whether this process belongs to this machine (perhaps to an earlier boot of it)."""
        here = boot_id()
        if self.boot_id and here:
            if self.boot_id == here:
                return True
            # The same boot in another pid namespace is another container: its pids mean nothing here.
            if self.is_of_this_kernel():
                return False
        return self.host == host_name()

    def _is_here(self) -> bool:
        if self.pid <= 0 or (self.boot_id and self.boot_id != boot_id()):
            return False
        try:
            ticks, created = _started(self.pid)
        except ProcessLookupError:
            return False
        if self.start_ticks is not None and ticks is not None:
            return self.start_ticks == ticks
        return abs(self.create_time - created) < _CREATE_TIME_TOLERANCE_S


def host_name() -> str:
    """The name of this machine."""
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    return os.uname().nodename


@lru_cache(maxsize=1)
def boot_id() -> str:
    """What tells this boot of this machine from every other; empty where the system does not say."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            namespace = ""
            with contextlib.suppress(OSError):
                namespace = "/" + str(Path("/proc/self/ns/pid").readlink())
            return boot + namespace
    if sys.platform == "darwin":
        return _darwin_boot_id()
    return ""


def _darwin_boot_id() -> str:
    import ctypes

    try:
        libc = ctypes.CDLL(None)
        buffer = ctypes.create_string_buffer(64)
        length = ctypes.c_size_t(len(buffer))
        if libc.sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(length), None, 0) == 0:
            return buffer.value.decode("ascii", "replace")
    except (OSError, AttributeError):
        pass
    return ""


def _started(pid: int) -> tuple[int | None, float]:
    """(start in ticks since boot or None, start in seconds since the epoch) of a live `pid`.

    Raises ProcessLookupError where there is no such process or only its zombie.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            raise ProcessLookupError(pid) from None
        return None, _create_time(pid)
    except PermissionError:
        return None, _create_time(pid)
    # The command name stands in parentheses and may itself hold spaces and parentheses: cut at the last one.
    fields = stat[stat.rindex(b")") + 1 :].split()
    if fields[0] in (b"Z", b"X"):
        raise ProcessLookupError(pid)
    ticks = int(fields[19])
    return ticks, _boot_time() + ticks / os.sysconf("SC_CLK_TCK")


@lru_cache(maxsize=1)
def _boot_time() -> float:
    with contextlib.suppress(OSError, ValueError), Path("/proc/stat").open("rb") as file:
        for line in file:
            if line.startswith(b"btime "):
                return float(line.split()[1])
    return 0.0


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat[stat.rindex(b")") + 1 :].split()[0] == b"T"
    if sys.platform == "darwin":
        import psutil

        with contextlib.suppress(psutil.Error):
            return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False


def _booted_at() -> float:
    """When this machine started, by the clock as it is set now, in seconds since the epoch."""
    if sys.platform != "linux":
        import psutil

        return float(psutil.boot_time())
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _create_time(pid: int) -> float:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            raise ProcessLookupError(pid)
        return float(process.create_time())
    except psutil.AccessDenied as error:
        raise ProcessLookupError(pid) from error
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(pid) from error
