"""Checkpoints: the tree by lineage at the left, what the chosen one holds at the right."""

from __future__ import annotations

from tui.screens.checkpoints.screen import CheckpointsScreen

__all__ = ["CheckpointsScreen"]
