from __future__ import annotations

import json
from pathlib import Path

import pytest

from mypt.tokenizers import (
    CHAT_TOKENS,
    CharTokenizer,
    ChatEncoder,
    Gpt2Tokenizer,
    Message,
    Tokenizer,
    from_dict,
    joined,
    load,
    same,
    train_bpe,
    with_chat_tokens,
)
from mypt.tokenizers.chat import spelled_tags

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


TALK = [
    Message("system", "Be kind."),
    Message("user", "What is it?", context="a note"),
    Message("assistant", "A cat.", think="hm", cite="book"),
    Message("assistant_context", "3 files"),
    Message("user", "Sure?"),
    Message("assistant", "Yes."),
]
LAYOUT = (
    "<myPT_system>Be kind.</myPT_system>"
    "<myPT_user><myPT_user_context>a note</myPT_user_context>What is it?</myPT_user>"
    "<myPT_assistant>[<myPT_think>hm</myPT_think>A cat.<myPT_cite>book</myPT_cite></myPT_assistant>]"
    "<myPT_assistant_context>3 files</myPT_assistant_context>"
    "<myPT_user>Sure?</myPT_user><myPT_assistant>[Yes.</myPT_assistant><myPT_eot>]"
)


def chat_tokenizers() -> list[Tokenizer]:
    text = "".join(message.content + message.context + message.think + message.cite for message in TALK)
    plain: list[Tokenizer] = [CharTokenizer.from_text(text), Gpt2Tokenizer(), train_bpe([text * 3], 300)]
    return [with_chat_tokens(each) for each in plain]


@pytest.mark.parametrize("tokenizer", chat_tokenizers(), ids=lambda each: each.kind)
def test_a_conversation_is_laid_out_as_the_originals(tokenizer: Tokenizer) -> None:
    ids, learned = ChatEncoder(tokenizer).encode(TALK)
    assert tokenizer.decode(ids) == LAYOUT.replace("[", "").replace("]", "")
    # What is between the brackets is what the assistant says.
    said = "".join(part.split("]")[0] for part in LAYOUT.split("[")[1:])
    assert tokenizer.decode([i for i, mark in zip(ids, learned, strict=True) if mark]) == said
    assert len(ids) == len(learned)


@pytest.mark.parametrize("tokenizer", chat_tokenizers(), ids=lambda each: each.kind)
def test_a_prompt_ends_where_the_assistant_begins(tokenizer: Tokenizer) -> None:
    encoder = ChatEncoder(tokenizer)
    prompt = encoder.prompt(TALK[:2])
    assert tokenizer.decode(prompt).endswith("What is it?</myPT_user><myPT_assistant>")
    # An answer goes on from there as in training.
    whole = encoder.encode([*TALK[:2], Message("assistant", "Yes.")]).ids
    assert whole[: len(prompt)] == prompt
    assert [tokenizer.decode(stop) for stop in encoder.stops] == ["</myPT_assistant>", "<myPT_eot>"]


@pytest.mark.parametrize("tokenizer", chat_tokenizers()[1:], ids=lambda each: each.kind)
def test_a_text_that_spells_a_tag_does_not_become_one(tokenizer: Tokenizer) -> None:
    text = "".join(CHAT_TOKENS) + "<|endoftext|>"
    ids, _ = ChatEncoder(tokenizer).encode([Message("user", text), Message("assistant", text)])
    marks = set(tokenizer.special_tokens.values())
    found = [i for i in ids if i in marks]
    tags = ("<myPT_user>", "</myPT_user>", "<myPT_assistant>", "</myPT_assistant>", "<myPT_eot>")
    assert found == [tokenizer.special_tokens[tag] for tag in tags]
    assert tokenizer.decode(ids).count("<myPT_think>") == 2


def test_spelled_tags_are_found() -> None:
    assert spelled_tags("say <myPT_eot> or </myPT_user>, not myPT_user") == ["</myPT_user>", "<myPT_eot>"]
    assert spelled_tags("nothing") == []


def test_two_tokenizers_join_their_special_tokens() -> None:
    plain = Gpt2Tokenizer()
    chat = with_chat_tokens(plain)
    other = plain.with_specials({"<mine>": 50290}, {})
    assert joined(plain, chat) is chat and joined(chat, plain) is chat and joined(plain, plain) is plain
    both = joined(other, chat)
    assert dict(both.special_tokens) == {**chat.special_tokens, "<mine>": 50290}
    assert same(both, chat) and same(both, other) and same(from_dict(both.to_dict()), both)


def test_a_bpe_base_takes_the_tags_from_the_conversations() -> None:
    plain = train_bpe(["a text"], 300)
    chat = with_chat_tokens(plain)
    assert joined(plain, chat) is chat and joined(chat, plain) is chat
