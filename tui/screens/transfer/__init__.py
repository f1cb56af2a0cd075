"""Checkpoints in and out: export for other programs, import from them. The commands do the work; these ask and show."""

from __future__ import annotations

from tui.screens.transfer.exporting import ExportScreen
from tui.screens.transfer.importing import ImportScreen

__all__ = ["ExportScreen", "ImportScreen"]
