"""What a headless dashboard has painted, as text: the one place that asks Textual for it."""

from __future__ import annotations

from typing import Any

from textual.app import App


def painted_lines(app: App[Any]) -> list[str]:
    """The lines of the screen in front, each as wide as the terminal."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def painted(app: App[Any]) -> str:
    """The same as one text."""
    return "\n".join(painted_lines(app))
