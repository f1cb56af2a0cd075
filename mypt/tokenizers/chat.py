"""Conversations as tokens: the tags and the layout of the original MyPT, for every kind of tokenizer.

    <myPT_system>…</myPT_system><myPT_user>…</myPT_user><myPT_assistant>…</myPT_assistant>…<myPT_eot>

What people and models wrote is always encoded as plain text: a message that spells a tag does not become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says. A user may bring a `context` along; an assistant may `think` before and `cite` after it."""

    role: str
    content: str
    context: str = ""
    think: str = ""
    cite: str = ""


class Encoded(NamedTuple):
    """A conversation's token ids, and for each whether a model shall learn to say it."""

    ids: list[int]
    learned: list[bool]


class ChatEncoder:
    """Encodes conversations with `tokenizer`, which must have the tags (see `with_chat_tokens`)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        specials = tokenizer.special_tokens
        self._tags = {
            tag: tokenizer.encode(tag) if isinstance(tokenizer, CharTokenizer) else [specials[tag]]
            for tag in CHAT_TOKENS
        }

    def encode(self, messages: Iterable[Message]) -> Encoded:
        """A whole conversation. Learned are an assistant's words, its closing tag and the end of the chat."""
        ids: list[int] = []
        learned: list[bool] = []
        for part in _parts(messages):
            piece = self._tags[part.text] if part.tag else self.tokenizer.encode(part.text)
            ids += piece
            learned += [part.learned] * len(piece)
        return Encoded(ids, learned)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """A conversation so far, up to where the assistant begins to speak."""
        return [*self.encode(messages).ids[: -len(self._tags[END_OF_CHAT])], *self._tags["<myPT_assistant>"]]

    @property
    def stops(self) -> list[list[int]]:
        """What ends an assistant's turn, each a sequence of ids (of one id, but for char)."""
        return [self._tags["</myPT_assistant>"], self._tags[END_OF_CHAT]]


class _Part(NamedTuple):
    text: str
    tag: bool
    learned: bool


def _parts(messages: Iterable[Message]) -> Iterator[_Part]:
    """A conversation in the original's layout, tags and texts in turn."""

    def within(name: str, text: str, learned: bool) -> Iterator[_Part]:
        yield _Part(f"<myPT_{name}>", True, learned)
        yield _Part(text, False, learned)
        yield _Part(f"</myPT_{name}>", True, learned)

    for message in messages:
        speaks = message.role == "assistant"
        # The opening tag is put there by whoever asks for an answer; only the rest is the assistant's own.
        yield _Part(f"<myPT_{message.role}>", True, False)
        for name, text in (("user_context", message.context), ("think", message.think)):
            if text:
                yield from within(name, text, speaks)
        yield _Part(message.content, False, speaks)
        if message.cite:
            yield from within("cite", message.cite, speaks)
        yield _Part(f"</myPT_{message.role}>", True, speaks)
    yield _Part(END_OF_CHAT, True, True)


def spelled_tags(text: str) -> list[str]:
    """The tags that are spelled out in `text`."""
    return [tag for tag in CHAT_TOKENS if tag in text] if "myPT_" in text else []


def joined(tokenizer: Tokenizer, other: Tokenizer) -> Tokenizer:
    """`tokenizer` with the special tokens that only `other` has; the two must be `same` otherwise.

    So a base model that knows no tags learns them from the conversations that it is fine-tuned on.
    """
    lacking = other.special_tokens.keys() - tokenizer.special_tokens.keys()
    if not lacking:
        return tokenizer
    if tokenizer.special_tokens.keys() <= other.special_tokens.keys():
        return other
    # Only gpt2 gives its special tokens free ids to choose from, so that two may have different ones and yet agree.
    data, theirs, encoder = tokenizer.to_dict(), other.to_dict(), "special_token_encoder"
    return from_dict({**theirs, **data, encoder: {**data.get(encoder, {}), **theirs.get(encoder, {})}})
