"""Corpora with a text in every line of JSON: each is a document, whatever the pieces, and what is wrong is told by its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt.data.prepare import jsonl, plan, steps
from mypt.data.prepare.checking import Checking
from mypt.data.prepare.corpus import Corpus
from mypt.data.prepare.documents import whole_files
from mypt.data.prepare.inputs import Source, find
from mypt.data.prepare.plan import Cutter, Span, behind_lines
from mypt.data.prepare.request import Silent, TokenizerChoice
from mypt.data.prepare.text import prepare_text
from mypt.errors import RunError, UserError
from mypt.tokenizers import Gpt2Tokenizer, save, train_bpe
from mypt.tokenizers.cuts import ANYWHERE
from tests.data.prepare.making import TEXT, about, ids, make, refused, request, text, tokenizer, write
from tests.workbench import listing

TEXTS = [f"Story {n}: “once” upon a time.\n\tThe end 🦊" + " and more" * (n % 4) for n in range(40)]


@pytest.fixture(scope="module")
def gpt2() -> Gpt2Tokenizer:
    return Gpt2Tokenizer()


def lines_of(texts: list[str], field: str = "text", ascii_only: bool = True) -> str:
    rows = ({"id": n, field: each, "meta": {"url": "x"}} for n, each in enumerate(texts))
    return "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    save(train_bpe([*TEXTS, TEXT], 400), tmp_path / "tokenizer.json")
    return write(tmp_path, {"c.jsonl": lines_of(TEXTS), "a.txt": "plain text.\n", "b.txt": "more of it"})


def documents(folder: Path, between: str) -> list[str]:
    return [each for split in ("train", "val") for each in text(folder, split).split(between)]


def refusal(root: Path, *inputs: str, **changes: Any) -> list[str]:
    return refused(root, lambda: make(root, *inputs, **changes))


@pytest.mark.parametrize(
    ("kind", "between"), [("char", "%"), ("gpt2", "<|endoftext|>"), ("bpe", "<|endoftext|>")]
)
def test_every_line_is_a_document(
    ground: Path, kind: str, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of 150 bytes, and in several processes, the same files come of it as at once."""
    choice = TokenizerChoice(kind, ground / "tokenizer.json" if kind == "bpe" else None)
    asked: dict[str, Any] = {"tokenizer": choice, "tokens_per_shard": 100}
    asked["separator"] = between if kind == "char" else "auto"
    inputs = ("a.txt", "c.jsonl", "b.txt")
    folder, made = make(ground, *inputs, **asked)
    assert sorted(documents(folder, between)) == sorted([*TEXTS, "plain text.\n", "more of it"])
    assert (made.documents, made.split) == (42, "5 of 42 documents, drawn with seed 1337")
    size = sum(len(each.encode()) for each in TEXTS) + len("plain text.\nmore of it")
    data = about(folder)
    assert (data["num_bytes"], data["num_val_documents"], data["text_field"]) == (size, 5, "text")
    monkeypatch.setattr(plan, "CHUNK", 150)
    parts, _ = make(ground, *inputs, **asked, num_proc=2 if kind == "gpt2" else 1, output=ground / "parts")
    assert listing(parts) == listing(folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=40).map(lambda each: each.replace("\0", "")), max_size=12),
    blank=st.sampled_from(["", "\n", " \r\n\n"]),
    ascii_only=st.booleans(),
)
def test_small_pieces_of_any_lines_give_their_texts(
    tmp_path: Path, gpt2: Gpt2Tokenizer, texts: list[str], blank: str, ascii_only: bool
) -> None:
    texts = ["a first one", *texts]
    lines = blank.join(lines_of([each], ascii_only=ascii_only) for each in texts).removesuffix("\n")
    write(tmp_path, {"c.jsonl": f"\ufeff{lines}"})
    asked = request(tmp_path, "c.jsonl")
    files = find(asked).files
    checking = Checking(asked, files, b"")
    for task in Cutter(ANYWHERE, 30).tasks(whole_files(files).spans()):
        for piece, found in zip(task, steps.check(b"", [piece.span for piece in task]), strict=True):
            checking.take(piece, found)
    documents = checking.documents()
    got = []
    for task in Cutter(gpt2.cuts, 30).tasks(documents.spans()):
        result = steps.encode(gpt2, [piece.span for piece in task])
        ends = np.cumsum(result.lengths)[:-1]
        got += [gpt2.decode(part.tolist()) for part in np.split(result.ids, ends)]
    some = [each for each in texts if each]
    assert got == some
    assert documents.sizes.tolist() == [len(each.encode()) for each in some]
    assert any("empty text" in notice for notice in checking.notices()) is (len(some) < len(texts))


