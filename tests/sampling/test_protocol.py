"""What is said over the pipe: every message comes through as it was, and what is none is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from mypt.sampling.protocol import (
    Asked,
    Begun,
    Cancel,
    Drop,
    Ended,
    Failed,
    Load,
    Loading,
    Piece,
    Ready,
    Started,
    Told,
    Write,
    read_report,
    read_request,
    speed,
    to_line,
)
from mypt.sampling.settings import Settings

REQUESTS: list[Asked] = [
    Load(model="dante_gold", device="cpu"),
    Write(id="1", model="dante", prompt='two\nlines "and" more', chat=True, system="be kind"),
    Write(id="2", model="x", settings=Settings(temperature=0, top_k=5, top_p=0.5, seed=7, max_new_tokens=9)),
    Cancel(id="1"),
    Drop(model="dante"),
]
REPORTS: list[Told] = [
    Started(pid=12, threads=2, niceness=10),
    Loading(model="dante", parameters=1000),
    Ready(model="dante", device="cpu", parameters=1000, context=16, tokenizer="char", step=8, modified=1.5),
    Begun(id="1", step=8, chat=True, notes=["the prompt is long"]),
    Piece(id="1", text="žluťoučký\n\x1b[31m", tokens=3, seconds=0.5),
    Ended(id="1", why="length", tokens=3, seconds=0.5),
    Failed(message="no such checkpoint", model="dante"),
]


@pytest.mark.parametrize("message", REQUESTS, ids=lambda m: type(m).__name__)
def test_a_request_comes_through(message: Asked) -> None:
    line = to_line(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert read_request(line) == message


@pytest.mark.parametrize("message", REPORTS, ids=lambda m: type(m).__name__)
def test_a_report_comes_through(message: Told) -> None:
    line = to_line(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert read_report(line) == message
    assert json.loads(line)["say"]


def test_half_a_surrogate_pair_is_spelled_out() -> None:
    line = to_line(Piece(id="1", text="a\ud800b", tokens=1, seconds=0))
    report = read_report(line)
    assert isinstance(report, Piece)
    assert report.text == "a\\ud800b"


def test_fields_that_nobody_knows_are_let_through() -> None:
    assert read_request(b'{"ask": "cancel", "id": "1", "later": true}') == Cancel(id="1")


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"ask": "dance"}', b'{"ask": "cancel"}', b"\xff"])
def test_what_is_no_request_is_told(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_request(line)


def test_speed_is_that_of_the_tokens_after_the_first() -> None:
    assert speed(0, 0) is None and speed(1, 2.0) is None
    assert speed(11, 2.0) == 5.0


@pytest.mark.parametrize("read", [read_request, read_report])
@pytest.mark.parametrize("line", [b'{"a":' * 5000, b"[" * 100_000, rb'{"ask":"load","\ud800":1}', b"\xff"])
def test_what_cannot_be_read_is_no_message(read: Callable[[bytes], object], line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read(line)
