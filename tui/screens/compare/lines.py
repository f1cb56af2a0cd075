"""What the table of a comparison shows: its lines, the heads of its columns, and how wide they are. No Textual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.cells import cell_len

from mypt.diff import DETAILS, Row, by_group
from mypt.text import printable

GAP = 2
"""Cells between two columns."""
NOTE_GAP = 2
"""Cells between a value and the word beside it."""
_NARROWEST, _WIDEST = 16, 44


class Head(NamedTuple):
    """The head of a column: a checkpoint's name, the colour of its curve, and whether it can be read."""

    name: str
    colour: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: a heading, or a setting with its texts. A heading that `folds` shows or hides its group."""

    heading: str = ""
    folds: bool = False
    row: Row | None = None
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    differs: tuple[bool, ...] = field(default=())

    @property
    def key(self) -> tuple[str, str] | None:
        """What it is known by; None for a heading that only stands there."""
        if self.row is not None:
            return (self.row.group, self.row.name)
        return ("", self.heading.partition(" ")[0]) if self.folds else None


def table_lines(rows: Sequence[Row], *, only_differences: bool, details: bool = True) -> list[Line]:
    """The lines to show: headings for the groups that have rows; the details only where they are asked for."""
    lines: list[Line] = []
    for group, members in by_group(row for row in rows if row.differs or not only_differences):
        folds = group == DETAILS
        if folds:
            what = "differ" if only_differences else f"value{'s' * (len(members) != 1)}"
            lines.append(Line(heading=f"{group} {'▾' if details else '▸'} {len(members)} {what}", folds=True))
            if not details:
                continue
        else:
            lines.append(Line(heading=group))
        lines += [
            Line(row=row, texts=row.texts, notes=row.notes, differs=row.unlike_first) for row in members
        ]
    if (
        lines
        and only_differences
        and all(line.folds or (line.row and line.row.group == DETAILS) for line in lines)
    ):
        lines.insert(0, Line(heading="No setting differs: d shows them all"))
    return lines


def column_widths(natural: Sequence[int], room: int) -> list[int]:
    """Widths for columns that would like `natural`: as wished where they fit, else the widest give way, to a point."""
    wished = [min(max(width, _NARROWEST), _WIDEST) for width in natural]
    for limit in range(_WIDEST, _NARROWEST, -1):
        widths = [min(width, limit) for width in wished]
        if sum(widths) <= room:
            return widths
    return [_NARROWEST] * len(wished)


def wished(line: Line, number: int) -> int:
    """Cells that a value would like, with the word beside it."""
    note = line.notes[number]
    return cell_len(line.texts[number]) + (NOTE_GAP + cell_len(plain(note)) if note else 0)


def plain(text: str) -> str:
    """A name from a file on one line, safe for a terminal."""
    return printable(text, newline=False)
