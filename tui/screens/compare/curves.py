"""The curves of several models over each other: one colour a model, its best checkpoint marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mypt.bundle import split_name
from mypt.text import loss, whole
from tui.chart.model import ChartData, Column, Curve, Mark, series_color
from tui.screens.checkpoints.runs import Runs


def model_numbers(names: Iterable[str]) -> dict[str, int]:
    """A number for each model among these checkpoints, in their order; its last and gold share one."""
    numbers: dict[str, int] = {}
    for name in names:
        numbers.setdefault(split_name(name)[0], len(numbers))
    return numbers


def said_at(column: Column, furthest: int) -> Callable[[float], str]:
    """How a curve's values are written: the last one with its step, where another curve goes on beyond it."""
    last = column.last()
    ended = last if last is not None and last.step < furthest else None

    def write(value: float) -> str:
        return f"{loss(value)} (end: {whole(ended.step)})" if ended and value == ended.y else loss(value)

    return write


def overlay(numbers: Mapping[str, int], runs: Runs) -> ChartData:
    """Validation losses of all models that have a log, and where each has its gold."""
    curves: list[Curve] = []
    marks: list[Mark] = []
    found = {model: run for model in numbers if (run := runs.of(model)) and "val" in run.history.curves}
    ends = [point.step for run in found.values() if (point := run.history.curves["val"].last())]
    for model, run in found.items():
        column = run.history.curves["val"]
        said = said_at(column, max(ends, default=0))
        curves.append(Curve(model, model, series_color(numbers[model]), column, format=said))
        for gold in run.history.golds[-1:]:
            marks.append(Mark(gold.step, gold.tokens, gold.time, gold.value, "gold", f"{model} {gold.text}"))
    return ChartData(tuple(curves), tuple(marks))
