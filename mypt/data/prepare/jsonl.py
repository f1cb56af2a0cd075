"""Lines of JSON: which are texts and which conversations, the text of one, and what can be wrong with it.

{"text": "…", …}                                        a text a line, as corpora for pre-training have it
{"messages": [{"role": "user", "content": "…"}, …]}     a conversation (`mypt.data.chat` reads these)
"""

from __future__ import annotations

import json
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from mypt.files import why_no_file

ENDING = "jsonl"
TEXT, MESSAGES = "text", "messages"
LONGEST = 256 << 20
"""Bytes of a line; a file with a longer one has no lines, and would not fit into a bounded memory."""
BOM = b"\xef\xbb\xbf"
HALVES = "holds half a surrogate pair, which is no character"
APART = "prepare texts and conversations in two datasets"
_FORM = 'a line is {"text": "…"}'
_FORMS = f'{_FORM} or {{"messages": [{{"role": "user", "content": "…"}}, …]}}'
_TRIED = 100
_NAMES = 8


class Fault(NamedTuple):
    """One thing that is wrong with a line: what, in which field, the value found there (if one says more), and what to do."""

    message: str
    field: str = ""
    value: tuple[object, ...] = ()
    remedy: str = ""


class Kind(StrEnum):
    """What the lines of a file are."""

    CONVERSATIONS = "conversations"
    TEXTS = "texts"


class Told(NamedTuple):
    """What the beginning of a file says that it holds. Without a `kind` there is a `fault`, or no line at all."""

    kind: Kind | None
    line: int = 0
    """The number, from 1, of the line that says so, or that has the fault."""
    fault: Fault | None = None
    is_object: bool = False
    """Whether that line is an object in JSON."""


def load(raw: bytes, form: str = _FORM) -> dict[str, Any] | Fault:
    """The object in a line of bytes. `form` says what a line looks like."""
    try:
        data = json.loads(raw.rstrip(b"\r\n").decode("utf-8"))
    except UnicodeDecodeError as error:
        return Fault(f"is not UTF-8: byte {error.start} of the line is {error.object[error.start]:#04x}")
    except json.JSONDecodeError as error:
        return Fault(f"is not JSON: {error.msg}, column {error.colno}")
    except (ValueError, RecursionError):
        # Numbers of thousands of digits, brackets in thousands of brackets.
        return Fault("is JSON that cannot be read")
    return data if isinstance(data, dict) else Fault("must be a JSON object", remedy=form)


def text_of(raw: bytes, field: str) -> str | Fault:
    """The text in a line of bytes, which may be empty."""
    data = load(raw)
    if isinstance(data, Fault):
        return data
    value = data.get(field)
    if field not in data:
        return _missing(data, field)
    if not isinstance(value, str):
        return Fault("must be a text", field, (value,))
    if has_halves(value):
        return Fault(HALVES, field, remedy="write whole characters")
    if "\0" in value:
        return Fault("holds the character NUL, which no text has", field, remedy="take it out")
    return value


def told(path: Path, field: str | None = None, longest: int = LONGEST) -> Told:
    """What the first line that can be told says. With a `field` named, whatever has it is a text. Raises OSError."""
    first = Told(None)
    if why_no_file(path):
        return first
    tried = size = 0
    with path.open("rb") as handle:
        for number in count(1):
            raw = handle.readline(longest + 1)
            size += len(raw)
            if not raw or size > longest or tried >= _TRIED:
                break
            if not raw.strip():
                continue
            tried += 1
            data = load(raw.removeprefix(BOM) if number == 1 else raw, _FORM if field else _FORMS)
            if not isinstance(data, Fault) and (kind := _kind(data, field)) is not None:
                return Told(kind, number, is_object=True)
            if first.fault is None:
                is_object = not isinstance(data, Fault)
                first = Told(
                    None, number, data if isinstance(data, Fault) else _neither(data, field), is_object
                )
    return first


def has_halves(text: str) -> bool:
    """Whether `text` cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _kind(data: dict[str, Any], field: str | None) -> Kind | None:
    if field is not None:
        return Kind.TEXTS if field in data else None
    if data.get(MESSAGES) is not None:
        return Kind.CONVERSATIONS
    return Kind.TEXTS if TEXT in data else None


def _neither(data: dict[str, Any], field: str | None) -> Fault:
    if field is not None:
        return _missing(data, field)
    return Fault(f"has neither {TEXT} nor {MESSAGES}", remedy=_others(data, _FORMS))


def _missing(data: dict[str, Any], field: str) -> Fault:
    if data.get(MESSAGES) is not None:
        return Fault(f"is missing, and {MESSAGES} is there: a conversation", field, remedy=APART)
    return Fault("is missing", field, remedy=_others(data))


def _others(data: dict[str, Any], form: str = _FORM) -> str:
    """Where the text may be instead; `form` where it is nowhere."""
    names = [name for name, value in data.items() if isinstance(value, str)]
    if not names:
        return form
    shown = ", ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in names[:_NAMES])
    more = " …" if len(names) > _NAMES else ""
    return f"if the text is in another field, say --text_field and which: {shown}{more}"
