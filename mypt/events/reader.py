"""Whoever reads a log: keeps a torn line back, counts those that are no events, and never raises for content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mypt.events.line import BadLineError, decode
from mypt.events.records import AnyEvent
from mypt.files import open_regular


@dataclass(slots=True)
class LineReader:
    """Bytes in, events out: keeps a torn last line until the rest of it comes, and counts lines that are no events.

    `feed` may be given any cut of the bytes. `bad` counts unreadable lines, `last_bad` says what was wrong last.
    """

    bad: int = 0
    last_bad: str = ""
    # Grown in place: a long line that comes in a thousand pieces must not be copied a thousand times.
    _tail: bytearray = field(default_factory=bytearray)
    # A line without an end must not eat the memory; no event of ours comes near it.
    max_line: int = 64 * 1024 * 1024

    def feed(self, chunk: bytes) -> Iterator[AnyEvent]:
        """The events whose lines end within `chunk`, in order."""
        first, newline, rest = chunk.partition(b"\n")
        self._tail += first
        lines: list[bytes] = []
        if newline:
            *lines, last = [bytes(self._tail), *rest.split(b"\n")]
            self._tail = bytearray(last)
        if len(self._tail) > self.max_line:
            self._tail.clear()
            self._count(f"a line of more than {self.max_line} bytes")
        for line in lines:
            event = self._decode(line)
            if event is not None:
                yield event

    def finish(self) -> Iterator[AnyEvent]:
        """What a last line without a newline holds, when no more will come; a torn one counts as bad."""
        line, self._tail = bytes(self._tail), bytearray()
        event = self._decode(line)
        if event is not None:
            yield event

    @property
    def pending(self) -> int:
        """Bytes of an unfinished last line that are held back."""
        return len(self._tail)

    def _decode(self, line: bytes) -> AnyEvent | None:
        try:
            return decode(line)
        except BadLineError as error:
            self._count(str(error))
            return None

    def _count(self, why: str) -> None:
        self.bad += 1
        self.last_bad = why


def read_log(path: Path) -> tuple[list[AnyEvent], int]:
    """All events of a log and the number of lines that could not be read. Raises `OSError` for the file itself."""
    reader = LineReader()
    events: list[AnyEvent] = []
    with open_regular(path) as file:
        while chunk := file.read(1 << 20):
            events.extend(reader.feed(chunk))
    events.extend(reader.finish())
    return events, reader.bad
