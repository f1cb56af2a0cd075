"""Running out of memory, which torch reports in several ways, told from other failures. No torch."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import sys
from collections.abc import Iterator

from mypt import cgroup
from mypt.errors import RunError
from mypt.text import size

# What torch's allocators write (of the CPU in several versions, of CUDA and of MPS), what oneDNN does, and the loader
# of shared libraries.
_WORDS = (
    *("out of memory", "not enough memory", "allocate memory", "defaultcpuallocator", "alloc_cpu"),
    *("bad_alloc", "status_alloc_failed", "could not create a primitive", "failed to map segment"),
)
# As they are where a primitive does not exist for this processor.
_OTHER_WORDS = ("could not create a primitive descriptor",)
_THREADS = ("can't start new thread", "resource temporarily unavailable")
#: Warnings of torch that are errors to who trains: it goes on another way, with other last bits.
WARNED = "mkldnn_[a-z]+ failed(?!(?s:.*)could not create a primitive descriptor)"

# So much is mapped at once when a training begins, or a program goes a step further and crashes within a library that
# does not look whether it was given what it asked for (oneDNN does not).
_ROOM = 64 << 20
# The libraries of torch and what they set up as they are loaded.
_TORCH = 640 << 20
_LIMITS = ("RLIMIT_AS", "RLIMIT_DATA")
# Allocations are told in bytes by torch, in units by numpy.
_ASKED = re.compile(r"allocate (\d+(?:\.\d+)? ?(?:bytes|[KMGT]i?B))", re.IGNORECASE)


def lacked(error: BaseException) -> str:
    """What could not be had according to `error`, in words: memory, or threads; empty where it says something else."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError) and error.errno is not None:
        return "memory" if error.errno == errno.ENOMEM else ""
    # The reader of safetensors has an error of its own for all that it meets.
    if (
        not isinstance(error, RuntimeError | ImportError | OSError | Warning)
        and type(error).__name__ != "SafetensorError"
    ):
        return ""
    text = str(error).lower()
    if any(word in text for word in _OTHER_WORDS):
        return ""
    if any(word in text for word in _WORDS):
        return "memory"
    return "threads, or of memory for them" if any(word in text for word in _THREADS) else ""


def ran_out(error: BaseException) -> bool:
    """Whether `error` says that memory could not be had, or no thread, which needs some."""
    return bool(lacked(error))


def asked_for(error: BaseException) -> str:
    """How much more was asked for when it ran out, in words; empty where nobody says."""
    found = _ASKED.search(str(error))
    return found[1] if found else ""


def in_all() -> str:
    """What this process may have of the machine's memory, in words."""
    try:
        whole = size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        whole = "unknown"
    limits = [(limit, "ulimit") for limit in _limits().values()]
    limits += [(around.limit, "cgroup") for around in (cgroup.room(),) if around is not None]
    if not limits:
        return f"{whole} in all"
    limit, of = min(limits)
    return f"a limit of {size(limit)} ({of}), of {whole} in all"


def free() -> int | None:
    """Bytes of main memory that this process may still take, as far as the system tells; None where it does not."""
    import psutil

    try:
        found = [int(psutil.virtual_memory().available)]
        if (group := cgroup.room()) is not None:
            found.append(group.free)
        taken = psutil.Process().memory_info()
        for name, limit in _limits().items():
            used = taken.vms if name == "RLIMIT_AS" else getattr(taken, "data", taken.vms)
            found.append(max(limit - int(used), 0))
    except (OSError, psutil.Error):
        return None
    return min(found)


def check_room() -> None:
    """Raises MemoryError where a limit on this process leaves too little to train with, however small the model."""
    if not _fits(_ROOM):
        raise MemoryError


def check_room_for_torch() -> None:
    """Raises `RunError` where a limit on this process leaves no room to load torch, which would not survive the try."""
    if "torch" not in sys.modules and not _fits(_TORCH, written=False):
        raise RunError(
            f"out of memory ({in_all()}): PyTorch takes about {size(_TORCH)} to be loaded. Raise the limit"
        )


def _fits(room: int, *, written: bool = True) -> bool:
    """Whether a limit on this process, where there is one, leaves `room` bytes; none of them is touched.

    What is not `written` counts as address space only, as files that are mapped do.
    """
    if sys.platform == "win32" or not _limits():
        return True
    access = mmap.PROT_READ | (mmap.PROT_WRITE if written else 0)
    try:
        mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=access).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def telling(sentence: str) -> Iterator[None]:
    """Turn running out of memory into a `RunError` with `sentence`, which says what was needed and what to do."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError, ImportError, Warning) as error:
        if not ran_out(error):
            raise
        raise RunError(sentence.replace("out of memory", f"out of {lacked(error)}", 1)) from error


def _limits() -> dict[str, int]:
    """The bytes that limits of the kernel's allow this process, of address space and of data, where there are any."""
    if sys.platform == "win32":
        return {}
    import resource

    found = {
        name: resource.getrlimit(getattr(resource, name))[0] for name in _LIMITS if hasattr(resource, name)
    }
    return {name: limit for name, limit in found.items() if limit != resource.RLIM_INFINITY}
