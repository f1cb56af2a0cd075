"""A tokenizer for a model whose own nobody brought: text is the numbers of tokens, with a space between them."""

from __future__ import annotations

from typing import Any

from mypt.interop.target import TOKEN_NUMBERS
from mypt.tokenizers import BpeTokenizer

_SPACE = "\u2581"


def token_numbers(rows: int) -> BpeTokenizer:
    """Tokens 0 to `rows` - 1, written as numbers: "17 4" are the tokens 17 and 4. What is no such number is skipped."""
    spaces: dict[str, Any] = {
        "type": "Metaspace",
        "replacement": _SPACE,
        "prepend_scheme": "always",
        "split": True,
    }
    data: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": spaces,
        "post_processor": None,
        "decoder": spaces,
        # Whole words are tokens, and what is none has no letters to be put together from.
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {f"{_SPACE}{index}": index for index in range(rows)},
            "merges": [],
        },
    }
    return BpeTokenizer(data, {TOKEN_NUMBERS: True})
