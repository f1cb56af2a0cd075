"""Which tokenizer a model in memory belongs to, so that a program need not carry it from loading to saving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from mypt import bundle, tokenizers
from mypt.errors import Problem, UserError
from mypt.tokenizers import Tokenizer
from mypt.tokenizers.gpt2 import BASE_VOCAB, Gpt2Tokenizer

if TYPE_CHECKING:
    from mypt.model import LanguageModel

_known: WeakKeyDictionary[LanguageModel, Tokenizer] = WeakKeyDictionary()


def remember(model: LanguageModel, tokenizer: Tokenizer) -> None:
    """Say that `model` speaks `tokenizer`: it was loaded or trained with it."""
    _known[model] = tokenizer


def tokenizer_of(model: LanguageModel, folder: Path | None = None) -> Tokenizer:
    """The tokenizer that `model` was loaded or trained with, else that of the bundle in `folder`, else GPT-2's where
    the model has a row for each of its tokens. Raises `UserError` where none of these is known."""
    if model in _known:
        return _known[model]
    if folder is not None and (folder / bundle.TOKENIZER).is_file():
        return tokenizers.load(folder)
    rows = model.config.vocab_size
    if rows >= BASE_VOCAB:
        return Gpt2Tokenizer()
    raise UserError(
        Problem(
            f"is needed: a vocabulary of {rows} tokens is not GPT-2's",
            field="tokenizer",
            remedy="name it, for instance mypt.tokenizers.create('char', text=...)",
        )
    )
