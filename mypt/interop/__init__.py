"""Checkpoints of other programs, and ours, behind one face: what is in a file, and a model of it.

A format is a module here that recognises its checkpoints by their content and not by their names; `formats.KNOWN`
lists them. So far that is MyPT's own.
"""

from __future__ import annotations

from mypt.interop.checkpoints import inspect_checkpoint, load_pretrained_checkpoint
from mypt.interop.formats import Checkpoint, Format

__all__ = ["Checkpoint", "Format", "inspect_checkpoint", "load_pretrained_checkpoint"]
