"""GPT-2's byte pairs through tiktoken, with the chat tags of the original MyPT where a model knows them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from mypt.tokenizers import gpt2_vocab
from mypt.tokenizers.base import NO_TOKEN, Kind, Tokenizer, whole_characters
from mypt.tokenizers.cuts import BYTE_LEVEL, pieces

if TYPE_CHECKING:
    import re

    from tiktoken import Encoding

    from mypt.tokenizers.base import TokenArray

BASE_VOCAB = 50_257
# 50257 rounded up to a multiple of 128, the size at which matrix products are fast.
MODEL_VOCAB = 50_304
END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 50_256

# How GPT-2 splits text before merging; the possessive quantifiers only spare backtracking on long runs.
_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


class Gpt2Tokenizer(Tokenizer):
    """GPT-2's 50257 tokens in 50304 rows; special tokens of one's own take ids from 50257 on."""

    kind: ClassVar[Kind] = "gpt2"

    def __init__(
        self,
        specials: Mapping[str, int] | None = None,
        fields: Mapping[str, Any] | None = None,
        vocab_path: str | os.PathLike[str] | None = None,
    ) -> None:
        """`specials` maps the spelling of added tokens to ids 50257..50303; `fields` are the other ones of the
        tokenizer.json it came from; `vocab_path` names the vocabulary file (else it is searched for)."""
        self._added = dict(specials or {})
        self._fields = dict(fields or {})
        self._vocab_path = os.fspath(vocab_path) if vocab_path is not None else None

    @property
    def vocab_size(self) -> int:
        """50304: padded, always."""
        return MODEL_VOCAB

    @property
    def valid_vocab(self) -> int:
        """50257, or as far as the added tokens go."""
        return max(self._added.values(), default=BASE_VOCAB - 1) + 1

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """`<|endoftext|>` and the added tokens."""
        return {END_OF_TEXT: END_OF_TEXT_ID, **self._added}

    @property
    def cuts(self) -> re.Pattern[str]:
        """All that byte-level pre-tokenization allows."""
        return BYTE_LEVEL

    def check_ready(self) -> None:
        """Find and check the vocabulary file now (UserError where there is none)."""
        _ = self._encoding

    @cached_property
    def _encoding(self) -> Encoding:
        return _encoding(gpt2_vocab.find(self._vocab_path), tuple(self.special_tokens.items()))

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        ranks = gpt2_vocab.ranks_from(gpt2_vocab.find(self._vocab_path))
        return {rank: token for token, rank in (*ranks.items(), *_as_bytes(self.special_tokens))}

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """GPT-2's ids; half surrogate pairs become U+FFFD."""
        if specials:
            return self._encoding.encode(text, allowed_special="all")
        return self._encoding.encode_ordinary(text)

    def encode_array(self, text: str) -> TokenArray:
        """uint16 ids, a part of the text at a time so that memory stays bounded."""
        import numpy as np

        encoding = self._encoding
        # Nothing is allowed to be special and nothing is forbidden: ordinary text, without a list of objects in between.
        return np.concatenate(
            [
                encoding.encode_to_numpy(piece, disallowed_special=()).astype(np.uint16)
                for piece in pieces(whole_characters(text))
            ]
        )

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the tokens; special tokens as they are spelled."""
        table, missing = self._bytes, NO_TOKEN.encode()
        return b"".join([table.get(index, missing) for index in ids])

    def to_dict(self) -> dict[str, Any]:
        """The original's fields; added tokens under `special_token_encoder`."""
        ours: dict[str, Any] = {"token_kind": self.kind}
        if self._added:
            ours["special_token_encoder"] = dict(self._added)
        defaults = {"chars": None, "base_vocab_size": BASE_VOCAB, "model_vocab_size": MODEL_VOCAB}
        return {"token_kind": self.kind} | defaults | self._fields | ours

    def describe(self) -> str:
        """As "gpt2, 50257 tokens and 19 special ones"."""
        tail = f" and {len(self._added)} special ones" if self._added else ""
        return f"gpt2, {BASE_VOCAB} tokens{tail}"

    def with_specials(self, specials: Mapping[str, int], fields: Mapping[str, Any]) -> Gpt2Tokenizer:
        """The same tokenizer with `specials` for added tokens and `fields` added to its tokenizer.json."""
        return Gpt2Tokenizer(specials, {**self._fields, **fields}, self._vocab_path)

    def __reduce__(self) -> tuple[Any, ...]:
        return Gpt2Tokenizer, (self._added, self._fields, self._vocab_path)


@lru_cache(maxsize=2)
def _encoding(data: bytes, specials: tuple[tuple[str, int], ...]) -> Encoding:
    from tiktoken import Encoding

    # Built directly: tiktoken's registry would download two files.
    return Encoding(
        "gpt2",
        pat_str=_PATTERN,
        mergeable_ranks=gpt2_vocab.ranks_from(data),
        special_tokens=dict(specials),
    )


def _as_bytes(specials: Mapping[str, int]) -> list[tuple[bytes, int]]:
    return [(text.encode("utf-8"), index) for text, index in specials.items()]
