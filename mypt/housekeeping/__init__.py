"""What becomes of models after training: another name, or their room given back. Whole or not at all; no torch here."""

from __future__ import annotations

from mypt.housekeeping.deleting import Deletion, Part, delete, look
from mypt.housekeeping.journal import Renaming
from mypt.housekeeping.recovery import recover
from mypt.housekeeping.renaming import rename, rename_problems

__all__ = [
    "Deletion",
    "Part",
    "Renaming",
    "delete",
    "look",
    "recover",
    "rename",
    "rename_problems",
]
