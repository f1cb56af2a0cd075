"""A Hugging Face `tokenizer.json` through the `tokenizers` library, and one trained on a text of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mypt.errors import Problem, UserError
from mypt.tokenizers.base import NO_TOKEN, Kind, Tokenizer, empty_array, whole_characters
from mypt.tokenizers.cuts import LLAMA_3, cuts_of, pieces, stages
from mypt.tokenizers.gpt2_vocab import byte_of_letter

if TYPE_CHECKING:
    import tokenizers

    from mypt.tokenizers.base import TokenArray

DEFAULT_VOCAB = 4096
# A byte-level vocabulary begins with every byte.
SMALLEST_VOCAB = 256
END_OF_TEXT = "<|endoftext|>"
SPLITS = ("gpt2", "llama3")
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_METASPACE = "\u2581"
# Characters encoded at a time: the library keeps over a hundred bytes a token while it works, and small pieces are faster.
_PIECE = 1 << 14


class BpeTokenizer(Tokenizer):
    """The tokenizer of `data`, the object in a Hugging Face tokenizer.json. The library is loaded on first use."""

    kind: ClassVar[Kind] = "bpe"

    def __init__(
        self, data: Mapping[str, Any], fields: Mapping[str, Any] | None = None, where: str = ""
    ) -> None:
        """`fields` are the other ones of our own tokenizer.json, `where` names the file in errors.

        Raises UserError where `data` has no vocabulary.
        """
        self._data = dict(data)
        self._fields = dict(fields or {})
        self._where = where
        self._tokens = _tokens_by_id(self._data)

    @property
    def vocab_size(self) -> int:
        """The largest id and one, added tokens included."""
        return self.valid_vocab

    @property
    def valid_vocab(self) -> int:
        """The same as `vocab_size`: nothing is padded."""
        return max(self._tokens) + 1

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The added tokens that are marked special."""
        return {token["content"]: token["id"] for token in self._added if token.get("special")}

    @property
    def data(self) -> Mapping[str, Any]:
        """The Hugging Face object itself."""
        return self._data

    def check_ready(self) -> None:
        """Let the library read it now (UserError if it cannot)."""
        _ = self._ordinary

    @cached_property
    def _ordinary(self) -> tokenizers.Tokenizer:
        engine = self._engine()
        engine.encode_special_tokens = True
        return engine

    @cached_property
    def _with_specials(self) -> tokenizers.Tokenizer:
        return self._engine()

    def _engine(self) -> tokenizers.Tokenizer:
        import tokenizers

        try:
            engine = tokenizers.Tokenizer.from_str(json.dumps(self._data))
        # The library raises bare `Exception` for whatever it does not understand, and what its Rust calls a panic is
        # no `Exception` at all.
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            problem = Problem(f"the tokenizers library cannot read it: {error}", self._where, "tokenizer")
            raise UserError(problem) from None
        # A tokenizer.json may ask for inputs of one length, which is for classifiers and would cut training text.
        engine.no_truncation()
        engine.no_padding()
        return engine

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """Ids without the begin and end tokens that a post-processor would add; never cut to a length."""
        engine = self._with_specials if specials else self._ordinary
        ids: list[int] = engine.encode(whole_characters(text), add_special_tokens=False).ids
        return ids

    def _ids(self, text: str) -> list[int]:
        """`encode` without noting where each token stands in the text, which takes half of the time."""
        (found,) = self._ordinary.encode_batch_fast([whole_characters(text)], add_special_tokens=False)
        ids: list[int] = found.ids
        return ids

    def encode_array(self, text: str) -> TokenArray:
        """`encode` for long texts; byte-level tokenizers take them a part at a time."""
        import numpy as np

        # Others (SentencePiece's kind) treat the beginning of a text in a special way, so it must stay whole.
        parts = pieces(text, self.cuts, _PIECE) if self.cuts is not None else [text]
        ids = [np.array(self._ids(piece), dtype=np.uint32) for piece in parts]
        out = empty_array(sum(map(len, ids)), self.valid_vocab)
        np.concatenate(ids, out=out, casting="same_kind")
        return out

    @cached_property
    def cuts(self) -> re.Pattern[str] | None:
        """Those of byte-level tokenizers that split as GPT-2 and its relatives do."""
        return cuts_of(self._data)

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        """The bytes of every token, spelled as the decoder says."""
        decoders = {stage.get("type") for stage in stages(self._data.get("decoder"), "decoders")}
        byte_of = byte_of_letter()
        added = {token["id"] for token in self._added}
        out = {}
        for index, token in self._tokens.items():
            hexadecimal = _BYTE_TOKEN.fullmatch(token)
            if index in added:
                out[index] = token.encode("utf-8", "replace")
            elif "ByteLevel" in decoders and all(letter in byte_of for letter in token):
                out[index] = bytes(byte_of[letter] for letter in token)
            elif "ByteFallback" in decoders and hexadecimal:
                out[index] = bytes([int(hexadecimal[1], 16)])
            else:
                out[index] = token.replace(_METASPACE, " ").encode("utf-8", "replace")
        return out

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the tokens, one after the other; a leading space stays (see `decode`)."""
        table, missing = self._bytes, NO_TOKEN.encode()
        return b"".join([table.get(index, missing) for index in ids])

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, without the leading space that SentencePiece's kind adds to every text."""
        text = super().decode(ids)
        return text[1:] if self._adds_space and text.startswith(" ") else text

    @cached_property
    def _adds_space(self) -> bool:
        return any(
            (stage.get("type") == "Strip" and stage.get("start") == 1 and stage.get("content") == " ")
            or (stage.get("type") == "Metaspace" and stage.get("prepend_scheme") != "never")
            for stage in stages(self._data.get("decoder"), "decoders")
        )

    def to_dict(self) -> dict[str, Any]:
        """The Hugging Face object under `tokenizer`."""
        return self._fields | {"token_kind": self.kind, "tokenizer": self._data}

    def describe(self) -> str:
        """As "bpe, 4096 tokens"."""
        return f"bpe, {len(self._tokens)} tokens"

    def with_added(self, tokens: Sequence[str]) -> BpeTokenizer:
        """The same tokenizer with `tokens` as special ones, on the next free ids; those it has keep theirs."""
        known = {token["content"] for token in self._added}
        fresh = [token for token in dict.fromkeys(tokens) if token not in known]
        extra = [_added_token(token, self.valid_vocab + index) for index, token in enumerate(fresh)]
        return BpeTokenizer(self._data | {"added_tokens": [*self._added, *extra]}, self._fields)

    @property
    def _added(self) -> list[dict[str, Any]]:
        return self._data.get("added_tokens") or []