def test_a_long_line_is_never_cut(
    tmp_path: Path, gpt2: Gpt2Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHUNK", 64)
    monkeypatch.setattr(plan, "_BLOCK", 16)
    long = "no gap" * 500
    write(tmp_path, {"c.jsonl": lines_of(["a", long, "b"])})
    folder, made = make(tmp_path, "c.jsonl", kind="gpt2", val_fraction=0.0)
    assert ids(folder, "train") == [64, 50256, *gpt2.encode(long), 50256, 65]
    assert made.notices == []


@pytest.mark.parametrize("ending", ["", "\n"])
def test_files_of_lines_are_cut_behind_lines(tmp_path: Path, ending: str) -> None:
    data = (b"\n".join(b"x" * (n * 7 % 50) for n in range(60)) + ending.encode()) * 2
    (tmp_path / "c").write_bytes(data)
    whole = Span(Source(str(tmp_path / "c"), "c", len(data), 0, False, "text"), 0, len(data))
    parts = list(Cutter(ANYWHERE, 100).spans(whole))
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == len(data) and len(parts) > 10
    assert all(data[part.end - 1 : part.end] == b"\n" for part in parts[:-1])
    assert max(part.end - part.start for part in parts) <= 125 + 50
    assert list(behind_lines(whole, 1 << 20)) == [whole]


def test_validation_has_texts_of_its_own(ground: Path) -> None:
    write(ground, {"v.jsonl": lines_of(["one", "", "two"])})
    folder, made = make(ground, "c.jsonl", val_files=(ground / "v.jsonl", ground / "a.txt"), separator="|")
    assert text(folder, "val") == "one|two|plain text.\n"
    assert text(folder, "train") == "|".join(TEXTS)
    assert "1 line has an empty text, left out" in made.notices


def test_a_text_keeps_its_side_whatever_else_stands_in_its_line(ground: Path) -> None:
    folder, _ = make(ground, "c.jsonl", separator="|")
    rows = [{"text": each, "more": "x" * 900} for each in TEXTS]
    write(ground / "other", {"c.jsonl": "\n\n".join(map(json.dumps, rows))})
    other, _ = make(ground, "other/c.jsonl", separator="|", output=ground / "out2")
    assert text(other, "val") == text(folder, "val")


def test_a_field_of_another_name(ground: Path) -> None:
    write(ground, {"o.jsonl": lines_of(TEXTS, "content")})
    folder, _ = make(ground, "o.jsonl", text_field="content", val_fraction=0.0, separator="|")
    assert text(folder, "train") == "|".join(TEXTS) and about(folder)["text_field"] == "content"
    _, made = make(ground, "a.txt", text_field="content", output=ground / "plain")
    assert "--text_field is about lines of JSON, and was ignored" in made.notices


def test_what_separates_documents_is_about_plain_text(ground: Path) -> None:
    folder, made = make(ground, "c.jsonl", "a.txt", split_on=" ", val_fraction=0.0, separator="|")
    assert text(folder, "train") == "|".join([*TEXTS, "plain", "text.\n"]) and made.notices == []
    _, made = make(ground, "c.jsonl", split_on=" ", output=ground / "lines")
    assert "--split_on is about plain text, and was ignored: each line is one document" in made.notices


def test_line_ends_of_windows_are_those_in_texts(tmp_path: Path) -> None:
    for name, each, said in (("lines", "one text", False), ("texts", "one\r\ntext", True)):
        write(tmp_path, {f"{name}.jsonl": lines_of([each] * 20).replace("\n", "\r\n")})
        folder, made = make(tmp_path, f"{name}.jsonl", output=tmp_path / name, separator="|")
        assert documents(folder, "|") == [each] * 20
        assert any("line ends of Windows" in notice for notice in made.notices) is said


BAD = [
    *(b'{"text": 3}', b'{"text": null}', b'{"text": "a\\ud800"}', b'{"text": "a\\u0000"}', b"{", b"[]", b"[" * 9999),
    *(b'{"text": "\xff"}', b'{"messages": [], "id": 1}', b'{"body": "a", "n": 1}', b"{}", b'{"text": "\x00"}'),
]  # fmt: skip
SAID = [
    "bad.jsonl line 2: text: must be a text (got 3); likewise lines 3, 18, 19 and 2 more",
    "bad.jsonl line 4: text: holds half a surrogate pair, which is no character; write whole characters; likewise "
    "lines 20, 36",
    "bad.jsonl line 5: text: holds the character NUL, which no text has; take it out; likewise lines 21, 37",
    "bad.jsonl line 6: is not JSON: Expecting property name enclosed in double quotes, column 2; likewise lines 22, 38",
    'bad.jsonl line 7: must be a JSON object; a line is {"text": "…"}; likewise lines 23, 39',
    "bad.jsonl line 8: is JSON that cannot be read; likewise lines 24, 40",
    "bad.jsonl line 9: is not UTF-8: byte 10 of the line is 0xff; likewise lines 25, 41",
    "bad.jsonl line 10: text: is missing, and messages is there: a conversation; prepare texts and conversations in "
    "two datasets; likewise lines 26, 42",
    "bad.jsonl line 11: text: is missing; if the text is in another field, say --text_field and which: body; likewise "
    "lines 12, 27, 28 and 2 more",
    "bad.jsonl line 13: is not JSON: Invalid control character at, column 11; likewise lines 29, 45",
]


def test_what_is_wrong_is_told_by_file_and_line_once(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    round_ = b"\n".join([b'{"text": "right"}', *BAD, b"", b" ", b'{"text": ""}']) + b"\n"
    (ground / "bad.jsonl").write_bytes(round_ * 3)
    assert refusal(ground, "bad.jsonl", "c.jsonl") == SAID
    monkeypatch.setattr(plan, "CHUNK", 300)
    assert refusal(ground, "bad.jsonl", "c.jsonl") == SAID
    (ground / "worse.jsonl").write_bytes(round_)
    (ground / "latin.txt").write_bytes(b"caf\xe9")
    said = refusal(ground, "bad.jsonl", "worse.jsonl", "latin.txt")
    assert said[0].startswith("latin.txt: is not UTF-8 text: byte 3") and len(said) == 11
    assert all(each.endswith(", also in worse.jsonl") for each in said[1:])


def test_a_line_without_end_is_not_read_into_memory(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "LONGEST", 3000)
    write(ground, {"long.jsonl": lines_of(["a", "x" * 10_000, "b"])})
    assert refusal(ground, "long.jsonl") == ["long.jsonl line 2: is longer than 3 kB; one text a line"]


def test_nothing_but_empty_lines(ground: Path) -> None:
    write(ground, {"none.jsonl": '\n {"text": ""}\n'})
    remedy = "there is nothing but empty lines and texts"
    assert refusal(ground, "none.jsonl") == [f"inputs: hold no text; {remedy}"]
    said = refusal(ground, "none.jsonl", val_files=(ground / "c.jsonl",))
    assert said == [f"inputs: hold no text; {remedy}"]
    said = refusal(ground, "c.jsonl", val_files=(ground / "none.jsonl",))
    assert said == [f"val_file: holds no text; {remedy}"]


def test_a_file_that_changes_meanwhile_is_no_dataset(ground: Path) -> None:
    class Meddler(Silent):
        def begin(self, what: str, total: int) -> None:
            if what == "tokenizing":
                write(ground, {"c.jsonl": lines_of(TEXTS[:3])})

    with pytest.raises(RunError, match=r"c\.jsonl was changed while it was being read"):
        prepare_text(request(ground, "c.jsonl"), Meddler())
    assert not (ground / "out").exists()


def test_who_reads_all_texts_gets_those_in_lines(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHUNK", 150)
    asked = request(ground, "a.txt", "c.jsonl")
    corpus = Corpus(asked, find(asked).files)
    assert list(corpus) == ["plain text.\n", *TEXTS] and corpus.read == corpus.size
    with (ground / "c.jsonl").open("a") as file:
        file.write('\n\n{"text": 7}\n')
    corpus = Corpus(asked, find(asked).files)
    with pytest.raises(UserError, match=r"^c.jsonl line 43: text: must be a text \(got 7\)$"):
        list(corpus)
    write(ground, {"none.jsonl": "\n\n"})
    with pytest.raises(UserError, match="hold no text"):
        list(Corpus(asked, find(request(ground, "none.jsonl")).files))


def test_characters_are_those_of_the_texts_alone(tmp_path: Path) -> None:
    write(tmp_path, {"c.jsonl": lines_of(["äb", "ba"] * 9)})
    folder, _ = make(tmp_path, "c.jsonl", separator="b")
    assert tokenizer(folder).describe() == "char, 3 characters"
