"""Launch: choose a preset and data, fill in settings, review every effective value, start."""

from __future__ import annotations

from tui.screens.launch.screen import LaunchScreen

__all__ = ["LaunchScreen"]
