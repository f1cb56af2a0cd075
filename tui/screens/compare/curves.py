"""The curves of several models over each other: one colour a model, its best checkpoint marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mypt.bundle import split_name
from mypt.text import loss
from tui.chart.model import ChartData, Curve, Mark, series_color
from tui.screens.checkpoints.runs import Runs


def model_numbers(names: Iterable[str]) -> dict[str, int]:
    """A number for each model among these checkpoints, in their order; its last and gold share one."""
    numbers: dict[str, int] = {}
    for name in names:
        numbers.setdefault(split_name(name)[0], len(numbers))
    return numbers


def overlay(numbers: Mapping[str, int], runs: Runs) -> ChartData:
    """Validation losses of all models that have a log, and where each has its gold."""
    curves: list[Curve] = []
    marks: list[Mark] = []
    for model, number in numbers.items():
        run = runs.of(model)
        if run is None or "val" not in run.history.curves:
            continue
        column = run.history.curves["val"]
        curves.append(Curve(model, model, series_color(number), column, format=loss))
        for gold in run.history.golds[-1:]:
            marks.append(Mark(gold.step, gold.tokens, gold.time, gold.value, "gold", f"{model} {gold.text}"))
    return ChartData(tuple(curves), tuple(marks))
