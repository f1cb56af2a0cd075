"""Pieces of work: spans of files, small enough for a bounded memory, cut where cutting changes no token.

The plan depends on the files and the tokenizer alone, so the result is the same whatever the number of processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mypt.data.prepare.inputs import Source
from mypt.tokenizers.cuts import ANYWHERE

CHUNK = 4 << 20
"""Bytes of a piece of work, more or less: large beside its costs, small beside the memory of a machine."""
_WHOLE = 1 << 20
# Behind this many bytes without a place to cut, the cut is made all the same.
_LONGEST_RUN = 1 << 20
_WINDOW = 1 << 16
_BLOCK = 1 << 20
# Enough for two characters before a place and one behind it, whatever their length.
_MARGIN = 12
_SPANS = 10_000
_LINE = re.compile(r"(?<=\n)(?=.)", re.DOTALL)


class Span(NamedTuple):
    """The bytes from `start` to `end` (excluded) of a file."""

    file: Source
    start: int
    end: int


class Piece(NamedTuple):
    """A span of one document."""

    document: int
    span: Span
    last: bool
    """Whether the document ends with it."""


class Cutter:
    """Cuts spans. `forced` counts the cuts at which tokens may differ from those of the whole document."""

    def __init__(self, cuts: re.Pattern[str] | None, chunk: int = 0) -> None:
        """`cuts` as `Tokenizer.cuts`; with None only documents over some megabytes are cut, after line breaks."""
        self.forced = 0
        self._exact = cuts is not None
        self._cuts = cuts or _LINE
        self._chunk = (chunk or CHUNK) if self._exact else min(chunk or CHUNK, _WHOLE)

    def spans(self, span: Span) -> Iterator[Span]:
        """`span` in parts of about a chunk; of lines whole ones. Raises OSError where the file cannot be read."""
        if span.file.field:
            yield from behind_lines(span, self._chunk)
            return
        file, start, end = span
        if end - start <= self._chunk + self._chunk // 4:
            yield span
            return
        with Path(file.path).open("rb") as handle:
            while end - start > self._chunk + self._chunk // 4:
                place = self._place(handle, start + self._chunk, end)
                if place == end:
                    break
                yield Span(file, start, place)
                start = place
        yield Span(file, start, end)

    def tasks(self, documents: Iterable[Span]) -> Iterator[list[Piece]]:
        """Pieces of work: parts of a long document, or many short documents."""
        task: list[Piece] = []
        size = 0
        for number, document in enumerate(documents):
            for span in self.spans(document):
                if task and (size + span.end - span.start > self._chunk or len(task) >= _SPANS):
                    yield task
                    task, size = [], 0
                task.append(Piece(number, span, span.end == document.end))
                size += span.end - span.start
        if task:
            yield task

    def _place(self, handle: BinaryIO, at: int, end: int) -> int:
        """The first place at or behind `at` where the span up to `end` can be cut; `end` where it need not be."""
        for start in range(at, min(at + _LONGEST_RUN, end), _WINDOW):
            found = _search(handle, self._cuts, start, min(start + _WINDOW, end))
            if found is not None:
                self.forced += not self._exact
                return found
        if at + _LONGEST_RUN >= end:
            return end
        self.forced += 1
        found = _search(handle, ANYWHERE, at, min(at + _WINDOW, end))
        return at if found is None else found  # no text at all: whoever reads it will say so


def behind_lines(span: Span, chunk: int) -> Iterator[Span]:
    """`span` in parts of `chunk` bytes or more, cut behind line breaks. Raises OSError where the file cannot be read."""
    file, start, end = span
    if end - start > chunk + chunk // 4:
        with Path(file.path).open("rb") as handle:
            while end - start > chunk + chunk // 4:
                handle.seek(start + chunk - 1)
                while True:
                    # A line may be longer than anybody wants to have in memory here.
                    part = handle.readline(_BLOCK)
                    if not part or part.endswith(b"\n"):
                        break
                place = min(handle.tell(), end)
                yield Span(file, start, place)
                start = place
    if start < end:
        yield Span(file, start, end)


def _search(handle: BinaryIO, cuts: re.Pattern[str], start: int, end: int) -> int | None:
    """The first place of `cuts` from byte `start` to byte `end` (excluded), or None."""
    before = max(start - _MARGIN, 0)
    handle.seek(before)
    data = handle.read(end + _MARGIN - before)
    first = start - before
    while first < min(len(data), start - before + 3) and data[first] & 0xC0 == 0x80:
        first += 1  # within a character
    # What is cut in two at either edge, and what is no text at all, becomes surrogates.
    text = data.decode("utf-8", "surrogateescape")
    place = len(data[:first].decode("utf-8", "surrogateescape"))
    while (match := cuts.search(text, place)) is not None:
        place = match.start()
        if not "\udc80" <= text[place] <= "\udcff":
            break
        place += 1
    if match is None:
        return None
    found = before + len(text[:place].encode("utf-8", "surrogateescape"))
    return found if found < end else None
