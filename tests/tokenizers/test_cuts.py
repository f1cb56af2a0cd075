"""Texts may be cut where the module says: the pieces' tokens are those of the whole, for every kind of splitting."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mypt.tokenizers import BpeTokenizer, CharTokenizer, Gpt2Tokenizer, Tokenizer, train_bpe
from mypt.tokenizers.cuts import ANYWHERE, AT_WHITE_SPACE, BYTE_LEVEL, LLAMA_3, O200K, cuts_of, pieces

# What patterns treat in a way of its own: contractions, white space of every kind, marks, digits, cases, slashes.
SIGNS = [
    *(
        "a",
        "b",
        "Z",
        "s",
        "ll",
        "ing",
        "é",
        "e\u0301",
        "ß",
        "中",
        "。",
        "の",
        "한",
        "\u0301",
        "\u180e",
        "\u200b",
    ),
    *(" ", "  ", "\n", "\r", "\r\n", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"),
    *(
        "'",
        "'s",
        "'S",
        "'re",
        "’s",
        "1",
        "23",
        "٣",
        "½",
        "!",
        ".",
        "...",
        "/",
        "-",
        "_",
        "{",
        "~",
        "🦊",
        "Ǆ",
        "ʰ",
    ),
    *("<think>", "word", "\x00"),
]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=30).map("".join) | st.text(max_size=30)
CORPUS = " ".join(a + b for a in SIGNS for b in SIGNS if "\x00" not in a + b) * 2


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
LAST = {**LEVEL, "use_regex": False}
WORD = {
    **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False),
    "id": 600,
    "content": "<think>",
}
KINDS: dict[str, dict[str, Any]] = {
    "gpt2 in tokenizers": {"pre_tokenizer": LEVEL},
    "llama 3": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(LLAMA_3), LAST]}},
    "qwen 2": {
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split(LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")), LAST],
        },
        "normalizer": {"type": "NFC"},
    },
    "o200k": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(O200K), LAST]}},
    "digits": {
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, LEVEL],
        }
    },
    "added words": {"pre_tokenizer": LEVEL, "added_tokens": [WORD]},
    "added white space": {"pre_tokenizer": LEVEL, "added_tokens": [{**WORD, "content": "\n\n"}]},
}


@functools.cache
def tokenizer(kind: str) -> Tokenizer:
    if kind == "gpt2":
        return Gpt2Tokenizer()
    trained = train_bpe([CORPUS], 600).data
    return BpeTokenizer({**trained, **KINDS[kind]})


@pytest.mark.parametrize("kind", ["gpt2", *KINDS])
@settings(max_examples=400, deadline=None)
@given(text=TEXTS)
@example(text=".\n/a")
@example(text="we'll see")
@example(text="a <think> b")
@example(text="12345\n6")
def test_a_cut_at_any_of_the_places_changes_no_token(kind: str, text: str) -> None:
    one = tokenizer(kind)
    assert one.cuts is not None
    whole = one.encode(text)
    for place in one.cuts.finditer(text):
        a, b = text[: place.start()], text[place.start() :]
        assert one.encode(a) + one.encode(b) == whole, (a, b)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_no_pre_token_reaches_over_a_cut(kind: str, text: str) -> None:
    """As above without the merges, which could hide a difference."""
    one = tokenizer(kind)
    assert isinstance(one, BpeTokenizer) and one.cuts is not None
    splitter = one._ordinary.pre_tokenizer

    def words(part: str) -> list[str]:
        return [word for word, _ in splitter.pre_tokenize_str(part)]

    for place in one.cuts.finditer(text):
        assert words(text[: place.start()]) + words(text[place.start() :]) == words(text)


@settings(deadline=None)
@given(text=TEXTS, characters=st.integers(1, 9))
def test_pieces_joined_are_the_text(text: str, characters: int) -> None:
    for pattern in (ANYWHERE, BYTE_LEVEL, AT_WHITE_SPACE):
        cut = list(pieces(text, pattern, characters))
        assert "".join(cut) == text and ("" not in cut or text == "")


@pytest.mark.parametrize(
    ("text", "cuts"),
    [
        ("one two", ["one", " two"]),
        ("one  two", ["one", "  two"]),
        ("line.\nnext", ["line", ".\n", "next"]),
        ("word\nnext", ["word", "\n", "next"]),
        ("don't", ["don't"]),
        ("你好。再见", ["你好", "。再见"]),
        ("x=1\n", ["x", "=1", "\n"]),
        ("a\n\n\nb", ["a", "\n\n\nb"]),
        ("\n \n", ["\n \n"]),
    ],
)
def test_where_byte_level_text_is_cut(text: str, cuts: list[str]) -> None:
    assert re.split(BYTE_LEVEL, text) == cuts


def test_what_looks_back_over_the_piece_finds_the_character_before() -> None:
    assert [m.start() for m in BYTE_LEVEL.finditer("ab cd", 2)] == [2]
    found = BYTE_LEVEL.search("ab cd", 2)
    assert found is not None and found.start() == 2


def test_characters_are_cut_anywhere() -> None:
    assert CharTokenizer(["a", "\n"]).cuts is ANYWHERE
    assert list(pieces("a\n\na", ANYWHERE, 1)) == ["a", "\n", "\n", "a"]


def level_with(**changes: Any) -> dict[str, Any]:
    return {"pre_tokenizer": {**LEVEL, **changes}}


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        level_with(add_prefix_space=True),
        level_with(use_regex=False),
        {"pre_tokenizer": LEVEL, "normalizer": {"type": "Lowercase"}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split("a+"), LAST]}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{**split(LLAMA_3), "invert": True}, LAST]}},
        {"pre_tokenizer": LEVEL, "added_tokens": [{**WORD, "lstrip": True}]},
        {"pre_tokenizer": LEVEL, "added_tokens": [{**WORD, "content": "New York"}]},
    ],
)
def test_nobody_vouches_for_other_kinds(parts: dict[str, Any]) -> None:
    assert cuts_of(parts) is None


def test_words_of_one_s_own_leave_only_cuts_beside_white_space() -> None:
    assert cuts_of(KINDS["added words"]) is AT_WHITE_SPACE
    assert cuts_of({"pre_tokenizer": LEVEL, "added_tokens": [{**WORD, "special": True}]}) is BYTE_LEVEL
    assert cuts_of(KINDS["added white space"]) is BYTE_LEVEL
