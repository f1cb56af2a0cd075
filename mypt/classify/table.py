"""Rows of a JSONL or CSV file as texts and labels, with everything that is wrong with them told at once. No torch."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mypt.errors import Problem, UserError
from mypt.files import why_no_file
from mypt.text import printable, whole

CSV_ENDINGS = {".csv": ",", ".tsv": "\t"}
_SHOWN = 5
# A cell that is longer is a file in which a quotation mark was lost.
LONGEST_CELL = 1 << 27


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, its texts in the order of the columns, and its class, None where it has none."""

    line: int
    texts: tuple[str, ...]
    label: str | None


@dataclass
class Faults:
    """What is wrong with the rows of a file: by kind, with the lines, so that thousands make one sentence."""

    shown: str
    _found: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, line: int, message: str, column: str = "") -> None:
        """A row at fault. `message` goes on with "in 3 rows"."""
        self._found.setdefault((message, column), []).append(line)

    def problems(self) -> list[Problem]:
        """One problem a kind of fault."""
        return [
            Problem(f"{message} in {_rows(lines)}: {at(lines)}", where=self.shown, field=column)
            for (message, column), lines in self._found.items()
        ]


def at(lines: Sequence[int]) -> str:
    """Where rows stand: `line 4`, `lines 4, 7, 9, 12, 40 and 95 more`."""
    named = ", ".join(str(line) for line in lines[:_SHOWN])
    more = f" and {whole(len(lines) - _SHOWN)} more" if len(lines) > _SHOWN else ""
    return f"line{'s' if len(lines) > 1 else ''} {named}{more}"


def read_table(path: Path, shown: str, columns: Sequence[str], label: str | None) -> list[Row]:
    """The rows of a file (`shown` in messages): the texts of `columns`, and the class of column `label`.

    With `label` every row must have one. Raises `UserError` with everything that is wrong: columns that are missing,
    rows without a text or a label, lines that are none of the format.
    """
    faults = Faults(shown)
    return _judged(read_rows(path, shown, faults), faults, columns, label)


def read_text(text: str, shown: str, columns: Sequence[str]) -> tuple[list[Row], bool]:
    """The rows of what came on standard input, and whether they are records: JSON lines, or, for one column, a text a
    line. No labels are asked for. Raises `UserError` as `read_table` does.
    """
    faults = Faults(shown)
    lines = list(enumerate(text.split("\n"), start=1))
    first = next((line.strip() for _, line in lines if line.strip()), "")
    if len(columns) == 1 and not first.startswith("{"):
        return [Row(number, (line,), None) for number, line in lines if line.strip()], False
    return _judged(_json_rows(lines, faults), faults, columns, None), True


def read_rows(path: Path, shown: str, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row of a file with its line, as an object. Raises `UserError` for what is no such file."""
    if why := why_no_file(path):
        raise UserError(Problem(why, where=shown, remedy="name a JSONL or CSV file"))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(Problem(f"cannot be read: {error.strerror}", where=shown)) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        raise UserError(Problem(message, where=shown)) from None
    if not text.strip():
        raise UserError(Problem("is empty", where=shown))
    sign = CSV_ENDINGS.get(path.suffix.lower())
    if sign is None:
        return _json_rows(enumerate(text.split("\n"), start=1), faults)
    return _csv_rows(text, sign, faults)


def _json_rows(lines: Iterable[tuple[int, str]], faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            faults.add(number, "no JSON")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            faults.add(number, "no JSON object")


def _csv_rows(text: str, sign: str, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    begin = 1
    try:
        head = next(reader, [])
        begin = reader.line_num + 1
        for cells in reader:
            number, begin = begin, reader.line_num + 1
            if not cells:
                continue
            if len(cells) != len(head):
                faults.add(number, f"not the {len(head)} cells of the header")
                continue
            yield number, dict(zip(head, cells, strict=True))
    except csv.Error as error:
        faults.add(begin, f"no CSV ({error})")


def _judged(
    rows: Iterable[tuple[int, dict[str, Any]]], faults: Faults, columns: Sequence[str], label: str | None
) -> list[Row]:
    wanted = [*columns, *([label] if label is not None else [])]
    found: list[Row] = []
    met: dict[str, None] = {}
    lacking: dict[str, list[int]] = {name: [] for name in wanted}
    read = 0
    for line, record in rows:
        read += 1
        met.update(dict.fromkeys(record))
        gone = [name for name in wanted if name not in record]
        for name in gone:
            lacking[name].append(line)
        texts = tuple(_text(record[name], name, line, faults) for name in columns if name in record)
        given = None
        if label is not None and label in record:
            given = _label(record[label], label, line, faults)
        if not gone:
            found.append(Row(line, texts, given))
    problems = []
    for name, lines in lacking.items():
        if lines and len(lines) == read:
            has = ", ".join(list(met)[:20]) or "none"
            message = "is no column of the file"
            problems.append(Problem(message, where=faults.shown, field=name, remedy=f"it has: {has}"))
        elif lines:
            problems.append(
                Problem(f"is missing in {_rows(lines)}: {at(lines)}", where=faults.shown, field=name)
            )
    problems += faults.problems()
    if not read and not problems:
        problems.append(Problem("has no rows", where=faults.shown))
    if problems:
        raise UserError(*problems)
    return found


def _text(value: Any, column: str, line: int, faults: Faults) -> str:
    if not isinstance(value, str):
        faults.add(line, "no text", column)
        return ""
    if not value.strip():
        faults.add(line, "an empty text", column)
    return value


def _label(value: Any, column: str, line: int, faults: Faults) -> str | None:
    if value is None or isinstance(value, dict | list):
        faults.add(line, "no class", column)
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    if not text.strip():
        faults.add(line, "no class", column)
    return text


def check_known(
    rows: Sequence[Row], shown: str, columns: Sequence[str], unknown: Callable[[str], list[str]]
) -> None:
    """Raises `UserError` where texts hold characters that `unknown` names."""
    for place, column in enumerate(columns):
        lines, chars = [], set()
        for row in rows:
            if lacking := unknown(row.texts[place]):
                lines.append(row.line)
                chars.update(lacking)
        if lines:
            named = " ".join(repr(char) for char in sorted(chars)[:20]) + (" …" if len(chars) > 20 else "")
            message = f"characters that the model's vocabulary lacks ({named}) in {_rows(lines)}: {at(lines)}"
            raise UserError(Problem(message, where=shown, field=column, remedy="take them out of the texts"))


def classes_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The classes that occur: numbers in their order, others by the alphabet."""
    names = {row.label for row in rows if row.label is not None}
    if all(re.fullmatch("-?[0-9]+", name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def unknown_labels(rows: Sequence[Row], shown: str, column: str, classes: Sequence[str]) -> list[Problem]:
    """A problem for the rows whose class is none of `classes`."""
    known, lines = (
        set(classes),
        [row.line for row in rows if row.label is not None and row.label not in classes],
    )
    if not lines:
        return []
    others = sorted({row.label for row in rows if row.label is not None} - known)
    named = ", ".join(repr(name) for name in others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
    there = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
    message = f"a class that the training data lacks ({named}) in {_rows(lines)}: {at(lines)}"
    return [Problem(printable(message), where=shown, field=column, remedy=f"the classes are: {there}")]


def _rows(lines: Sequence[int]) -> str:
    return f"{whole(len(lines))} row{'s' if len(lines) != 1 else ''}"
