from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mypt import prompts
from mypt.errors import UserError
from mypt.tokenizers import (
    CHAT_TOKENS,
    CharTokenizer,
    Gpt2Tokenizer,
    Tokenizer,
    load,
    train_bpe,
    with_chat_tokens,
)

LETTERS = CharTokenizer.from_text("\nabc " + "".join(CHAT_TOKENS))


@pytest.fixture
def gpt2() -> Tokenizer:
    tokenizer = Gpt2Tokenizer()
    try:
        tokenizer.check_ready()
    except UserError as error:
        pytest.skip(str(error))
    return tokenizer


@pytest.fixture
def chatty(gpt2: Tokenizer) -> Tokenizer:
    return with_chat_tokens(gpt2)


def refused(tokenizer: Tokenizer, text: str, **more: str) -> str:
    with pytest.raises(UserError) as error:
        prompts.chat(tokenizer, text, **more)
    return str(error.value)


def test_a_plain_prompt_is_its_text() -> None:
    assert prompts.plain(LETTERS, "abc").ids == LETTERS.encode("abc")
    assert not prompts.plain(LETTERS, "abc").answer


def test_an_empty_prompt_begins_at_a_line_break_or_anywhere() -> None:
    assert prompts.plain(LETTERS, "").ids == LETTERS.encode("\n")
    assert prompts.plain(CharTokenizer("abc"), "").ids == [0]


def test_what_the_vocabulary_lacks_is_listed_with_whose_it_is() -> None:
    with pytest.raises(UserError, match=r"prompt: holds characters that dante has never seen: 'X' 'Ü'"):
        prompts.plain(LETTERS, "XÜ", model="dante")
    assert refused(LETTERS, "a", system="Q").startswith("system: holds characters")


def test_texts_end_where_the_tokenizer_says(gpt2: Tokenizer, chatty: Tokenizer) -> None:
    assert prompts.plain(gpt2, "a").stops == ((50256,),)
    assert set(prompts.plain(chatty, "a").stops) == {(50256,), (50275,)}
    closing = chatty.special_tokens["</myPT_assistant>"]
    assert set(prompts.chat(chatty, "a").stops) == {(closing,), (50275,), (50256,)}


def test_a_tag_that_a_person_types_is_no_tag(chatty: Tokenizer) -> None:
    typed = "</myPT_user><myPT_eot><|endoftext|>"
    for prompt in (prompts.plain(chatty, typed), prompts.chat(chatty, typed, system=typed)):
        inside = [i for i in prompt.ids if i >= 50256]
        assert inside == [] if not prompt.answer else len(inside) == 5
        assert chatty.decode(prompt.ids).count(typed) == (2 if prompt.answer else 1)


def test_a_conversation_is_as_the_original_prepared_it(samples: Path) -> None:
    folder = samples / "original" / "datasets" / "sft_episodes"
    tokenizer = load(folder)
    tokens = np.fromfile(folder / "train" / "tokens.bin", dtype="<u4").tolist()
    index = np.fromfile(folder / "train" / "episodes.idx", dtype="<u8").reshape(-1, 2).tolist()
    episodes = [tokens[start : start + length] for start, length in index]
    (plain,) = [each for each in episodes if "(#4.0)" in tokenizer.decode(each)]
    system, user = (tokenizer.special_tokens[f"<myPT_{who}>"] for who in ("system", "user"))
    prompt = prompts.chat(tokenizer, "Is fire cold? (#4.0)", system="You are MyPT.")
    # Its sample was made without merges, so texts are compared, and the tags by their ids.
    assert tokenizer.decode(plain).startswith(tokenizer.decode(prompt.ids))
    assert [i for i in prompt.ids if i > 50256] == [i for i in plain if i > 50256][: len(prompt.ids)][:5]
    assert (prompt.ids[0], user in prompt.ids) == (system, True)


def test_letters_spell_tags_where_there_are_no_tokens_for_them() -> None:
    prompt = prompts.chat(LETTERS, "a")
    assert LETTERS.decode(prompt.ids) == "<myPT_user>a</myPT_user><myPT_assistant>"
    assert {LETTERS.decode(stop) for stop in prompt.stops} == {"</myPT_assistant>", "<myPT_eot>"}
    # `</s>` may be a strike-through in what such a model has read, though it could be spelled.
    assert not LETTERS.unknown("</s>")
    assert {LETTERS.decode(stop) for stop in prompts.plain(LETTERS, "a").stops} == {"<myPT_eot>"}
    assert prompts.plain(CharTokenizer.from_text("</s>"), "s").stops == ()


def test_tokens_of_its_own_for_a_byte_pair_vocabulary() -> None:
    trained = train_bpe(["a text of some words, " * 50], vocab_size=300)
    assert not prompts.knows_chat(trained)
    chatty = with_chat_tokens(trained)
    prompt = prompts.chat(chatty, "some words")
    assert prompt.ids[0] == chatty.special_tokens["<myPT_user>"]
    assert chatty.decode(prompt.ids[1:-2]) == "some words"


def test_tags_that_nobody_knows_are_refused(gpt2: Tokenizer) -> None:
    assert "dante knows no conversation tags (gpt2" in refused(gpt2, "a", model="dante")
    assert "knows no conversation tags (char, 3 characters)" in refused(CharTokenizer("abc"), "a")


def test_a_model_answers_where_its_loss_was_masked_and_its_tokens_have_tags(gpt2: Tokenizer) -> None:
    masked = {"use_loss_mask": True}
    assert prompts.is_chat_model(masked, with_chat_tokens(gpt2))
    assert prompts.is_chat_model(masked, LETTERS)
    assert not prompts.is_chat_model({}, with_chat_tokens(gpt2))
    assert not prompts.is_chat_model(masked, gpt2)
