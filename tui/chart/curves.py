"""From a run's history to what the chart shows."""

from __future__ import annotations

from mypt.text import loss
from mypt.watch.history import RunHistory
from tui.chart.model import ChartData, Curve, Mark, series_color


def chart_data(history: RunHistory) -> ChartData:
    """Validation first, then each eval set, then training, with gold, blocked, phases and resumes marked."""
    columns = history.curves
    curves = []
    if "val" in columns:
        curves.append(Curve("val", "val", series_color(0), columns["val"], format=loss))
    sets = sorted(name for name in columns if name.startswith("eval:"))
    for number, name in enumerate(sets):
        label = name.removeprefix("eval:")
        curves.append(Curve(name, label, series_color(number + 2), columns[name], dashed=True, format=loss))
    if "train" in columns:
        curves.append(Curve("train", "train", series_color(1), columns["train"], dim=True, format=loss))
    elif "train_eval" in columns:
        curves.append(Curve("train_eval", "train", series_color(1), columns["train_eval"], format=loss))
    marks = [
        *(Mark(m.step, m.tokens, m.time, m.value, "gold", m.text) for m in history.golds),
        *(Mark(m.step, m.tokens, m.time, m.value, "blocked", m.text) for m in history.blocked),
        *(Mark(m.step, m.tokens, m.time, None, "phase", m.text) for m in history.phases),
        *(Mark(m.step, m.tokens, m.time, None, "resume", m.text) for m in history.resumes),
    ]
    return ChartData(tuple(curves), tuple(marks))