def train_bpe(
    texts: Iterable[str | Path],
    vocab_size: int = DEFAULT_VOCAB,
    *,
    splits: str = "gpt2",
    special_tokens: Sequence[str] = (),
) -> BpeTokenizer:
    """A byte-level BPE tokenizer with `vocab_size` tokens, `<|endoftext|>` among them, learned from `texts`.

    Each of `texts` is a text, or the path of a UTF-8 file, read a part at a time. `splits` says how text is split before
    merging: as gpt2 or llama3 does (numbers in threes, a sign with its word). A text too small for that many merges
    gives fewer tokens. Raises UserError for a `vocab_size` that leaves nothing to learn or a file that cannot be read.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Engine

    specials = list(dict.fromkeys((END_OF_TEXT, *special_tokens)))
    smallest = SMALLEST_VOCAB + len(specials) - 1
    if vocab_size <= smallest:
        message = f"must be over {smallest}, one for every byte"
        raise UserError(
            Problem(message + " and special token" * (len(specials) > 1), "", "vocab_size", vocab_size)
        )
    if splits not in SPLITS:
        raise UserError(Problem(f"must be one of {', '.join(SPLITS)}", field="splits", value=splits))
    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if splits == "llama3":
        engine.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    engine.train_from_iterator(_parts(texts), trainer)
    return BpeTokenizer(json.loads(engine.to_str()))


def _parts(texts: Iterable[str | Path]) -> Iterator[str]:
    for text in texts:
        if isinstance(text, str):
            yield from pieces(whole_characters(text))
            continue
        try:
            with text.open(encoding="utf-8", newline="") as file:
                while lines := file.readlines(1 << 20):
                    yield "".join(lines)
        except OSError as error:
            raise UserError(Problem(error.strerror or str(error), where=str(text))) from None
        except UnicodeDecodeError as error:
            raise UserError(Problem(f"is not UTF-8 text ({error.reason})", where=str(text))) from None


def _tokens_by_id(data: Mapping[str, Any]) -> dict[int, str]:
    """Id to spelling, added tokens included. Raises UserError naming the field that is wrong."""
    model = data.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    added = data.get("added_tokens") or []
    tokens: dict[int, str] = {}
    if isinstance(vocab, dict) and all(_is_id(index) for index in vocab.values()):
        tokens = {index: token for token, index in vocab.items()}
    elif isinstance(vocab, list) and all(
        isinstance(row, list) and row and isinstance(row[0], str) for row in vocab
    ):
        tokens = {index: row[0] for index, row in enumerate(vocab)}
    if not tokens:
        problem = Problem("must map tokens to ids", field="tokenizer.model.vocab")
        raise UserError(problem)
    if not isinstance(added, list) or not all(
        isinstance(token, dict) and isinstance(token.get("content"), str) and _is_id(token.get("id"))
        for token in added
    ):
        raise UserError(
            Problem("must be a list of objects with content and id", field="tokenizer.added_tokens")
        )
    tokens.update((token["id"], token["content"]) for token in added)
    return tokens


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _added_token(content: str, index: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": content, **flags}
