from __future__ import annotations

from pathlib import Path

import pytest

from mypt.data.text import about_lines, read_text, split_text
from mypt.errors import UserError
from mypt.tokenizers.char import CharTokenizer
from tests.workbench import story


def refusal(name: str, workspace: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_text(name, workspace)
    return str(caught.value)


def test_a_text_is_read_whole_with_its_line_breaks_as_one_sign(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntw\xc3\xb6\n")
    assert read_text("a.txt", tmp_path) == "one\ntwö\n"
    assert read_text(str(tmp_path / "a.txt"), Path("/")) == "one\ntwö\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\t ", "is empty"),
        (b"good \xff\xfe", "is not UTF-8 text: byte 5 is 0xff"),
        (None, "no such file"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    found = refusal("a.txt", tmp_path)
    assert found.startswith("input_file: ") and said in found and "(got 'a.txt')" in found


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    assert "is a folder" in refusal(".", tmp_path) and "--dataset_dir" in refusal(".", tmp_path)


def test_built_in_texts_are_named(tmp_path: Path) -> None:
    assert "there are: builtin:stories, builtin:python" in refusal("builtin:poems", tmp_path)
    assert len(read_text("builtin:stories", tmp_path)) > 500_000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "chat.jsonl",
            '{"messages": [], "text": "a"}',
            "chat.jsonl holds conversations, and is learned as plain text, braces and all; mypt prepare chat.jsonl "
            "--output_dir data/chat makes a dataset of it, with loss masks",
        ),
        (
            "data/a b.JSONL",
            '\n {"text": "a"}\nnonsense',
            "data/a b.JSONL holds a text in every line of JSON, and is learned as plain text, braces and all; mypt prepare "
            "'data/a b.JSONL' --output_dir 'data/a b' makes a dataset of it",
        ),
        (
            "a.jsonl",
            '{"content": "a"}',
            "a.jsonl holds lines of JSON, and is learned as plain text, braces and all; mypt prepare a.jsonl "
            "--text_field NAME --output_dir data/a makes a dataset of it",
        ),
        ("a.txt", '{"text": "a"}', None),
        ("a.jsonl", "no JSON at all\n", None),
        ("a.jsonl", "", None),
        ("none.jsonl", None, None),
        ("builtin:a.jsonl", None, None),
    ],
)
def test_lines_of_json_are_told(tmp_path: Path, name: str, content: str | None, said: str | None) -> None:
    if content is not None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert about_lines(name, tmp_path) == ([said] if said else [])


def test_nine_tenths_are_for_training() -> None:
    text = story(2000)
    tokenizer = CharTokenizer.from_text(text)
    train, val, fingerprint = split_text(text, tokenizer, "a.txt", 16)
    assert train.tokens == int(0.9 * len(text)) and train.tokens + val.tokens == len(text)
    ids = [*train.shards[0], *val.shards[0]]
    assert tokenizer.decode([int(i) for i in ids]) == text
    assert fingerprint != split_text(text[:-1] + "a", tokenizer, "a.txt", 16)[2]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (16, "has 16 tokens, fewer than one block of 16 and its target"),
        (17, "fewer than one block"),
        (150, "so the last tenth, for validation, is shorter than a block of 16"),
    ],
)
def test_a_text_that_is_too_short_says_what_is_needed(tokens: int, said: str) -> None:
    text = story(2000)[:tokens]
    with pytest.raises(UserError) as caught:
        split_text(text, CharTokenizer.from_text(text), "a.txt", 16)
    assert said in str(caught.value) and "(got 'a.txt')" in str(caught.value)


def test_the_size_that_is_asked_for_is_enough() -> None:
    text = story(3000)
    with pytest.raises(UserError) as caught:
        split_text(text[:150], CharTokenizer.from_text(text), "a.txt", 16)
    needed = int(str(caught.value).split("at least ")[1].split(" ")[0])
    _, val, _ = split_text(text[:needed], CharTokenizer.from_text(text), "a.txt", 16)
    assert val.windows(16) >= 1
