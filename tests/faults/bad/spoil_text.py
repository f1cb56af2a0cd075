"""What can happen within JSON, JSON lines and tables: a value becomes another, of another kind, or goes, or comes twice."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.faults.bad.spoil_bytes import RAW_VALUES, Chance, as_bytes

_MARK = "\ue000raw\ue001"


def in_json(data: bytes, chance: Chance) -> bytes:
    """A value somewhere in it becomes another, or goes, or comes twice, or is called otherwise."""
    return spoil_value(json.loads(data), chance)


def spoil_value(value: Any, chance: Chance) -> bytes:
    """`value` as JSON, with some of it spoiled."""
    raw: list[str] = []
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        value = _changed(value, chance, raw)
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    for number, instead in enumerate(raw):
        mark = f"{_MARK}{number}"
        for spelled in (json.dumps(mark), json.dumps(mark, ensure_ascii=False)):
            text = text.replace(spelled, instead)
    return text.encode("utf-8", "surrogatepass")


def _changed(value: Any, chance: Chance, raw: list[str]) -> Any:
    """The same value but for one node below it."""
    deeper = isinstance(value, dict | list) and len(value) > 0 and chance.random() < 0.85
    if not deeper:
        return _other(value, chance, raw)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        what = chance.random()
        if what < 0.1:
            return value[:at] + value[at + 1 :]
        if what < 0.2:
            return value[:at] + [value[at]] * 2 + value[at:]
        return [*value[:at], _changed(value[at], chance, raw), *value[at + 1 :]]
    key, what = chance.choice(list(value)), chance.random()
    if what < 0.1:
        return {name: held for name, held in value.items() if name != key}
    if what < 0.2:
        other = chance.choice(
            (key.upper(), key[:-1], key + "\u202e", "", "a/b", "\x1b[5m", "__class__", key * 300)
        )
        return {other if name == key else name: held for name, held in value.items()}
    if what < 0.25:
        return {**value, key: value[chance.choice(list(value))]}
    return {**value, key: _changed(value[key], chance, raw)}


def _other(value: Any, chance: Chance, raw: list[str]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.3:
        return value + chance.choice((1, -1, -value * 2, value * 1000, 10**12))
    if isinstance(value, str) and value and chance.random() < 0.2:
        return chance.choice(
            (value * 2, value[:-1], value.upper(), value + "\x00", value + "\x9b5m", "../" + value)
        )
    raw.append(chance.choice(RAW_VALUES))
    return f"{_MARK}{len(raw) - 1}"


def in_lines(data: bytes, chance: Chance) -> bytes:
    """Of JSON lines some are spoiled, go, come twice, or change places."""
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 1, 2, 6))):
        at, what = chance.randrange(len(lines)), chance.random()
        if what < 0.7:
            lines[at] = (
                in_json(lines[at], chance) if lines[at].startswith(b"{") else as_bytes(lines[at], chance)
            )
        elif what < 0.8:
            lines[at:at] = [lines[at]] * chance.choice((1, 2, 100))
        elif what < 0.9:
            chance.shuffle(lines)
        else:
            lines[at] = chance.choice(
                (b"", b"null", b"[]", b"{}", b"\xff\xfe", b"\0" * 50, b"{" * 5000, b"1")
            )
    return chance.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n")).join(lines)


def in_table(data: bytes, chance: Chance) -> bytes:
    """Of a table some cells become others."""
    cells = re.split(rb"([,\t\n])", data)
    for _ in range(chance.choice((1, 2, 5))):
        at = chance.randrange(len(cells))
        cells[at] = chance.choice(
            (
                b"",
                b'"',
                b'""',
                b'"a\nb"',
                b",",
                b"\n",
                b"\0",
                b"x" * 9000,
                b"\xff",
                b"1e400",
                b"-1",
                b"\x1b[2J",
                b'"x"y',
                b"\r",
            )
        )
    return b"".join(cells)
