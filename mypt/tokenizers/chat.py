"""The tags that the original MyPT marks conversations with, for every kind of tokenizer."""

from __future__ import annotations

from mypt.tokenizers.base import Tokenizer
from mypt.tokenizers.bpe import BpeTokenizer
from mypt.tokenizers.char import CharTokenizer
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
