"""The shape of a long log before it is read: a few lines from every part of it."""

from __future__ import annotations

import os
from pathlib import Path

from mypt.events import AnyEvent
from mypt.files import open_regular
from mypt.watch.history import RunHistory
from mypt.watch.lines import EvalRow, LineDecoder

PREVIEW_FROM = 8 * 1024 * 1024
"""Bytes from which a log takes long enough to read that a preview is worth its while."""
_PLACES = 400
_PIECE = 4096
_HEAD = 64 * 1024


def preview(path: Path) -> RunHistory | None:
    """A history of lines at evenly spread places of the log, first and last ones included; a few milliseconds.

    Its curves have the shape of the whole run, its numbers are the present ones; what happened between the places is
    missing. None where the log is short, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size < PREVIEW_FROM:
                return None
            decoder, events = LineDecoder(), list[AnyEvent | EvalRow]()
            events += decoder.feed(_whole_lines(b"\n" + file.read(_HEAD)))
            for place in range(1, _PLACES + 1):
                at = _HEAD + (size - _HEAD - _PIECE) * place // _PLACES
                file.seek(max(at, 0))
                # The last line of a piece is the one that is nearest to the next.
                events += decoder.feed(_last_line(file.read(_PIECE)))
    except OSError:
        return None
    history = RunHistory()
    history.feed(events)
    return history


def _whole_lines(piece: bytes) -> bytes:
    first, last = piece.find(b"\n"), piece.rfind(b"\n")
    return piece[first + 1 : last + 1]


def _last_line(piece: bytes) -> bytes:
    lines = _whole_lines(piece)
    return lines[lines.rfind(b"\n", 0, -1) + 1 :]
