"""What the charts of a run show: its losses with those of the runs over them, smoothed, and the end that is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mypt.text import whole
from mypt.watch.column import Column
from mypt.watch.forecast import Forecast, NoForecast, forecast
from mypt.watch.run import Run
from mypt.watch.smooth import HEAVIEST, Smoothing
from tui.chart.curves import Shown, chart_data, with_others
from tui.chart.model import Axis, ChartData, Mark
from tui.chart.view import Window
from tui.overlay import Overlay
from tui.screens.home import words

#: Weights of the exponential average, in the order of the key that goes through them.
SMOOTHING = (0.0, 0.6, 0.9, 0.97)
# Points that are averaged within one frame.
_SMOOTHED_AT_ONCE = 100_000


class Curves:
    """Makes what is drawn of what is known, and keeps between two pictures what took long: averages, the forecast."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._smoothing = Smoothing(0.0)
        self._expected: tuple[object, Forecast | NoForecast | None] = ((), None)
        self.behind = False
        """Whether the last picture has only a part of a long smoothed curve, and the next one more of it."""

    @property
    def expected(self) -> Forecast | NoForecast | None:
        """What was found last by `expectation`."""
        return self._expected[1]

    def expectation(self, run: Run) -> Forecast | NoForecast | None:
        """What the end is expected to be; found once for each evaluation. None for a run that is over."""
        if run.state.is_over:
            return None
        val = run.history.curves.get("val")
        wanted = (run.key, val.revision if val else 0, run.history.max_iters)
        if wanted != self._expected[0]:
            self._expected = (wanted, forecast(run.history))
        return self._expected[1]

    def shown(self, run: Run, others: Sequence[Run]) -> list[Shown]:
        """The run in view and those over it, each with its colour."""
        own = self._overlay.colour(run.key)
        if others and own is None:
            own = "series-1"
        rest = (Shown(each.key, each.label, each.history, self._overlay.colour(each.key)) for each in others)
        return [Shown(run.key, run.label, run.history, own), *rest]

    def losses(
        self,
        run: Run,
        others: Sequence[Run],
        *,
        weight: float,
        foresee: bool,
        axis: Axis,
        among: frozenset[str] = frozenset(),
    ) -> ChartData:
        """The losses of `run` and `others` for a chart of this `axis`, named unlike the runs `among` which they are.

        They are smoothed with `weight` where it is one; to `foresee` marks the expected end, or says that there is none.
        """
        weight = float(weight) if 0 < weight <= HEAVIEST else 0.0
        first, *rest = self.shown(run, others)
        if weight != self._smoothing.weight:
            self._smoothing = Smoothing(weight)
        smooth = self._smooth if weight else None
        self.behind = False
        # Runs are told apart by colour; a run alone tells its curves apart by it, in its own for validation.
        own = first.color if rest else None
        data = chart_data(run.history, color=own, val_color=first.color, smooth=smooth)
        if rest:
            data = replace(with_others(data, rest, smooth), among=among)
        if any(curve.raw is not None for curve in data.curves):
            data = replace(data, note=f"smoothed {weight:g}")
        expected = self.expectation(run) if foresee else None
        if isinstance(expected, Forecast):
            data = _with_forecast(data, run, expected, axis)
        elif isinstance(expected, NoForecast):
            # The line belongs to the names of the curves; why there is none was told by the key that asked for it.
            full, short = (
                " · ".join(filter(None, (words, data.note)))
                for words in (f"no forecast: {expected.why}", "no forecast")
            )
            data = replace(data, note=full, brief=short)
        return data

    def _smooth(self, column: Column) -> Column:
        """The smoothed column; of a long one a part, the rest with the next pictures."""
        smoothed = self._smoothing.of(column, _SMOOTHED_AT_ONCE)
        self.behind |= len(smoothed) < len(column)
        return smoothed


def _with_forecast(data: ChartData, run: Run, expected: Forecast, axis: Axis) -> ChartData:
    """`data` with the expected end marked, and the axis reaching so far."""
    history = run.history
    left = max(expected.at_step - history.step, 0)
    tokens = history.tokens + left * (history.tokens_per_step or 0)
    elapsed = history.elapsed_s + left * (history.seconds_per_step or 0.0)
    text = f"expected at {whole(expected.at_step)}: {words.expected_loss(expected)}"
    mark = Mark(
        expected.at_step,
        tokens,
        elapsed,
        expected.value,
        "forecast",
        text,
        low=expected.low,
        high=expected.high,
    )
    return replace(data, marks=(*data.marks, mark), stretch=Window(0.0, mark.x(axis)))
