"""Sample: prompt a checkpoint, or two side by side, and watch the text come."""

from __future__ import annotations

from tui.screens.sample.screen import SampleScreen, sample_of

__all__ = ["SampleScreen", "sample_of"]
