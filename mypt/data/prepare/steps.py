"""What is done with a piece of work, here or in a worker process: check it, collect its characters, encode it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mypt.data.prepare import jsonl, reading
from mypt.data.prepare.documents import Lines
from mypt.data.prepare.faults import Faults
from mypt.data.prepare.jsonl import BOM, Fault
from mypt.data.prepare.plan import Span
from mypt.errors import Problem
from mypt.text import size
from mypt.tokenizers import Tokenizer


class Invalid(NamedTuple):
    """A byte that is not part of a UTF-8 text."""

    offset: int
    """From the beginning of the file."""
    byte: int

    def problem(self, where: str) -> Problem:
        """What to say about the file, called `where` in the message."""
        if self.offset == 0 and self.byte in (0xFF, 0xFE):
            remedy = "it looks like UTF-16; convert it with iconv -f utf-16 -t utf-8"
        elif self.byte == 0:
            remedy = "leave it out, or convert it to UTF-8"
        else:
            remedy = "convert it, for instance with iconv -f latin1 -t utf-8"
        kind = "text" if self.byte == 0 else "UTF-8 text"
        return Problem(f"is not {kind}: byte {self.offset} is {self.byte:#04x}", where=where, remedy=remedy)


class Checked(NamedTuple):
    """What `check` found in one span."""

    invalid: Invalid | None
    carriage_returns: bool
    """Whether it has line ends of Windows."""
    separators: npt.NDArray[np.int64]
    """Where the text that separates documents begins, from the beginning of the file; they may overlap."""


class CheckedLines(NamedTuple):
    """What `check` found in one span of lines of JSON."""

    number: int
    """How many lines there are."""
    lines: Lines
    """Those with a text."""
    empty: int
    """Texts without a character."""
    carriage_returns: bool
    """Whether a text has line ends of Windows."""
    faults: Faults


class Encoded(NamedTuple):
    """The tokens of several spans, one behind the other."""

    ids: npt.NDArray[Any]
    """uint16 or uint32."""
    lengths: list[int]
    """Tokens of each span."""


def check(separator: bytes, spans: list[Span]) -> list[Checked | CheckedLines]:
    """Look at bytes: are they UTF-8, or right lines of JSON, and where do documents end."""
    found: list[Checked | CheckedLines] = []
    for span in spans:
        if span.file.field:
            found.append(_check_lines(span))
            continue
        ((_, data),) = reading.spans([span], beyond=max(len(separator) - 1, 0))
        own = data[: span.end - span.start]
        found.append(Checked(_invalid(own, span.start), b"\r\n" in own, _places(data, separator, span.start)))
    return found


def characters(_: None, spans: list[Span]) -> npt.NDArray[np.uint32]:
    """The code points that occur, sorted."""
    seen = np.zeros(0x110000, dtype=np.bool_)
    for span, data in reading.spans(spans):
        if data.isascii() and not span.file.field:
            seen[np.frombuffer(data, dtype=np.uint8)] = True
        else:
            seen[np.frombuffer(_text(span, data).encode("utf-32-le"), dtype="<u4")] = True
    return np.flatnonzero(seen).astype(np.uint32)


def encode(tokenizer: Tokenizer, spans: list[Span]) -> Encoded:
    """The tokens of every span on its own."""
    parts = [tokenizer.encode_array(_text(span, data)) for span, data in reading.spans(spans)]
    return Encoded(np.concatenate(parts), [len(part) for part in parts])


def texts(span: Span) -> Iterator[str | Invalid | Fault]:
    """The text of `span`, or of each of its lines (an empty one where there is none), or what keeps it from being one."""
    if span.file.field:
        for _, _, raw in reading.lines(span, jsonl.LONGEST):
            yield _in_line(raw, span.file.field)
        return
    for _, data in reading.spans([span]):
        yield _invalid(data, span.start) or _text(span, data)


def sample(document: Span, most: int) -> str:
    """The beginning of a document's text, of about `most` bytes."""
    file, start, end = document
    part = document if file.field else Span(file, start, min(end, start + most))
    for _, data in reading.spans([part]):
        return _text(part, data)[:most] if file.field else data.decode("utf-8", "ignore")
    return ""


def _check_lines(span: Span) -> CheckedLines:
    places: list[tuple[int, int, int]] = []
    faults = Faults()
    number = empty = 0
    carriage_returns = False
    for number, (start, end, raw) in enumerate(reading.lines(span, jsonl.LONGEST), 1):
        text = _in_line(raw, span.file.field)
        if isinstance(text, Fault):
            faults.add(number - 1, [text])
        elif text:
            places.append((start, end, len(text) if text.isascii() else len(text.encode())))
            carriage_returns = carriage_returns or "\r\n" in text
        else:
            empty += bool(raw.strip())
    columns = np.array(places, np.int64).reshape(-1, 3)
    return CheckedLines(number, Lines(*columns.T), empty, carriage_returns, faults)


def _in_line(raw: bytes, field: str) -> str | Fault:
    """The text in a line; a blank one has none."""
    if len(raw) > jsonl.LONGEST:
        return Fault(f"is longer than {size(jsonl.LONGEST)}", remedy="one text a line")
    return jsonl.text_of(raw, field) if raw.strip() else ""


def _text(span: Span, data: bytes) -> str:
    """The text, without the mark that some editors begin a file with, which is none of its characters."""
    own = data.removeprefix(BOM) if span.start == 0 else data
    if not span.file.field:
        return own.decode("utf-8")
    text = _in_line(own, span.file.field)
    if isinstance(text, Fault):
        raise reading.changed(span.file)
    return text


def _invalid(data: bytes, start: int) -> Invalid | None:
    # A text has no byte 0 either; what has is a program, a picture, or UTF-16.
    zero = data.find(b"\0")
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        if zero < 0 or error.start < zero:
            return Invalid(start + error.start, data[error.start])
    return None if zero < 0 else Invalid(start + zero, 0)


def _places(data: bytes, separator: bytes, start: int) -> npt.NDArray[np.int64]:
    places = []
    place = data.find(separator) if separator else -1
    while place >= 0:
        places.append(start + place)
        place = data.find(separator, place + 1)
    return np.array(places, dtype=np.int64)
