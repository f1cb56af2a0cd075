from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.tokenizers import CharTokenizer, Gpt2Tokenizer, StreamDecoder, Tokenizer, create, train_bpe
from mypt.tokenizers.cuts import pieces

TEXT = "Once there was a fox — a very small one. 🦊\nIt said: “Grüße!”\n\n  Then it left.\n" * 20


@pytest.fixture(scope="module", params=["char", "gpt2", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return create(request.param, text=TEXT, vocab_size=300)


def test_a_text_comes_back_as_it_was(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.encode("") == []


def test_the_array_holds_the_same_ids_in_two_bytes_each(tokenizer: Tokenizer) -> None:
    array = tokenizer.encode_array(TEXT)
    assert array.tolist() == tokenizer.encode(TEXT)
    assert str(array.dtype) == "uint16"
    assert len(tokenizer.encode_array("")) == 0


def test_tokens_that_arrive_one_by_one_never_show_half_a_character(tokenizer: Tokenizer) -> None:
    stream = StreamDecoder(tokenizer)
    shown = [stream.push(index) for index in tokenizer.encode(TEXT)]
    assert "".join(shown) == TEXT
    assert stream.finish() == ""


def test_a_character_that_never_becomes_complete_shows_as_such_at_the_end() -> None:
    tokenizer = create("gpt2")
    stream = StreamDecoder(tokenizer)
    assert stream.push(*tokenizer.encode("🦊")[:1]) == ""
    assert stream.finish() == "\ufffd"


def test_ids_without_a_token_decode_to_a_sign_and_not_to_an_error(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode([tokenizer.valid_vocab, 10**7]) == "\ufffd\ufffd"


def test_it_travels_to_worker_processes(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.to_dict() == tokenizer.to_dict()
    assert copy.encode("a fox") == tokenizer.encode("a fox")


def test_a_special_token_in_ordinary_text_stays_text(tokenizer: Tokenizer) -> None:
    for token, index in tokenizer.special_tokens.items():
        assert index not in tokenizer.encode(f"a {token} b")
        assert index not in tokenizer.encode_array(f"a {token} b").tolist()
        assert tokenizer.decode(tokenizer.encode(f"a {token} b")) == f"a {token} b"
        assert index in tokenizer.encode(f"a {token} b", specials=True)
        assert tokenizer.decode([index]) == token


@given(
    st.lists(
        st.sampled_from(["a", "fox", " ", "\n", "\n\n", "!", "é", "1", "\t", "'s", "\u2003"]), max_size=40
    )
)
def test_cutting_a_long_text_changes_no_token(parts: list[str]) -> None:
    text = "".join(parts)
    cut = list(pieces(text, characters=3))
    assert "".join(cut) == text
    gpt2 = Gpt2Tokenizer()
    assert [index for piece in cut for index in gpt2.encode(piece)] == gpt2.encode(text)


def test_long_texts_are_cut() -> None:
    assert len(list(pieces("a line\n" * 1000, characters=100))) > 50


def test_the_libraries_are_loaded_only_for_their_kind() -> None:
    script = (
        "import sys; from mypt.tokenizers import create, from_dict\n"
        "t = create('char', text='abc'); t.decode(t.encode('cab'))\n"
        "from_dict({'token_kind': 'gpt2'}).describe()\n"
        "from_dict({'token_kind': 'bpe', 'tokenizer': {'model': {'vocab': {'a': 0}}}}).describe()\n"
        "print(sorted({'torch', 'tiktoken', 'tokenizers', 'numpy', 'platformdirs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_large_vocabularies_take_four_bytes() -> None:
    chars = [chr(0x20000 + index) for index in range(0x10001)] + ["a"]
    array = CharTokenizer(chars).encode_array("a" + chars[3])
    assert str(array.dtype) == "uint32"
    assert array.tolist() == [0x10001, 3]


def test_training_twice_gives_the_same_tokenizer() -> None:
    assert train_bpe([TEXT], 300).to_dict() == train_bpe([TEXT], 300).to_dict()
