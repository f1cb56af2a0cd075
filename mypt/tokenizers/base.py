"""The one face that characters, GPT-2's byte pairs and Hugging Face tokenizers share."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import re

    import numpy as np
    import numpy.typing as npt

    TokenArray = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]

Kind = Literal["char", "gpt2", "bpe"]
KINDS: tuple[Kind, ...] = ("char", "gpt2", "bpe")

# What an id without a token decodes to: the sign that Unicode keeps for this.
NO_TOKEN = "\ufffd"
# How the mark between documents is spelled: GPT-2's and Qwen's, Llama 3's, Llama 2's, Gemma's, and others'.
_ENDS_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eot|>", "[EOS]")


class Tokenizer(ABC):
    """Text to token ids and back.

    Text is ordinary text: where it happens to spell a special token (`<|endoftext|>`, `<myPT_eot>`), it is encoded
    letter by letter, so that no training text and no prompt can inject one. A caller that means the special
    tokens says so with `specials=True`, or takes their ids from `special_tokens`.
    """

    kind: ClassVar[Kind]

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Rows that a model of this tokenizer has (for gpt2 padded to 50304)."""

    @property
    @abstractmethod
    def valid_vocab(self) -> int:
        """Ids from 0 to this number (excluded) decode; rows beyond it are never sampled."""

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The tokens that stand for a mark and not for text, by their spelling; none for char."""
        return {}

    @property
    def end_of_text(self) -> int | None:
        """The id of the mark between documents; None where there is none."""
        return next((self.special_tokens[t] for t in _ENDS_OF_TEXT if t in self.special_tokens), None)

    @property
    @abstractmethod
    def cuts(self) -> re.Pattern[str] | None:
        """Places where a text can be cut so that the pieces' ids, joined, are those of the whole: an empty match,
        found from the two characters before and the one behind it (see `mypt.tokenizers.cuts`). None: nobody knows.
        """

    @abstractmethod
    def check_ready(self) -> None:
        """Raise UserError now if something that encoding needs is missing (it is loaded on first use otherwise)."""

    @abstractmethod
    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """The ids of `text`; `specials` lets spelled-out special tokens become their id.

        Raises UserError where a character has no token (char only).
        """

    @abstractmethod
    def encode_array(self, text: str) -> TokenArray:
        """`encode(text)` for megabytes of text: a flat uint16 array, or uint32 where ids do not fit."""

    @abstractmethod
    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The UTF-8 bytes of `ids`. One token may be a part of a character: see `StreamDecoder`."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; what is no character, or no token, shows as U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The object that `tokenizer.json` holds; `from_dict` reads it back, fields unknown to us included."""

    @abstractmethod
    def describe(self) -> str:
        """In a few words: "char, 55 characters"."""

    def unknown(self, text: str) -> list[str]:
        """The characters of `text` that have no token, sorted. Empty for the kinds that encode any bytes."""
        return []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"


class StreamDecoder:
    """Text from ids as they arrive; bytes of a character that is not complete yet are held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, *ids: int) -> str:
        """The text that `ids` complete; often one token's, sometimes none."""
        return self._decoder.decode(self._tokenizer.decode_bytes(ids))

    def finish(self) -> str:
        """What was held back at the end: U+FFFD for a character that never became complete, else nothing."""
        return self._decoder.decode(b"", final=True)


def empty_array(length: int, vocab: int) -> TokenArray:
    """An array for `length` ids below `vocab`, of the smallest type that holds them."""
    import numpy as np

    return np.empty(length, dtype=np.uint16) if vocab <= 1 << 16 else np.empty(length, dtype=np.uint32)


def whole_characters(text: str) -> str:
    """`text` with halves of surrogate pairs replaced: the library stops at them."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
