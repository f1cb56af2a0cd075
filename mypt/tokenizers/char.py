"""One token a character; the vocabulary is the characters of a text, sorted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from mypt.errors import Problem, UserError
from mypt.tokenizers.base import NO_TOKEN, Kind, Tokenizer, empty_array
from mypt.tokenizers.cuts import ANYWHERE

if TYPE_CHECKING:
    import re

    from mypt.tokenizers.base import TokenArray

_SHOWN = 20
# Characters encoded at a time: few enough that the numbers in between stay in the processor's cache.
_SLICE = 1 << 16


class CharTokenizer(Tokenizer):
    """Characters as tokens: `chars[i]` has id i."""

    kind: ClassVar[Kind] = "char"

    def __init__(self, chars: Sequence[str], fields: Mapping[str, Any] | None = None) -> None:
        """`chars` are distinct single characters; `fields` are the others of the tokenizer.json they came from."""
        self.chars = tuple(chars)
        self._fields = dict(fields) if fields is not None else {}
        self._ids = {char: index for index, char in enumerate(self.chars)}
        if len(self._ids) != len(self.chars) or any(len(char) != 1 for char in self.chars):
            raise ValueError("chars must be distinct single characters")

    @classmethod
    def from_text(cls, text: str) -> CharTokenizer:
        """The tokenizer of all characters of `text`. Raises UserError for an empty text or one with half a
        surrogate pair, which no file can hold."""
        chars = sorted(set(text))
        if not chars:
            raise UserError(Problem("a text without characters gives no vocabulary"))
        halves = [char for char in chars if "\ud800" <= char <= "\udfff"]
        if halves:
            raise UserError(
                Problem(f"the text holds what is no character: {spelled(halves)}", remedy="save it as UTF-8")
            )
        return cls(chars)

    @property
    def vocab_size(self) -> int:
        """The number of characters."""
        return len(self.chars)

    @property
    def valid_vocab(self) -> int:
        """The number of characters: every row has one."""
        return len(self.chars)

    @property
    def cuts(self) -> re.Pattern[str]:
        """Anywhere."""
        return ANYWHERE

    def check_ready(self) -> None:
        """Nothing to do: the vocabulary is all there is."""

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """One id a character. UserError lists the characters that are not in the vocabulary, at most 20."""
        ids = self._ids
        try:
            return [ids[char] for char in text]
        except KeyError:
            raise self._lacking(text) from None

    def encode_array(self, text: str) -> TokenArray:
        """`encode` through a table over code points, a slice of the text at a time."""
        import numpy as np

        table = self._table
        out = empty_array(len(text), len(self.chars))
        for start in range(0, len(text), _SLICE):
            raw = text[start : start + _SLICE].encode("utf-32-le", "surrogatepass")
            codes = np.frombuffer(raw, dtype="<u4")
            # The last entry of the table stands for every character beyond the largest known one.
            found = table[np.minimum(codes, len(table) - 1)]
            if found.size and found.min() < 0:
                raise self._lacking(text)
            out[start : start + len(found)] = found
        return out

    @cached_property
    def _table(self) -> Any:
        """int32 of (largest code point + 2): code point to id, -1 where there is none."""
        import numpy as np

        codes = np.array([ord(char) for char in self.chars], dtype=np.int64)
        table = np.full(int(codes.max()) + 2, -1, dtype=np.int32)
        table[codes] = np.arange(len(codes), dtype=np.int32)
        return table

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The characters of `ids` in UTF-8."""
        return self.decode(ids).encode("utf-8")

    def decode(self, ids: Iterable[int]) -> str:
        """The characters of `ids`."""
        chars, size = self.chars, len(self.chars)
        return "".join([chars[index] if 0 <= index < size else NO_TOKEN for index in ids])

    def to_dict(self) -> dict[str, Any]:
        """The original's fields, those read from a file included."""
        ours = {"token_kind": self.kind, "chars": list(self.chars)}
        defaults = {"base_vocab_size": None, "model_vocab_size": len(self.chars)}
        return ours | defaults | self._fields

    def describe(self) -> str:
        """As "char, 55 characters"."""
        return f"char, {len(self.chars)} character{'s' if len(self.chars) != 1 else ''}"

    def unknown(self, text: str) -> list[str]:
        """The characters of `text` outside the vocabulary, sorted."""
        return sorted(set(text).difference(self._ids))

    def _lacking(self, text: str) -> UserError:
        lacking = self.unknown(text)
        return UserError(
            Problem(
                f"the text has {len(lacking)} character{'s' if len(lacking) != 1 else ''} that the vocabulary of "
                f"{len(self.chars)} lacks: {spelled(lacking)}",
                remedy="remove or replace them",
            )
        )


def spelled(chars: Sequence[str], limit: int = _SHOWN) -> str:
    """`chars` quoted and escaped for a message, at most `limit` of them."""
    shown = ", ".join(ascii(char) if not char.isprintable() else repr(char) for char in chars[:limit])
    return shown if len(chars) <= limit else f"{shown} and {len(chars) - limit} more"
