"""The table: every run in a line, with the numbers that tell them apart."""

from __future__ import annotations

from tui.screens.runs.screen import RunsScreen

__all__ = ["RunsScreen"]
