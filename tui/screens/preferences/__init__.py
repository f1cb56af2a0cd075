"""Preferences: how the dashboard looks, what it calls out and how, and which keys do what."""

from __future__ import annotations

from tui.screens.preferences.screen import PreferencesScreen

__all__ = ["PreferencesScreen"]
