"""Classifier: a text classifier on a model that has learned to write, launched from a dialogue."""

from __future__ import annotations

from tui.screens.classify.screen import ClassifyScreen

__all__ = ["ClassifyScreen"]
