"""Which run led to a checkpoint, and its curve."""

from __future__ import annotations

from collections.abc import Iterable

from mypt.runs.state import RunState
from mypt.text import printable
from mypt.watch.run import Run
from tui.chart.model import ChartData
from tui.screens.home.curves import chart_data


def run_of(model_name: str, runs: Iterable[Run]) -> Run | None:
    """The run that trained this model: of several the one that goes on, else the first (they come youngest first)."""
    plain = printable(model_name, newline=False)
    there = [run for run in runs if run.name == plain or _is_log_of(model_name, run)]
    # A log of the model's own name says more about it than a run that was only called so.
    there.sort(key=lambda run: (run.state.is_over, not _is_log_of(model_name, run)))
    return there[0] if there else None


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


def _is_log_of(model_name: str, run: Run) -> bool:
    return run.log_path.name == f"{model_name}_eval.jsonl"
