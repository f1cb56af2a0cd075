"""What checkpoints take of a disk, and what to do about a disk that will not take them."""

from __future__ import annotations

import shutil
from pathlib import Path

from mypt.model import LanguageModel
from mypt.text import size


def needed_space(model: LanguageModel) -> int:
    """Bytes that a bundle with its optimizer takes: weights and two moments in float32, and a little."""
    return 12 * model.num_parameters() + (1 << 20)


def check_space(folder: Path, needed: int) -> str | None:
    """A sentence where the disk of `folder` has no room for two bundles, one saved and one being written; else None."""
    free = shutil.disk_usage(folder).free
    if free < 2 * needed:
        return f"the disk has {size(free)} free; checkpoints of this model take {size(needed)} each, and two are kept"
    return None
