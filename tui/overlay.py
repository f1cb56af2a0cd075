"""Which runs lie over the one in view on the chart, each with a colour that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tui.chart.model import PALETTE_SIZE, series_color
from tui.prefs import Preferences

# The first two are what validation and training of a run in view have that nobody overlaid.
_SLOTS = range(2, PALETTE_SIZE)
#: So many runs can be told apart by colour.
MOST = len(_SLOTS)


class Overlay:
    """The overlaid runs of a workspace by key; kept in the preferences, so they are there again the next time."""

    def __init__(self, prefs: Preferences, workspace: Path) -> None:
        self._prefs, self._workspace = prefs, str(workspace)
        self._slots: dict[str, int] = {}
        kept = prefs["overlays"].get(self._workspace)
        for key, slot in kept.items() if isinstance(kept, dict) else ():
            if slot in _SLOTS and slot not in self._slots.values():
                self._slots[key] = slot

    @property
    def keys(self) -> tuple[str, ...]:
        """The overlaid runs, in the order in which they were chosen."""
        return tuple(self._slots)

    def colour(self, key: str) -> str | None:
        """The name of the run's colour in the palette; None for one that is not overlaid."""
        slot = self._slots.get(key)
        return None if slot is None else series_color(slot)

    def toggle(self, key: str) -> bool:
        """Overlay a run, or take it away again. False, and nothing done, where every colour is taken."""
        if key in self._slots:
            del self._slots[key]
        else:
            free = next((slot for slot in _SLOTS if slot not in self._slots.values()), None)
            if free is None:
                return False
            self._slots[key] = free
        self._keep()
        return True

    def clear(self) -> None:
        """Take all away."""
        self._slots.clear()
        self._keep()

    def follow(self, present: Callable[[str], str]) -> None:
        """Runs may have other keys than they had, which `present` knows: each keeps its colour."""
        slots = {present(key): slot for key, slot in self._slots.items()}
        if slots != self._slots:
            self._slots = slots
            self._keep()

    def forget_all_but(self, there: Iterable[str]) -> None:
        """Drop runs that are not there any more, so that their colours are free."""
        known = set(there)
        if gone := [key for key in self._slots if key not in known]:
            for key in gone:
                del self._slots[key]
            self._keep()

    def _keep(self) -> None:
        overlays = {k: v for k, v in self._prefs["overlays"].items() if k != self._workspace}
        if self._slots:
            overlays[self._workspace] = dict(self._slots)
        self._prefs["overlays"] = overlays
