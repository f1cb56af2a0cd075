"""A comparison as Markdown, CSV, JSON, or text for a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from mypt.diff.rows import Row, by_group
from mypt.diff.sides import Side
from mypt.diff.values import Cell
from mypt.text import cells, fitted, printable

Origin = Literal["file", "default", "missing", "unread"]


def to_markdown(rows: Sequence[Row], sides: Sequence[Side]) -> str:
    """A table for each group; rows that differ begin with ≠."""
    head = ["", "setting", *(_markdown(side.name) for side in sides)]
    lines: list[str] = []
    for group, members in by_group(rows):
        lines += [f"### {group}", "", _line(head), _line(["---"] * len(head))]
        lines += [
            _line(["≠" if row.differs else "", _markdown(row.label), *map(_markdown, _noted(row))])
            for row in members
        ]
        lines.append("")
    return "\n".join(lines)


def to_csv(rows: Sequence[Row], sides: Sequence[Side]) -> str:
    """group, setting, differs and a column a side. Missing is an empty field, null the word.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "setting", "differs", *(_harmless(side.name) for side in sides)])
    for row in rows:
        values = ["" if c.missing else c.text or _plain(c.value) for c in row.cells]
        cells = [
            v if isinstance(c.value, int | float) else _harmless(v)
            for v, c in zip(values, row.cells, strict=True)
        ]
        writer.writerow([row.group, _harmless(row.name), "yes" if row.differs else "no", *cells])
    return out.getvalue()


def to_json(rows: Sequence[Row], sides: Sequence[Side]) -> str:
    """`{"sides": [names], "rows": [{group, setting, differs, values: [{"value", "from"}]}]}`.

    `from` is "file", "default", "missing" or "unread"; a number that is not finite is its name.
    """
    described = [
        {
            "group": row.group,
            "setting": row.name,
            "differs": row.differs,
            "values": [_described(cell) for cell in row.cells],
        }
        for row in rows
    ]
    content = {"sides": [side.name for side in sides], "rows": described}
    return json.dumps(content, indent=2, allow_nan=False)


def to_text(rows: Sequence[Row], sides: Sequence[Side], width: int | None = None) -> list[str]:
    """Lines for people: columns under the names of the sides, groups apart, ≠ before what differs.

    None is wider than `width` cells (None: as wide as they come); values that have no room are cut.
    """
    noted = [_noted(row) for row in rows]
    labels = [printable(row.label, newline=False) for row in rows]
    heads = [printable(side.name, newline=False) for side in sides]
    first = max([cells(label) for label in labels], default=0) + 2
    columns = [
        max([cells(head), *(cells(texts[number]) for texts in noted)]) for number, head in enumerate(heads)
    ]
    if width is not None:
        first = min(first, width // 3)
        room = width - first - 2 * len(columns)
        limit = max(columns, default=0)
        while sum(min(column, limit) for column in columns) > room and limit > 8:
            limit -= 1
        columns = [min(column, limit) for column in columns]

    def line(start: str, values: Sequence[str]) -> str:
        parts = [fitted(start, first), *(fitted(v, c) for v, c in zip(values, columns, strict=True))]
        return "  ".join(parts).rstrip()

    lines = [line("", heads)]
    for group, members in by_group(rows):
        lines += ["", group]
        for row in members:
            place = next(i for i, other in enumerate(rows) if other is row)
            lines.append(line(f"{'≠' if row.differs else ' '} {labels[place]}", noted[place]))
    if not rows:
        lines += ["", "Nothing differs."]
    return lines


def _noted(row: Row) -> list[str]:
    """Each value with where it came from, or how far it is from the first."""
    return [f"{text} ({note})" if note else text for text, note in zip(row.texts, row.notes, strict=True)]


def _markdown(text: str) -> str:
    text = printable(text, newline=False)
    return "".join(f"\\{c}" if c in "\\|*_`[]<>#~" else c for c in text)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _harmless(text: str) -> str:
    text = printable(text, newline=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)


def _described(cell: Cell) -> dict[str, Any]:
    origin: Origin = "file"
    if cell.missing:
        origin = "unread" if cell.unread else "missing"
    elif cell.default:
        origin = "default"
    told = {"value": None if cell.missing else cell.text or _finite(cell.value), "from": origin}
    return told | ({"source": cell.source} if cell.source and origin == "file" else {})


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
