"""Which columns a file of texts has and which of them are meant, told from its first row. No torch."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mypt.classify.table import CSV_ENDINGS, LONGEST_CELL
from mypt.errors import Problem, UserError
from mypt.files import open_regular, why_no_file

# A row that is longer is not looked at before all of it is read.
_READ = 1 << 20
_PAIRS = (("premise", "hypothesis"), ("sentence1", "sentence2"), ("question", "answer"))
_TEXTS = ("text", "sentence", "review", "content", "premise")
_LABELS = ("label", "class", "category", "sentiment", "target")


def first_row(path: Path, shown: str) -> dict[str, Any]:
    """The first row of a JSONL or CSV file (`shown` in messages) by its columns; of a header alone the cells are empty.

    Reads no more than the beginning. Raises `UserError` where that has no columns.
    """
    if why := why_no_file(path):
        raise UserError(Problem(why, where=shown, remedy="name a JSONL or CSV file"))
    try:
        with open_regular(path) as file:
            begin = file.read(_READ)
    except OSError as error:
        raise UserError(Problem(f"cannot be read: {error.strerror}", where=shown)) from None
    # The end may have been cut within a character, which a look at the first row does not need.
    text = begin.decode("utf-8-sig", "replace")
    if not text.strip():
        raise UserError(Problem("is empty", where=shown))
    sign = CSV_ENDINGS.get(path.suffix.lower())
    row = _json(text) if sign is None else _csv(text, sign)
    if not row:
        message = "has no JSON object in its first line" if sign is None else "has no header with columns"
        raise UserError(Problem(message, where=shown))
    return row


def _json(text: str) -> dict[str, Any]:
    line = next((line for line in text.split("\n") if line.strip()), "")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _csv(text: str, sign: str) -> dict[str, Any]:
    csv.field_size_limit(LONGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    try:
        head = next(rows, [])
        cells = next((row for row in rows if row), [])
    except csv.Error:
        return {}
    return dict(itertools.zip_longest(head, cells[: len(head)], fillvalue="")) if any(head) else {}


def likely(row: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The columns that are probably the texts (one or two) and the class, by their names; empty where none is."""
    label = next((name for name in _LABELS if name in row), "")
    texts = [name for name, value in row.items() if isinstance(value, str) and name != label]
    pair = next((pair for pair in _PAIRS if all(name in texts for name in pair)), ())
    named = next(((name,) for name in _TEXTS if name in texts), ())
    return pair or named or tuple(texts[:1] if len(texts) == 1 else ()), label
