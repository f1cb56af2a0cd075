"""Checkpoints of other programs, and ours, behind one face: what is in a file, and a model of it; and the way back.

A format is a module here that recognises its checkpoints by their content and not by their names;
`checkpoints.KNOWN` lists them. `export` writes what other programs load. Torch is loaded by the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypt.interop.checkpoints import inspect_checkpoint, load_pretrained_checkpoint
    from mypt.interop.formats import Checkpoint, Format

_WHERE = {
    "Checkpoint": "mypt.interop.formats",
    "Format": "mypt.interop.formats",
    "inspect_checkpoint": "mypt.interop.checkpoints",
    "load_pretrained_checkpoint": "mypt.interop.checkpoints",
}

__all__ = ["Checkpoint", "Format", "inspect_checkpoint", "load_pretrained_checkpoint"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'mypt.interop' has no attribute {name!r}")
