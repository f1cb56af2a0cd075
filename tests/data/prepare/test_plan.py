"""Files in pieces: nothing lost, nothing twice, no token changed, nothing longer than it should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mypt.data.prepare import plan
from mypt.data.prepare.inputs import Source
from mypt.data.prepare.plan import Cutter, Span
from mypt.tokenizers import Gpt2Tokenizer
from mypt.tokenizers.cuts import ANYWHERE, BYTE_LEVEL

TEXTS = st.lists(
    st.sampled_from(["a", "fox", " ", "  ", "\n", "\r\n", "!", "é", "中。", "🦊", "1", "\t", "'s", "\u2003"]),
    max_size=60,
).map("".join)


def span_of(path: Path, data: bytes) -> Span:
    path.write_bytes(data)
    return Span(Source(str(path), path.name, len(data), 0, False), 0, len(data))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan") / "text"


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, chunk=st.integers(16, 60))
@example(text="🦊" * 30, chunk=17)
def test_parts_of_a_text_give_the_tokens_of_the_whole(file: Path, text: str, chunk: int) -> None:
    data = text.encode()
    gpt2 = Gpt2Tokenizer()
    cutter = Cutter(BYTE_LEVEL, chunk)
    spans = list(cutter.spans(span_of(file, data)))
    assert [s.start for s in spans[1:]] == [s.end for s in spans[:-1]]
    assert (spans[0].start, spans[-1].end) == (0, len(data))
    parts = [data[s.start : s.end].decode() for s in spans]  # never a half character
    assert cutter.forced == 0
    assert [i for part in parts for i in gpt2.encode(part)] == gpt2.encode(text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200), chunk=st.integers(16, 60))
def test_characters_are_never_cut_in_two(file: Path, text: str, chunk: int) -> None:
    data = text.encode(errors="replace")
    spans = list(Cutter(ANYWHERE, chunk).spans(span_of(file, data)))
    assert "".join(data[s.start : s.end].decode() for s in spans) == data.decode()
    assert max(s.end - s.start for s in spans) <= chunk + chunk // 4 + 3


def test_places_are_found_behind_the_window(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_WINDOW", 16)
    data = b"a" * 1000 + b" b" + b"c" * 100
    cutter = Cutter(BYTE_LEVEL, 100)
    assert [s.end for s in cutter.spans(span_of(file, data))] == [1000, len(data)]
    assert cutter.forced == 0


def test_the_end_of_a_text_without_a_gap_is_not_cut(file: Path) -> None:
    data = b"word " * 10 + b"x" * 90
    assert [s.end for s in Cutter(BYTE_LEVEL, 64).spans(span_of(file, data))] == [140]


def test_a_run_without_a_gap_is_cut_all_the_same_and_counted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_LONGEST_RUN", 64)
    monkeypatch.setattr(plan, "_WINDOW", 16)
    data = "中".encode() * 200
    cutter = Cutter(BYTE_LEVEL, 100)
    spans = list(cutter.spans(span_of(file, data)))
    assert cutter.forced == len(spans) - 1 == 5
    assert all((s.end - s.start) % 3 == 0 for s in spans)


def test_what_is_no_text_is_cut_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it says what is wrong; it must not be read whole for that."""
    monkeypatch.setattr(plan, "_LONGEST_RUN", 64)
    monkeypatch.setattr(plan, "_WINDOW", 16)
    spans = list(Cutter(ANYWHERE, 100).spans(span_of(file, b"\xff" * 1000)))
    assert max(s.end - s.start for s in spans) <= 125 and spans[-1].end == 1000


def test_a_tokenizer_that_nobody_vouches_for_is_cut_after_lines(file: Path) -> None:
    cutter = Cutter(None, 10)
    assert [s.end for s in cutter.spans(span_of(file, b"one two three\nfour five six\nseven"))] == [
        14,
        28,
        33,
    ]
    assert cutter.forced == 2


def test_short_documents_share_a_piece_of_work(file: Path) -> None:
    source = span_of(file, b"word " * 20).file
    documents = [Span(source, start, start + 5) for start in range(0, 100, 5)]
    tasks = list(Cutter(BYTE_LEVEL, 20).tasks(documents))
    assert [len(task) for task in tasks] == [4] * 5
    assert [piece.document for task in tasks for piece in task] == list(range(20))
    assert all(piece.last for task in tasks for piece in task)


def test_a_long_document_between_short_ones(file: Path) -> None:
    source = span_of(file, b"word " * 20).file
    documents = [Span(source, 0, 5), Span(source, 5, 95), Span(source, 95, 100)]
    pieces = [piece for task in Cutter(BYTE_LEVEL, 20).tasks(documents) for piece in task]
    assert [piece.document for piece in pieces] == [0, 1, 1, 1, 1, 1, 2]
    assert [piece.last for piece in pieces] == [True, *[False] * 4, True, True]
    assert b"".join(file.read_bytes()[p.span.start : p.span.end] for p in pieces) == file.read_bytes()


def test_the_number_of_documents_in_a_piece_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_SPANS", 7)
    source = span_of(file, b"word " * 20).file
    tasks = list(Cutter(BYTE_LEVEL).tasks(Span(source, s, s + 5) for s in range(0, 100, 5)))
    assert [len(task) for task in tasks] == [7, 7, 6]
