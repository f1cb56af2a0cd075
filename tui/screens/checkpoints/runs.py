"""Which run led to a checkpoint, and its curve."""

from __future__ import annotations

from mypt.runs.state import RunState
from mypt.watch.of_model import Runs
from mypt.watch.run import Run
from tui.chart.curves import chart_data
from tui.chart.model import ChartData

__all__ = ["Runs", "alive", "curve_of"]


def alive(run: Run | None) -> bool:
    """Whether somebody trains the model right now, or will."""
    return run is not None and run.record is not None and not run.state.is_over


def curve_of(run: Run | None) -> tuple[ChartData, str]:
    """What the chart shows, and the words where there is nothing to show."""
    if run is None:
        return ChartData(), "No log of this model in logs/"
    if run.state is RunState.QUEUED:
        return ChartData(), "Queued: the first values will appear here"
    words = "No losses in its log" if run.state.is_over else "The first values will appear here"
    return chart_data(run.history), words
