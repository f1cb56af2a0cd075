"""What a dry run said, as names and values: whatever it knows is shown, and what is wrong comes first. No Textual."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mypt.diff import flatten, value_text
from mypt.text import printable, size
from tui.screens.transfer.process import Outcome

_PROBLEMS = ("problems", "problem", "errors", "error")
_NOTICES = ("notices", "notes", "warnings")
# What a person has just chosen, or what says nothing before anything is written.
_SILENT = frozenset({"written", "dry_run", "path", "name", *_PROBLEMS, *_NOTICES})
_MOST = 60
# Of a name and its value together: two of them fit beside each other.
_SHORT = 34


@dataclass(frozen=True, slots=True)
class Preview:
    """`rows` are names with values, `problems` what keeps it from being done, `notices` what one should know."""

    rows: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it can be done as far as the dry run tells."""
        return not self.problems


def read(outcome: Outcome) -> Preview:
    """The preview in what a dry run printed; where it printed none, its errors are the problems. All printable."""
    values = _object(outcome.out)
    problems = [text for name in _PROBLEMS for text in _texts(values.get(name))]
    if outcome.code != 0 and not problems:
        problems = _told(outcome)
    notices = [text for name in _NOTICES for text in _texts(values.get(name))]
    shown = {name: value for name, value in values.items() if name not in _SILENT}
    found = [(name, value) for name, value in flatten(shown) if value not in ("", {}, [])]
    # What was recognised is one object, whose name would only stand before every line.
    rows = [
        (printable(name.removeprefix("info."), newline=False), _text(name, value)) for name, value in found
    ]
    return Preview(tuple(rows[:_MOST]), tuple(problems), tuple(notices), values)


def pictured(preview: Preview, colours: Mapping[str, str]) -> RenderableType:
    """Notices, then what takes a line of its own, then the short values, two on a line."""
    ink, warning = colours.get("secondary", ""), colours.get("warning", "")
    wide = Table.grid(padding=(0, 2, 0, 0))
    wide.add_column(no_wrap=True)
    wide.add_column(overflow="fold")
    for notice in preview.notices:
        wide.add_row(Text("!", warning), Text(notice, warning))
    narrow = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        narrow.add_column(no_wrap=True)
    short = [row for row in preview.rows if cell_len(row[0]) + cell_len(row[1]) <= _SHORT]
    for name, value in preview.rows:
        if (name, value) not in short:
            wide.add_row(Text(name.replace("_", " "), ink), Text(value))
    half = (len(short) + 1) // 2
    for left, right in zip_longest(short[:half], short[half:], fillvalue=("", "")):
        cells = [Text(left[0].replace("_", " "), ink), Text(left[1]), Text(right[0].replace("_", " "), ink)]
        narrow.add_row(*cells, Text(right[1]))
    return Group(wide, narrow)


def _told(outcome: Outcome) -> list[str]:
    """What a command without an answer said: its lines, or of an error that nobody expected the last one."""
    lines = [_without_program(line) for line in outcome.errors]
    if any(line.startswith("Traceback") for line in lines):
        return [f"the command itself failed: {lines[-1]}"]
    return lines or [f"ended with status {outcome.code} and said nothing"]


def _object(text: str) -> dict[str, Any]:
    """The JSON object in what was printed: all of it, or what begins with the first brace."""
    try:
        value = json.loads(text[text.index("{") :])
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(name: str, value: Any) -> str:
    last = name.rpartition(".")[2]
    if (last in ("bytes", "size") or last.endswith("_bytes")) and isinstance(value, int | float):
        return size(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value), newline=False)
    return _without_program(value_text(name, value))


def _texts(value: Any) -> Sequence[str]:
    if value is None or value == "" or value is False:
        return []
    items = value if isinstance(value, list) else [value]
    return [
        _without_program(printable(item if isinstance(item, str) else json.dumps(item))) for item in items
    ]


def _without_program(line: str) -> str:
    """What a command says, for somebody who has no command line before them."""
    return re.sub(r"(?<!\S)--(\w+)", r"\1", line.removeprefix("mypt: "))
