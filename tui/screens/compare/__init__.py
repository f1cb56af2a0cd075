"""Compare: checkpoints and runs side by side, and their curves over each other."""

from __future__ import annotations

from tui.screens.compare.items import Item, RunKey
from tui.screens.compare.screen import CompareScreen

__all__ = ["CompareScreen", "Item", "RunKey"]
