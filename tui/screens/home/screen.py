"""Home."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from tui.widgets.lines import KeyLine, TopLine


class HomeScreen(Screen[None]):
    """Runs, and the one that is looked at."""

    def compose(self) -> ComposeResult:
        """Lines only, for the moment."""
        yield TopLine()
        yield KeyLine([])
