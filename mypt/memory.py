"""Running out of memory, which torch reports in several ways, told from other failures. No torch."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from mypt.errors import RunError

# What torch's allocators write: of the CPU in several versions, of CUDA and of MPS.
_WORDS = (
    *("out of memory", "not enough memory", "allocate memory", "defaultcpuallocator", "alloc_cpu"),
    *("bad_alloc", "status_alloc_failed"),
)


def ran_out(error: BaseException) -> bool:
    """Whether `error` says that memory could not be had."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS)


@contextlib.contextmanager
def telling(sentence: str) -> Iterator[None]:
    """Turn running out of memory into a `RunError` with `sentence`, which says what was needed and what to do."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out(error):
            raise
        raise RunError(sentence) from error
