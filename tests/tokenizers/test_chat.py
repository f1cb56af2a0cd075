from __future__ import annotations

import json
from pathlib import Path

import pytest

from mypt.tokenizers import CHAT_TOKENS, CharTokenizer, Gpt2Tokenizer, load, same, train_bpe, with_chat_tokens

SAMPLE = Path(__file__).parents[3] / "shared" / "samples" / "original" / "datasets" / "sft_episodes"


def test_gpt2_with_the_tags_is_the_originals(tmp_path: Path) -> None:
    if not SAMPLE.is_dir():
        pytest.skip("the samples are not here")
    original = json.loads((SAMPLE / "tokenizer_state.json").read_text(encoding="utf-8"))
    assert with_chat_tokens(Gpt2Tokenizer()).to_dict() == original == load(SAMPLE).to_dict()


def test_gpt2_gets_ids_from_50257() -> None:
    plain = Gpt2Tokenizer()
    chat = with_chat_tokens(plain)
    assert [chat.special_tokens[token] for token in CHAT_TOKENS] == list(range(50257, 50276))
    assert chat.valid_vocab == 50276
    assert chat.describe() == "gpt2, 50257 tokens and 19 special ones"
    assert chat.encode("<myPT_user>hi<myPT_eot>", specials=True) == [50259, 5303, 50275]
    assert chat.decode([50259]) == "<myPT_user>"
    assert with_chat_tokens(chat) is chat
    assert same(plain, chat)


def test_bpe_gets_added_tokens() -> None:
    plain = train_bpe(["a text"], 300)
    chat = with_chat_tokens(plain)
    assert chat.valid_vocab == plain.valid_vocab + 19
    assert chat.encode("<myPT_eot>", specials=True) == [chat.valid_vocab - 1]
    assert with_chat_tokens(chat) is chat
    assert same(plain, chat)


def test_char_gets_the_letters() -> None:
    chat = with_chat_tokens(CharTokenizer.from_text("abc"))
    assert chat.unknown("".join(CHAT_TOKENS)) == []
    assert chat.unknown("abc") == []
    assert with_chat_tokens(chat) is chat
