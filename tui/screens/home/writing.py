"""The chart as a file: what is in sight as a picture, or every number of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mypt.plotting.choice import named_curves
from mypt.plotting.drawing import View
from mypt.plotting.svg import svg
from mypt.plotting.tabular import csv_text
from mypt.watch.history import RunHistory
from tui.chart.widget import Chart
from tui.widgets.saving import SaveScreen, suggested

_ENDINGS = {"SVG": ".svg", "CSV": ".csv"}


def dialogue(chart: Chart, shown: Mapping[str, RunHistory], workspace: Path) -> SaveScreen:
    """The question where `chart`, as it is looked at now, is to be written; `shown` are its runs by label."""
    data, view = chart.data, View(chart.axis, chart.log_y, chart.window)
    seen = [curve for curve in data.curves if curve.visible]

    def write(how: str) -> str:
        if how == "CSV":
            named = {label: named_curves(history) for label, history in shown.items()}
            return csv_text(named, view.axis, view.window)
        return svg(seen, data.marks, view, title=next(iter(shown), ""))

    number = sum(not curve.quiet for curve in seen)
    what = f"{', '.join(shown)}: the {number} curves in sight as SVG, or every number as CSV"
    return SaveScreen(
        "Write the chart", what, _ENDINGS, suggested("charts", list(shown), "chart"), workspace, write
    )
