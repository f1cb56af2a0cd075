"""Compare: two or more checkpoints side by side, and their curves over each other."""

from __future__ import annotations

from tui.screens.compare.screen import CompareScreen

__all__ = ["CompareScreen"]
