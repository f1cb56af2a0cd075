"""Which files are taken from what the user names, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mypt.data.prepare.inputs import conversations, find
from mypt.errors import UserError
from tests.data.prepare.making import request, write

CHAT = '{"messages": [], "text": "a"}\n'


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "docs/b.txt": "b",
            "docs/a.md": "a",
            "docs/sub/c.py": "c",
            "docs/sub/d.bin": "d",
            "docs/sub/.hidden.txt": "x",
            "docs/.git/e.txt": "x",
            "docs/empty.txt": "",
            "pictures/x.png": "x",
            "chat/one.jsonl": CHAT,
            "chat/readme": "x",
            "both/one.jsonl": CHAT,
            "both/two.jsonl": CHAT,
            "texts/empty.jsonl": "",
            "texts/one.jsonl": '\n{"id": 7}\n{"text": "a", "messages": null}\n',
            "texts/readme": "x",
            "neither.jsonl": "\n[1]\n",
            "other.jsonl": '{"id": 7, "title": "a", "content": "b"}\n',
            "blank.jsonl": " \n\n",
            "both/two.txt": "x",
            "nothing/empty.txt": "",
            "plain": "no ending",
            "data.csv": "a,b",
            "archive.tar.gz": "x",
            "paper.pdf": "x",
            "odd.xyz": "x",
        },
    )


def names(ground: Path, *inputs: str, **changes: Any) -> list[str]:
    return [file.name for file in find(request(ground, *inputs, **changes)).files]


def test_folders_are_taken_with_all_below_them_in_order(ground: Path) -> None:
    assert names(ground, "docs") == ["a.md", "b.txt", "sub/c.py"]
    assert find(request(ground, "docs")).notices == ["1 empty file was left out"]


def test_files_come_in_the_order_in_which_they_are_named(ground: Path) -> None:
    assert names(ground, "plain", "docs/b.txt", "data.csv", "docs/a.md") == [
        "plain",
        "b.txt",
        "data.csv",
        "a.md",
    ]


def test_a_file_named_twice_is_taken_once(ground: Path) -> None:
    found = find(request(ground, "docs/b.txt", "docs"))
    assert [file.name for file in found.files] == ["b.txt", "a.md", "sub/c.py"]
    assert "1 file was named twice and taken once" in found.notices


def test_patterns_say_what_is_taken(ground: Path) -> None:
    assert names(ground, "docs", patterns=("*.bin",)) == ["sub/d.bin"]
    assert names(ground, "docs", patterns=("sub/*",)) == ["sub/c.py", "sub/d.bin"]
    assert names(ground, "odd.xyz", patterns=("*.xyz",)) == ["odd.xyz"]


def test_files_for_validation_are_marked(ground: Path) -> None:
    found = find(request(ground, "docs/a.md", val_files=(ground / "docs",)))
    assert [(file.name, file.val) for file in found.files] == [
        ("a.md", False),
        ("b.txt", True),
        ("sub/c.py", True),
    ]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs: nothing was named to prepare"),
        (["none"], r"inputs: no such file or folder \(got 'none'\)"),
        (["docs/empty.txt"], r"inputs: is empty \(got 'docs/empty.txt'\)"),
        (["archive.tar.gz"], r"is no plain text \(got 'archive.tar.gz'\); unpack it first"),
        (["paper.pdf"], r"is no plain text \(got 'paper.pdf'\); convert it to plain text first"),
        (
            ["odd.xyz"],
            r"\*.xyz is not known to be text \(got 'odd.xyz'\); if it is text, say --pattern '\*.xyz'",
        ),
        (["pictures"], r"no text files in this folder \(got 'pictures'\); there are \*.png"),
        (["nothing"], "inputs: hold no text"),
        (["docs", "../out"], "no such file"),
    ],
)
def test_what_is_refused(ground: Path, inputs: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(request(ground, *inputs))


def test_a_pattern_that_matches_nothing(ground: Path) -> None:
    with pytest.raises(UserError, match=r"no file in this folder matches \*.foo or \*.bar \(got 'docs'\)"):
        find(request(ground, "docs", patterns=("*.foo", "*.bar")))


def test_everything_wrong_is_said_at_once(ground: Path) -> None:
    with pytest.raises(UserError) as error:
        find(request(ground, "none", "docs/empty.txt", "pictures"))
    assert len(error.value.problems) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_what_is_no_ordinary_file(ground: Path) -> None:
    os.mkfifo(ground / "pipe.txt")
    os.mkfifo(ground / "docs" / "pipe.txt")
    with pytest.raises(UserError, match=r"pipe.txt: is no ordinary file"):
        find(request(ground, "pipe.txt"))
    assert names(ground, "docs") == ["a.md", "b.txt", "sub/c.py"]


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["docs"], "docs/out", "output_dir: lies in the input docs"),
        (["docs"], "docs", "output_dir: lies in the input docs"),
        (["docs/sub/c.py"], "docs", "output_dir: holds the input docs/sub/c.py"),
        (["docs/sub"], "docs", "output_dir: holds the input docs/sub"),
    ],
)
def test_the_output_is_neither_read_nor_what_is_read_replaced(
    ground: Path, inputs: list[str], output: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        find(request(ground, *inputs, output=ground / output, overwrite=True))
    assert find(request(ground, *inputs, output=ground / output), folder_output=False).files


def test_a_link_does_not_hide_that_the_output_is_read(ground: Path) -> None:
    (ground / "link").symlink_to(ground / "docs", target_is_directory=True)
    with pytest.raises(UserError, match="lies in the input docs"):
        find(request(ground, "docs", output=ground / "link" / "out"))


def test_files_of_lines_have_a_field(ground: Path) -> None:
    found = find(request(ground, "docs/a.md", "texts"))
    assert [(file.name, file.field) for file in found.files] == [("a.md", ""), ("one.jsonl", "text")]
    (file,) = find(request(ground, "other.jsonl", text_field="content")).files
    assert file.field == "content"


def test_lines_beside_texts_are_left_out_and_said(ground: Path) -> None:
    assert names(ground, "both") == ["two.txt"]
    (said,) = find(request(ground, "both")).notices
    assert said == ("2 *.jsonl files in both beside texts were left out; --pattern says which files to take")
    both = request(ground, "both", patterns=("*",))
    assert [file.field for file in find(both).files] == ["text", "text", ""]
    assert find(both).notices == []


def test_conversations_are_told_from_texts(ground: Path) -> None:
    assert not conversations(request(ground, "texts"))
    assert not conversations(request(ground, "texts", "docs", "blank.jsonl"))
    assert not conversations(request(ground, "chat", text_field="text"))
    assert conversations(request(ground, "blank.jsonl", "chat", "texts"))
    assert not conversations(
        request(ground, "blank.jsonl", "none.jsonl", "docs", val_files=(ground / "texts",))
    )
    assert conversations(request(ground, "chat/one.jsonl"))
    assert conversations(request(ground, "chat"))
    assert not conversations(request(ground, "both"))
    assert conversations(request(ground, "both", patterns=("*.jsonl",)))
    assert not conversations(request(ground, "docs", "none"))
    with pytest.raises(
        UserError, match="chat holds conversations, docs plain text; prepare one kind at a time"
    ):
        conversations(request(ground, "docs", "chat"))
    with pytest.raises(UserError, match="both holds conversations, both plain text"):
        conversations(request(ground, "both", patterns=("*",)))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (
            "neither.jsonl",
            {},
            'neither.jsonl line 2: must be a JSON object; a line is {"text": "…"} or '
            '{"messages": [{"role": "user", "content": "…"}, …]}',
        ),
        (
            "other.jsonl",
            {},
            "other.jsonl line 1: has neither text nor messages; if the text is in another field, say --text_field and "
            "which: title, content",
        ),
        (
            "other.jsonl",
            {"text_field": "id\x1b"},
            "other.jsonl line 1: id\\x1b: is missing; if the text is in another field, say --text_field and which: "
            "title, content",
        ),
        (
            "chat",
            {"text_field": "body"},
            "chat/one.jsonl line 1: body: is missing, and messages is there: a conversation; prepare texts and "
            "conversations in two datasets",
        ),
    ],
)
def test_lines_that_do_not_say_what_they_are(
    ground: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as error:
        conversations(request(ground, name, **changes))
    assert str(error.value) == said
