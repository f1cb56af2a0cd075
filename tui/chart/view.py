"""Which part of the x axis is seen: windows, zoom and pan. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """A stretch of the x axis, lo < hi."""

    lo: float
    hi: float

    @property
    def width(self) -> float:
        """hi - lo."""
        return self.hi - self.lo


def zoomed(window: Window, full: Window, factor: float, anchor: float, least: float) -> Window | None:
    """`window` made `factor` times narrower (wider below 1) with `anchor` staying where it is on the screen.

    Never narrower than `least`, never beyond `full`. None: all of `full` is seen.
    """
    width = max(window.width / factor, least)
    if width >= full.width * 0.999:
        return None
    anchor = min(max(anchor, window.lo), window.hi)
    share = (anchor - window.lo) / window.width if window.width > 0 else 0.5
    return _within(anchor - width * share, width, full)


def panned(window: Window, full: Window, share: float) -> Window:
    """`window` moved by `share` of its width, staying within `full`."""
    return _within(window.lo + window.width * share, window.width, full)


def _within(lo: float, width: float, full: Window) -> Window:
    lo = max(min(lo, full.hi - width), full.lo)
    return Window(lo, lo + width)
