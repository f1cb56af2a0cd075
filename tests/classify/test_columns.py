"""What the first row of a file tells about its columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from mypt.classify.columns import first_row, likely
from mypt.errors import UserError


def test_columns_of_json_lines_and_of_tables(tmp_path: Path) -> None:
    wide = tmp_path / "wide.tsv"
    wide.write_text('text\tclass\n"two\nlines"\tgood\nnext\tbad\n')
    assert first_row(wide, "wide.tsv") == {"text": "two\nlines", "class": "good"}
    lines = tmp_path / "lines.jsonl"
    lines.write_text('\n{"review": "fine", "stars": 5}\nno json at all\n')
    assert first_row(lines, "lines.jsonl") == {"review": "fine", "stars": 5}
    head = tmp_path / "head.csv"
    head.write_bytes(b"\xef\xbb\xbfa,b\n")
    assert first_row(head, "head.csv") == {"a": "", "b": ""}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.jsonl", "[1, 2]\n", "no JSON object"),
        ("odd.jsonl", "\0\0\0", "no JSON object"),
        ("empty.csv", " \n", "is empty"),
        ("blank.csv", ",,\n", "no header"),
    ],
)
def test_what_has_no_columns_says_so(tmp_path: Path, name: str, content: str, why: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=why):
        first_row(tmp_path / name, name)
    with pytest.raises(UserError):
        first_row(tmp_path, "a folder")


def test_what_is_probably_meant() -> None:
    assert likely({"label": 1, "hypothesis": "b", "premise": "a"}) == (("premise", "hypothesis"), "label")
    assert likely({"id": 3, "text": "a", "title": "b", "class": "x"}) == (("text",), "class")
    assert likely({"poem": "a", "sentiment": "x"}) == (("poem",), "sentiment")
    # Of two that are alike nobody knows.
    assert likely({"one": "a", "two": "b"}) == ((), "")


def test_the_first_row_is_found_where_the_command_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,label\n\n" + "x" * 200_000 + ",yes\n")
    assert first_row(path, "train.csv") == {"text": "x" * 200_000, "label": "yes"}
