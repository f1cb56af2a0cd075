from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.errors import UserError
from mypt.tokenizers import CharTokenizer


def test_the_vocabulary_is_the_sorted_characters_of_the_text() -> None:
    tokenizer = CharTokenizer.from_text("hello\n")
    assert tokenizer.chars == ("\n", "e", "h", "l", "o")
    assert (tokenizer.vocab_size, tokenizer.valid_vocab) == (5, 5)
    assert tokenizer.encode("hole\n") == [2, 4, 3, 1, 0]
    assert tokenizer.describe() == "char, 5 characters"
    assert CharTokenizer(["a"]).describe() == "char, 1 character"


def test_what_tokenizer_json_holds() -> None:
    assert CharTokenizer.from_text("ba\n").to_dict() == {
        "token_kind": "char",
        "chars": ["\n", "a", "b"],
        "base_vocab_size": None,
        "model_vocab_size": 3,
    }


def test_lacking_characters_are_listed_escaped_and_at_most_twenty() -> None:
    tokenizer = CharTokenizer.from_text("abc")
    assert tokenizer.unknown("ab\x1bçc") == ["\x1b", "ç"]
    for encode in (tokenizer.encode, tokenizer.encode_array):
        with pytest.raises(UserError) as caught:
            encode("ab\x1bçc")
        assert r"2 characters that the vocabulary of 3 lacks: '\x1b', 'ç'" in str(caught.value)
        with pytest.raises(UserError, match="and 5 more"):
            encode("".join(chr(0x400 + index) for index in range(25)))


def test_a_lacking_character_smaller_than_all_known_ones_is_found_too() -> None:
    with pytest.raises(UserError):
        CharTokenizer.from_text("xyz").encode_array("a")


def test_an_empty_text_and_broken_characters_give_no_vocabulary() -> None:
    with pytest.raises(UserError, match="no vocabulary"):
        CharTokenizer.from_text("")
    with pytest.raises(UserError, match="udc80"):
        CharTokenizer.from_text("a\udc80")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back(text: str) -> None:
    tokenizer = CharTokenizer.from_text(text)
    ids = tokenizer.encode_array(text).tolist()
    assert ids == tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()
