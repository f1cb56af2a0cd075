"""The tags that the original MyPT marks conversations with, for every kind of tokenizer."""

from __future__ import annotations

from mypt.tokenizers.base import Tokenizer
from mypt.tokenizers.bpe import BpeTokenizer
from mypt.tokenizers.char import CharTokenizer
from mypt.tokenizers.files import from_dict
from mypt.tokenizers.gpt2 import BASE_VOCAB, Gpt2Tokenizer

_PAIRS = (
    "system",
    "user",
    "assistant",
    "user_context",
    "assistant_context",
    "toolcall",
    "toolresult",
    "think",
    "cite",
)

END_OF_CHAT = "<myPT_eot>"
# In the order of their ids.
CHAT_TOKENS: tuple[str, ...] = (
    *(tag for name in _PAIRS for tag in (f"<myPT_{name}>", f"</myPT_{name}>")),
    END_OF_CHAT,
)
_NAMES: tuple[str, ...] = (
    *(name for pair in _PAIRS for name in (f"myPT_{pair}_open", f"myPT_{pair}_close")),
    "myPT_eot",
)


def with_chat_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """`tokenizer` with the 19 tags: ids 50257 to 50275 for gpt2, added tokens for bpe, their letters for char.

    One that has them is returned as it is.
    """
    if isinstance(tokenizer, CharTokenizer):
        lacking = tokenizer.unknown("".join(CHAT_TOKENS))
        return CharTokenizer(sorted({*tokenizer.chars, *lacking})) if lacking else tokenizer
    if all(token in tokenizer.special_tokens for token in CHAT_TOKENS):
        return tokenizer
    if isinstance(tokenizer, BpeTokenizer):
        return tokenizer.with_added(CHAT_TOKENS)
    assert isinstance(tokenizer, Gpt2Tokenizer)
    ids = range(BASE_VOCAB, BASE_VOCAB + len(CHAT_TOKENS))
    return tokenizer.with_specials(
        dict(zip(CHAT_TOKENS, ids, strict=True)),
        {"special_tokens_by_name": dict(zip(_NAMES, ids, strict=True)), "special_token_version": 1},
    )


def joined(tokenizer: Tokenizer, other: Tokenizer) -> Tokenizer:
    """`tokenizer` with the special tokens that only `other` has; the two must be `same` otherwise.

    So a base model that knows no tags learns them from the conversations that it is fine-tuned on.
    """
    lacking = other.special_tokens.keys() - tokenizer.special_tokens.keys()
    if not lacking:
        return tokenizer
    if tokenizer.special_tokens.keys() <= other.special_tokens.keys():
        return other
    data, theirs = tokenizer.to_dict(), other.to_dict()
    if isinstance(tokenizer, BpeTokenizer):
        own, more = data["tokenizer"], theirs["tokenizer"]["added_tokens"]
        added = [*(own.get("added_tokens") or []), *(each for each in more if each["content"] in lacking)]
        return from_dict({**data, "tokenizer": {**own, "added_tokens": added}})
    encoder = "special_token_encoder"
    return from_dict({**theirs, **data, encoder: {**data[encoder], **theirs[encoder]}})
