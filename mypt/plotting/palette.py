"""The colours and signs of curves and marks, the same in the dashboard, in the shell and in SVG.

The series are told apart by the colour-blind as well, and none is close to gold or to the red of trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

SIZE = 8
DARK: Mapping[str, str] = {
    "gold": "#ffc83d",
    "gold-past": "#b8923a",
    "trouble": "#ff5d5d",
    "series-1": "#58b6f5",
    "series-2": "#d98cc3",
    "series-3": "#35c2a1",
    "series-4": "#ee9148",
    "series-5": "#9f94f5",
    "series-6": "#c6d06b",
    "series-7": "#93a9b8",
    "series-8": "#d8b59b",
}
"""On a dark ground."""
LIGHT: Mapping[str, str] = {
    "gold": "#b07800",
    "gold-past": "#cfa850",
    "trouble": "#c81e1e",
    "series-1": "#0067b0",
    "series-2": "#a93f8d",
    "series-3": "#00806a",
    "series-4": "#bd5400",
    "series-5": "#5a49c8",
    "series-6": "#6c7400",
    "series-7": "#546b7a",
    "series-8": "#8a6143",
}
"""On a light one."""
# The nearest one of the third series is hardly another than that of the seventh.
_NOT_THE_NEAREST = {"#35c2a1": 43}
SIGNS: Mapping[str, str] = {"gold": "★", "blocked": "✕", "notice": "▲", "phase": "┊", "resume": "↻"}


def series(number: int) -> str:
    """The `number`-th colour's name (from 0, then over again)."""
    return f"series-{number % SIZE + 1}"


def colour(name: str, light: bool = False) -> str:
    """`#rrggbb` of a name of the palette; of any other name the first series'."""
    colours = LIGHT if light else DARK
    return colours.get(name, colours["series-1"])


@lru_cache(maxsize=256)
def of_256(rgb: str) -> int:
    """The colour nearest to `#rrggbb` among the 240 that a terminal of 256 colours has fixed (xterm's cube and greys)."""
    if rgb in _NOT_THE_NEAREST:
        return _NOT_THE_NEAREST[rgb]
    wanted = tuple(int(rgb[place : place + 2], 16) for place in (1, 3, 5))
    levels = (0, 95, 135, 175, 215, 255)
    cube = {
        16 + 36 * r + 6 * g + b: (levels[r], levels[g], levels[b])
        for r in range(6)
        for g in range(6)
        for b in range(6)
    }
    greys = {232 + step: (8 + 10 * step,) * 3 for step in range(24)}
    there = {**cube, **greys}
    return min(
        there, key=lambda number: sum((a - b) ** 2 for a, b in zip(there[number], wanted, strict=True))
    )
