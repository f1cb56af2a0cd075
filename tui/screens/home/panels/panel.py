"""What every panel has."""

from __future__ import annotations

from typing import Protocol

from mypt.watch.run import Run


class Panel(Protocol):
    """A widget that shows one side of a run; whoever holds it writes its heading into the frame."""

    def show_run(self, run: Run) -> None:
        """Show this run as it is now; does nothing where nothing is new."""

    def heading(self) -> str:
        """What it shows, in a few words."""

    def note(self) -> str:
        """What else to know: where it comes from, what is out of sight. May be empty."""

    def set_large(self, large: bool) -> None:
        """There is much room now, or little."""
