"""What a chart is given to show: curves over columns, marks on them, and the axis. No Textual here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mypt.watch.clock import Clock
from mypt.watch.column import Column
from mypt.watch.places import Axis
from tui.chart.view import Window

__all__ = ["AXES", "Axis", "ChartData", "Column", "Curve", "Mark", "MarkKind", "series_color"]

AXES: tuple[Axis, ...] = ("step", "tokens", "time", "clock")

MarkKind = Literal["gold", "blocked", "notice", "phase", "resume", "best", "forecast"]

PALETTE_SIZE = 8


def series_color(number: int) -> str:
    """The `number`-th colour of the palette (from 0, then over again), for `Curve.color`."""
    return f"series-{number % PALETTE_SIZE + 1}"


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: where its values are and how it looks.

    `color` is a name of the palette (`series-1` to `series-8`: they follow the theme and suit the colour-blind) or any
    colour Textual understands. `dim` draws it closer to the background, `dashed` with gaps; an invisible curve
    stays in the legend. A `quiet` one only backs another: it is in neither legend nor readout. `format` writes its
    values in the readout, which are those of `raw` where the curve is a smoothed one.
    """

    key: str
    label: str
    color: str
    column: Column
    dim: bool = False
    dashed: bool = False
    visible: bool = True
    quiet: bool = False
    format: Callable[[float], str] | None = None
    raw: Column | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """An event on the chart, at its place on each axis (updates, tokens, seconds).

    gold ★ and blocked ✕ stand at `y`, a notice ▲ too (on the upper edge where that lies above it, at the bottom without a
    `y`); phase is a vertical line with `text` on top, resume a small sign at the bottom;
    best is a faint horizontal line at `y`; forecast an expected value `y` between `low` and `high`. `text` is what the
    readout says there, `brief` the same in fewer cells, for where they are few.
    """

    step: float
    tokens: float
    time: float
    y: float | None
    kind: MarkKind
    text: str = ""
    low: float | None = None
    high: float | None = None
    brief: str = ""

    def x(self, axis: Axis) -> float:
        """The position on `axis`."""
        if axis == "step":
            return self.step
        return self.tokens if axis == "tokens" else self.time


@dataclass(frozen=True, slots=True)
class ChartData:
    """All that is shown. The first curve is the most important: it is drawn last, on top, and the cursor prefers it.

    `axis` None leaves the axis as the reader has set it. `stretch` is a part of the present axis that the whole view
    covers at least, beyond what the curves do; `note` is said at the end of the legend, `brief` instead of it where it would
    take the room of names.
    `among` are the names from which those of the curves are told apart where they are cut: of all runs that there are.
    `clock` tells when it was, for the axis "clock".
    """

    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    axis: Axis | None = None
    stretch: Window | None = None
    note: str = ""
    brief: str = ""
    among: frozenset[str] = frozenset()
    clock: Clock = Clock()  # noqa: RUF009, a plain empty tuple
