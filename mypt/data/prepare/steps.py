"""What is done with a piece of work, here or in a worker process: check it, collect its characters, encode it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from mypt.data.prepare.plan import Span
from mypt.errors import Problem, RunError
from mypt.tokenizers import Tokenizer

if TYPE_CHECKING:
    from mypt.data.prepare.inputs import Source

_BOM = b"\xef\xbb\xbf"


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


class Encoded(NamedTuple):
    """The tokens of several spans, one behind the other."""

    ids: npt.NDArray[Any]
    """uint16 or uint32."""
    lengths: list[int]
    """Tokens of each span."""


def check(separator: bytes, spans: list[Span]) -> list[Checked]:
    """Look at bytes: are they UTF-8, and where do documents end."""
    found = []
    for span, data in _read(spans, beyond=max(len(separator) - 1, 0)):
        own = data[: span.end - span.start]
        found.append(Checked(_invalid(own, span.start), b"\r\n" in own, _places(data, separator, span.start)))
    return found


def characters(_: None, spans: list[Span]) -> npt.NDArray[np.uint32]:
    """The code points that occur, sorted."""
    seen = np.zeros(0x110000, dtype=np.bool_)
    for span, data in _read(spans):
        if data.isascii():
            seen[np.frombuffer(data, dtype=np.uint8)] = True
        else:
            seen[np.frombuffer(_text(span, data).encode("utf-32-le"), dtype="<u4")] = True
    return np.flatnonzero(seen).astype(np.uint32)


def encode(tokenizer: Tokenizer, spans: list[Span]) -> Encoded:
    """The tokens of every span on its own."""
    parts = [tokenizer.encode_array(_text(span, data)) for span, data in _read(spans)]
    return Encoded(np.concatenate(parts), [len(part) for part in parts])


def texts(span: Span) -> Iterator[str | Invalid]:
    """The text of `span`, or what keeps it from being one."""
    for _, data in _read([span]):
        yield _invalid(data, span.start) or _text(span, data)


def _read(spans: list[Span], beyond: int = 0) -> Iterable[tuple[Span, bytes]]:
    """Each span with its bytes and up to `beyond` more of the file. RunError where a file has changed since the work began."""
    handle: BinaryIO | None = None
    opened: Source | None = None
    try:
        for span in spans:
            if handle is None or opened is not span.file:
                if handle is not None:
                    handle.close()
                handle, opened = _open(span.file), span.file
            handle.seek(span.start)
            data = handle.read(span.end - span.start + beyond)
            if len(data) < span.end - span.start:
                raise _changed(span.file)
            yield span, data
    except OSError as error:
        name = opened.path if opened is not None else ""
        raise RunError(f"{error.filename or name}: cannot be read: {error.strerror}") from None
    finally:
        if handle is not None:
            handle.close()


def _open(file: Source) -> BinaryIO:
    handle = Path(file.path).open("rb")  # noqa: SIM115 (closed by who asked for it)
    stat = Path(file.path).stat()
    if (stat.st_size, stat.st_mtime_ns) != (file.size, file.modified):
        handle.close()
        raise _changed(file)
    return handle


def _changed(file: Source) -> RunError:
    return RunError(f"{file.path} was changed while it was being read; prepare again when it is complete")


def _text(span: Span, data: bytes) -> str:
    """The text, without the mark that some editors begin a file with, which is none of its characters."""
    return (data.removeprefix(_BOM) if span.start == 0 else data).decode("utf-8")


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
