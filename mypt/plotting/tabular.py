"""Curves as CSV, for pandas and for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby

from mypt.text import printable
from mypt.watch.column import Column, Point
from mypt.watch.places import Axis

_CHUNK = 10_000
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@")


def csv_lines(
    runs: Mapping[str, Mapping[str, Column]], axis: Axis = "step", window: tuple[float, float] | None = None
) -> Iterator[str]:
    """CSV of some runs' curves, line by line: `run, step, tokens, time_s` and a column a curve.

    One row for each run and step at which anything was measured, the runs below each other (the tidy form: pandas
    groups by `run`, a spreadsheet filters by it). Numbers are exact as they are known; a cell is empty where a curve
    has no point, and says nan or inf where that was measured. `window` is a stretch of `axis`: what lies outside is
    left out.
    """
    names = list(dict.fromkeys(name for curves in runs.values() for name in curves))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(cells: Iterable[str]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(cells)
        return buffer.getvalue()

    yield line(["run", "step", "tokens", "time_s", *map(_word, names)])
    for run, curves in runs.items():
        for point, values in _rows(curves, axis, window):
            cells = [_word(run), str(point.step), _number(point.tokens), _number(point.time)]
            yield line([*cells, *(_number(values[name]) if name in values else "" for name in names)])


def csv_text(
    runs: Mapping[str, Mapping[str, Column]], axis: Axis = "step", window: tuple[float, float] | None = None
) -> str:
    """All of `csv_lines` as one text."""
    return "".join(csv_lines(runs, axis, window))


def _rows(
    curves: Mapping[str, Column], axis: Axis, window: tuple[float, float] | None
) -> Iterator[tuple[Point, dict[str, float]]]:
    streams = [
        _named(number, name, column, axis, window) for number, (name, column) in enumerate(curves.items())
    ]
    for _, group in groupby(merge(*streams, key=lambda row: row[:2]), key=lambda row: row[0]):
        rows: list[tuple[Point, dict[str, float]]] = []
        for _, _, point, name in group:
            # A log may measure twice at one step: both are told.
            row = next((values for _, values in rows if name not in values), None)
            if row is None:
                row = {}
                rows.append((point, row))
            row[name] = point.y
        yield from rows


def _named(
    number: int, name: str, column: Column, axis: Axis, window: tuple[float, float] | None
) -> Iterator[tuple[int, int, Point, str]]:
    for point in _points(column, axis, window):
        yield point.step, number, point, name


def _points(column: Column, axis: Axis, window: tuple[float, float] | None) -> Iterator[Point]:
    """The points a few thousand at a time, so that a million need no memory of their own."""
    start = 0
    if window is not None:
        first = column.at_or_after(axis, window[0])
        if first is None:
            return
        start = first.place
    while points := column.points(start, start + _CHUNK):
        for point in points:
            if window is not None and point.x(axis) > window[1]:
                return
            yield point
        start += _CHUNK


def _word(text: str) -> str:
    shown = printable(text, newline=False)
    return "'" + shown if shown.startswith(_FORMULA) else shown


def _number(value: float) -> str:
    if value == value and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return repr(value)
