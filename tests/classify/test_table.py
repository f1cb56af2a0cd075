from __future__ import annotations

import json
from pathlib import Path

import pytest

from mypt.classify import table
from mypt.classify.table import Row
from mypt.errors import UserError

COLUMNS = ("premise", "hypothesis")


def read(path: Path, label: str | None = "label") -> list[Row]:
    return table.read_table(path, path.name, COLUMNS, label)


def said(path: Path, content: str | bytes) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        read(path)
    return str(error.value).splitlines()


def test_jsonl_and_csv_say_the_same(tmp_path: Path) -> None:
    records = [
        {"premise": 'a "b", c', "hypothesis": "zwei\nZeilen", "label": "ja", "more": 3},
        {"premise": "ü", "hypothesis": "y", "label": "nein", "more": 4},
    ]
    (tmp_path / "a.jsonl").write_bytes(
        b"\xef\xbb\xbf" + "\r\n\r\n".join(map(json.dumps, records)).encode() + b"\r\n"
    )
    (tmp_path / "a.csv").write_text(
        'more,label,premise,hypothesis\r\n3,ja,"a ""b"", c","zwei\nZeilen"\r\n\r\n4,nein,ü,y\r\n',
        encoding="utf-8",
        newline="",
    )
    (tmp_path / "a.tsv").write_text("label\tpremise\thypothesis\nja\ta\tb\n")
    texts = [('a "b", c', "zwei\nZeilen"), ("ü", "y")]
    assert read(tmp_path / "a.jsonl") == [Row(1, texts[0], "ja"), Row(3, texts[1], "nein")]
    # Rows stand where they begin, also behind one of several lines.
    assert read(tmp_path / "a.csv") == [Row(2, texts[0], "ja"), Row(5, texts[1], "nein")]
    assert read(tmp_path / "a.tsv") == [Row(2, ("a", "b"), "ja")]
    assert read(tmp_path / "a.jsonl", None) == [Row(1, texts[0], None), Row(3, texts[1], None)]


def test_labels_of_any_plain_kind_are_classes(tmp_path: Path) -> None:
    labels = [2, 10, True, "x y", 1.5]
    lines = [json.dumps({"premise": "a", "hypothesis": "b", "label": label}) for label in labels]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    rows = read(tmp_path / "a.jsonl")
    assert [row.label for row in rows] == ["2", "10", "true", "x y", "1.5"]
    assert table.classes_of(rows[:2]) == ("2", "10")
    assert table.classes_of(rows) == ("1.5", "10", "2", "true", "x y")


def test_everything_that_is_wrong_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    good = {"premise": "a", "hypothesis": "b", "label": "x"}
    lines = [
        json.dumps(good),
        "{broken",
        json.dumps([1]),
        json.dumps({**good, "premise": "  "}),
        json.dumps({**good, "hypothesis": 7}),
        json.dumps({**good, "label": None}),
        json.dumps({"premise": "a", "label": "x"}),
        *[json.dumps({**good, "premise": ""})] * 7,
    ]
    assert said(tmp_path / "a.jsonl", "\n".join(lines)) == [
        "a.jsonl: hypothesis: is missing in 1 row: line 7",
        "a.jsonl: no JSON in 1 row: line 2",
        "a.jsonl: no JSON object in 1 row: line 3",
        "a.jsonl: premise: an empty text in 8 rows: lines 4, 8, 9, 10, 11 and 3 more",
        "a.jsonl: hypothesis: no text in 1 row: line 5",
        "a.jsonl: label: no class in 1 row: line 6",
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.csv", "premise,hypothesis,label\n", "has no rows"),
        ("a.csv", "premise,label\na,x\n", "hypothesis: is no column of the file; it has: premise, label"),
        ("a.csv", "premise,hypothesis,label\na,b\n", "not the 3 cells of the header in 1 row: line 2"),
        (
            "a.csv",
            'premise,hypothesis,label\na,b,x\n"a,b,x\n',
            "no CSV (unexpected end of data) in 1 row: line 3",
        ),
        ("a.jsonl", b'{"premise": "\xff"}', "is not UTF-8 text: byte 13 is 0xff"),
        ("a.jsonl", '{"premise": "a"}', "hypothesis: is no column of the file"),
    ],
)
def test_what_is_no_table_is_told(name: str, content: str | bytes, expected: str, tmp_path: Path) -> None:
    assert any(expected in line for line in said(tmp_path / name, content))


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.jsonl"):
        read(tmp_path / "gone.jsonl")
    with pytest.raises(UserError, match="folder"):
        read(tmp_path)


def test_standard_input_holds_records_or_a_text_a_line() -> None:
    assert table.read_text("so be it\n\n {} \n", "stdin", ("text",)) == (
        [Row(1, ("so be it",), None), Row(3, (" {} ",), None)],
        False,
    )
    assert table.read_text('\n{"text": "a"}\n', "stdin", ("text",)) == ([Row(2, ("a",), None)], True)
    with pytest.raises(UserError, match="no JSON in 1 row: line 1"):
        table.read_text("a text\n", "stdin", COLUMNS)


def test_classes_that_training_lacks_are_named() -> None:
    rows = [Row(1, ("a",), "x"), Row(4, ("a",), "\x1by"), Row(5, ("a",), "\x1by")]
    (problem,) = table.unknown_labels(rows, "dev.jsonl", "label", ("w", "x"))
    assert str(problem) == (
        "dev.jsonl: label: a class that the training data lacks ('\\x1by') in 2 rows: lines 4, 5; the classes are: w, x"
    )
    assert table.unknown_labels(rows[:1], "dev.jsonl", "label", ("x",)) == []
