"""Bytes of files that are as they were when the work began: spans of them, and lines of spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mypt.data.prepare.inputs import Source
from mypt.data.prepare.jsonl import BOM
from mypt.data.prepare.plan import Span
from mypt.errors import RunError


def spans(wanted: Iterable[Span], beyond: int = 0) -> Iterator[tuple[Span, bytes]]:
    """Each span with its bytes and up to `beyond` more of the file. RunError where a file has changed since the work began."""
    handle: BinaryIO | None = None
    opened: Source | None = None
    try:
        for span in wanted:
            if handle is None or opened is not span.file:
                if handle is not None:
                    handle.close()
                handle, opened = _open(span.file), span.file
            handle.seek(span.start)
            data = handle.read(span.end - span.start + beyond)
            if len(data) < span.end - span.start:
                raise changed(span.file)
            yield span, data
    except OSError as error:
        name = opened.path if opened is not None else ""
        raise RunError(f"{error.filename or name}: cannot be read: {error.strerror}") from None
    finally:
        if handle is not None:
            handle.close()


def lines(span: Span, longest: int) -> Iterator[tuple[int, int, bytes]]:
    """The lines of `span`, each with its first byte and the one behind it; of one over `longest` only so much that this can be told.

    The mark with which some editors begin a file is left out. RunError where the file has changed since the work began.
    """
    try:
        with _open(span.file) as handle:
            handle.seek(span.start)
            start = end = span.start
            while start < span.end:
                raw = handle.readline(longest + 1)
                end += len(raw)
                if not raw:
                    raise changed(span.file)
                rest = raw
                while len(rest) > longest and not rest.endswith(b"\n"):
                    rest = handle.readline(longest + 1)
                    end += len(rest)
                yield start, end, raw.removeprefix(BOM) if start == 0 else raw
                start = end
    except OSError as error:
        raise RunError(f"{span.file.path}: cannot be read: {error.strerror}") from None


def changed(file: Source) -> RunError:
    """What to say of a file that is not what it was."""
    return RunError(f"{file.path} was changed while it was being read; prepare again when it is complete")


def _open(file: Source) -> BinaryIO:
    handle = Path(file.path).open("rb")  # noqa: SIM115 (closed by who asked for it)
    stat = Path(file.path).stat()
    if (stat.st_size, stat.st_mtime_ns) != (file.size, file.modified):
        handle.close()
        raise changed(file)
    return handle
