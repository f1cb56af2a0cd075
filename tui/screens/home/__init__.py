"""Home: every run at the left, the one that is looked at on the right."""

from __future__ import annotations

from tui.screens.home.screen import HomeScreen

__all__ = ["HomeScreen"]
