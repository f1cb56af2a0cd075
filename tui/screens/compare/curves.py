"""The curves of what is compared over each other: one colour a run, its best checkpoint marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from mypt.watch.smooth import HEAVIEST, Smoothing
from tui.chart.brief import brief
from tui.chart.curves import Shown, Smooth, with_others
from tui.chart.model import ChartData, Column, Mark, series_color
from tui.chart.widget import Chart
from tui.names import shortened
from tui.screens.compare.items import Compared, numbers

_SMOOTHED_AT_ONCE = 20_000
_NEXT_PART_S = 0.1
_BRIEF_NAME = 16


def overlay(columns: Iterable[Compared], smooth: Smooth | None = None) -> ChartData:
    """Validation losses of all that have a log (of one without: training losses), and where each has its gold.

    Those of one run are there once. With `smooth` long curves are drawn smoothed, the raw ones dimmed behind them.
    """
    columns = list(columns)
    colours = numbers(columns)
    runs = {column.curve: column.run for column in columns if column.run is not None}
    shown = [Shown(key, run.label, run.history, series_color(colours[key])) for key, run in runs.items()]
    data = with_others(ChartData(), shown, smooth)
    short = shortened((run.label for run in runs.values()), _BRIEF_NAME)
    marks = [
        Mark(
            gold.step,
            gold.tokens,
            gold.time,
            gold.value,
            "gold",
            f"{run.label} {gold.text}",
            brief=f"{short[run.label]} {brief(gold.text)}",
        )
        for run in runs.values()
        for gold in run.history.golds[-1:]
    ]
    return replace(data, marks=tuple(marks))


class OverlaidChart(Chart):
    """The chart of what is compared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._smoothing = Smoothing(0.0)
        self._behind = False

    def lay(self, columns: Sequence[Compared], weight: float) -> None:
        """Lay these over each other, smoothed with this weight where it is above 0."""
        weight = weight if 0 < weight <= HEAVIEST else 0.0
        if weight != self._smoothing.weight:
            self._smoothing = Smoothing(weight)
        self._behind = False
        data = overlay(columns, self._smooth if weight else None)
        if any(curve.raw is not None for curve in data.curves):
            data = replace(data, note=f"smoothed {weight:g}")
        self.show(data)
        if self._behind:
            self.set_timer(_NEXT_PART_S, lambda: self.lay(columns, weight))

    def _smooth(self, column: Column) -> Column:
        """The smoothed column; of a long one a part, the rest with the next pictures, so that no key waits for it."""
        smoothed = self._smoothing.of(column, _SMOOTHED_AT_ONCE)
        self._behind |= len(smoothed) < len(column)
        return smoothed
