"""What checkpoints take of a disk, and what to do about a disk that will not take them."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from mypt.model import LanguageModel
from mypt.text import size

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def needed_space(model: LanguageModel) -> int:
    """Bytes that a bundle with its optimizer takes: weights and two moments in float32, and a little."""
    return 12 * model.num_parameters() + (1 << 20)


def check_space(folder: Path, needed: int) -> str | None:
    """A sentence where the disk of `folder` has no room for two bundles, one saved and one being written; else None."""
    free = shutil.disk_usage(folder).free
    if free < 2 * needed:
        return f"the disk has {size(free)} free; checkpoints of this model take {size(needed)} each, and two are kept"
    return None


def remedy(error: OSError, needed: int | None = None) -> str:
    """What to do after `error`; `needed` are the bytes that had to be written, where they are worth telling."""
    if error.errno in _FULL:
        much = f" for {size(needed)}" if needed else ""
        return f"make room{much}, then run the same command again to go on"
    if error.errno in _REFUSED:
        return "make it writable, then run the same command again to go on"
    return "when the disk is well again, run the same command again to go on"
