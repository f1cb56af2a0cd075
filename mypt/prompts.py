"""From what a person writes to the tokens that a model goes on from, and those at which its text ends. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mypt.errors import Problem, UserError
from mypt.settings.model_config import MODDED_ARCHS
from mypt.tokenizers import CHAT_TOKENS, END_OF_CHAT, ChatEncoder, Message, Tokenizer

# How GPT-2, Llama and their relatives spell the token after the last word of a text.
_END_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|im_end|>", "</s>", "<eos>")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`ids` to go on from (never empty), and the runs of ids that end the text, which are not part of it.

    `answer` says that what follows is an answer, and not the rest of what the prompt says.
    """

    ids: list[int]
    stops: tuple[tuple[int, ...], ...]
    answer: bool = False


def plain(tokenizer: Tokenizer, text: str, *, model: str = "the model", begin: Sequence[int] = ()) -> Prompt:
    """`text` as it is, after the ids `begin` (see `beginning`).

    Where there is neither, it begins at a line break, or where the vocabulary has none at token 0. Raises `UserError` with the characters that the vocabulary lacks; `model` is whose vocabulary the message names.
    """
    _check_known(tokenizer, text, model)
    ids = [*begin, *tokenizer.encode(text)]
    if not ids:
        ids = ([] if tokenizer.unknown("\n") else tokenizer.encode("\n")) or [0]
    return Prompt(ids, (*_ends_of_text(tokenizer), *_spelled(tokenizer, END_OF_CHAT)))


def beginning(config: Mapping[str, Any], tokenizer: Tokenizer) -> list[int]:
    """What stands before every text for the model of this config: the token that began all documents it saw."""
    end = tokenizer.end_of_text
    return [end] if config.get("arch") in MODDED_ARCHS and end is not None else []


def chat(tokenizer: Tokenizer, text: str, *, system: str = "", model: str = "the model") -> Prompt:
    """`text` as what the user says, between the tags of conversations; the model answers as the assistant.

    Tags that happen to be spelled in `text` or `system` are letters and no tags. Raises `UserError` where the
    tokenizer has no such tags, or lacks characters.
    """
    if not knows_chat(tokenizer):
        message = f"{model} knows no conversation tags ({tokenizer.describe()})"
        remedy = "leave it away, or fine-tune on conversations first"
        raise UserError(Problem(message, field="chat", remedy=remedy))
    _check_known(tokenizer, text, model)
    _check_known(tokenizer, system, model, field="system")
    encoder = ChatEncoder(tokenizer)
    said = [Message("system", system)] if system else []
    ids = encoder.prompt([*said, Message("user", text)])
    stops = (*map(tuple, encoder.stops), *_ends_of_text(tokenizer))
    return Prompt(ids, stops, answer=True)


def knows_chat(tokenizer: Tokenizer) -> bool:
    """Whether the tags of conversations can be written with `tokenizer`: as tokens of their own, or for char letters."""
    return all(_spelled(tokenizer, tag) for tag in CHAT_TOKENS)


def is_chat_model(config: Mapping[str, Any], tokenizer: Tokenizer) -> bool:
    """Whether a bundle's model was trained to answer: its loss was masked, and its tokenizer has the tags."""
    return config.get("use_loss_mask") is True and knows_chat(tokenizer)


def _spelled(tokenizer: Tokenizer, tag: str) -> tuple[tuple[int, ...], ...]:
    """The ids of a tag, as the one run of them; no run where the tokenizer does not know it."""
    if tag in tokenizer.special_tokens:
        return ((tokenizer.special_tokens[tag],),)
    if tokenizer.kind == "char" and not tokenizer.unknown(tag):
        return (tuple(tokenizer.encode(tag)),)
    return ()


def _ends_of_text(tokenizer: Tokenizer) -> tuple[tuple[int, ...], ...]:
    """Tokens after the last word of a text. Letters are none: a `</s>` may be a strike-through."""
    specials = tokenizer.special_tokens
    return tuple((specials[each],) for each in _END_OF_TEXT if each in specials)


def _check_known(tokenizer: Tokenizer, text: str, model: str, field: str = "prompt") -> None:
    missing = tokenizer.unknown(text)
    if missing:
        shown = " ".join(repr(char) for char in missing[:20]) + (" …" if len(missing) > 20 else "")
        message = f"holds characters that {model} has never seen: {shown}"
        raise UserError(Problem(message, field=field, value=text, remedy="leave them away"))
