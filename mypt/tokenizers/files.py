"""Tokenizers from what is on disk, and the comparison of two of them."""

from __future__ import annotations

import copyreg
import io
import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mypt import fsio
from mypt.errors import Problem, UserError
from mypt.files import read_file
from mypt.tokenizers.base import KINDS, Tokenizer
from mypt.tokenizers.bpe import DEFAULT_VOCAB, BpeTokenizer, train_bpe
from mypt.tokenizers.char import CharTokenizer
from mypt.tokenizers.gpt2 import BASE_VOCAB, MODEL_VOCAB, Gpt2Tokenizer

# What a bundle calls its tokenizer, and what a dataset does.
FILE_NAMES = ("tokenizer.json", "tokenizer_state.json")
# A few characters of JSON can ask for a billion list entries to be shown; no tokenizer comes near this.
_LARGEST = 256 << 20


def from_dict(data: Any, where: str = "") -> Tokenizer:
    """The tokenizer that `data` describes: ours, the original's, or a Hugging Face tokenizer.json.

    Fields that we do not know are kept for `to_dict`. `where` names the file in errors (UserError).
    """
    if not isinstance(data, dict):
        raise UserError(Problem("must be a JSON object", where=where))
    if "token_kind" not in data and isinstance(data.get("model"), dict):
        return _bpe(data, {}, where)
    kind = data.get("token_kind")
    fields = {key: value for key, value in data.items() if key != "token_kind"}
    if kind == "char":
        return _char(fields, where)
    if kind == "gpt2":
        return _gpt2(fields, where)
    if kind == "bpe":
        inner = fields.pop("tokenizer", None)
        if not isinstance(inner, dict):
            raise UserError(Problem("must be the Hugging Face tokenizer object", where, "tokenizer"))
        return _bpe(inner, fields, where)
    remedy = f"must be one of {', '.join(KINDS)}"
    if kind is None:
        raise UserError(Problem("is missing", where, "token_kind", remedy=remedy))
    raise UserError(Problem("is not a kind of tokenizer", where, "token_kind", kind, remedy))


def load(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer in the file `path`, or in the bundle or dataset directory `path`. UserError if it is broken."""
    file = Path(path)
    if file.is_dir():
        found = [file / name for name in FILE_NAMES if (file / name).is_file()]
        if not found:
            raise UserError(Problem(f"has no tokenizer ({' or '.join(FILE_NAMES)})", where=str(file)))
        file = found[0]
    return from_dict(_read_json(file), where=str(file))


def save(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> None:
    """Write the tokenizer.json of `tokenizer` to `path`, whole or not at all."""
    fsio.write_json_atomic(path, fsio.finite(tokenizer.to_dict()))


def create(
    kind: str,
    text: str | None = None,
    path: str | os.PathLike[str] | None = None,
    vocab_size: int = DEFAULT_VOCAB,
) -> Tokenizer:
    """A tokenizer for a new model, ready to encode (what it needs is looked for now).

    char takes its vocabulary from `text`; gpt2 its data from `path`, else from this machine; bpe is read from
    `path`, a tokenizer.json, or with none trained on `text` to `vocab_size` tokens. UserError if that fails.
    """
    tokenizer: Tokenizer
    if kind == "char":
        if text is None:
            raise UserError(Problem("char takes its vocabulary from a text, and there is none"))
        tokenizer = CharTokenizer.from_text(text)
    elif kind == "gpt2":
        tokenizer = Gpt2Tokenizer(vocab_path=path)
    elif kind == "bpe":
        tokenizer = _create_bpe(text, path, vocab_size)
    else:
        remedy = f"must be one of {', '.join(KINDS)}"
        raise UserError(Problem("is not a kind of tokenizer", "", "tokenization", kind, remedy))
    tokenizer.check_ready()
    return tokenizer


def same(a: Tokenizer, b: Tokenizer) -> bool:
    """Whether text means the same ids in both, so that a model trained with one may go on with the other.

    Special tokens of which the other knows nothing do no harm (a chat dataset for a base model that has none);
    one id with two meanings, or one special token with two ids, does. Whether the model has rows for all ids is
    the data's check, not this one.
    """
    if type(a) is type(b) and a.to_dict() == b.to_dict():
        return True
    if isinstance(a, CharTokenizer) and isinstance(b, CharTokenizer):
        return a.chars == b.chars
    if isinstance(a, Gpt2Tokenizer) and isinstance(b, Gpt2Tokenizer):
        return _agree(a.special_tokens, b.special_tokens)
    if isinstance(a, BpeTokenizer) and isinstance(b, BpeTokenizer):
        parts = ("model", "normalizer", "pre_tokenizer")
        alike = all(a.data.get(part) == b.data.get(part) for part in parts)
        return alike and _agree(_added(a), _added(b))
    return False


def from_nanogpt_meta(path: str | os.PathLike[str]) -> CharTokenizer:
    """The characters of nanoGPT's `meta.pkl`, read without running anything that a pickle may hold."""
    try:
        meta = _DataUnpickler(io.BytesIO(read_file(Path(path), _LARGEST))).load()
    except OSError as error:
        raise UserError(Problem(error.strerror or str(error), where=str(path))) from None
    # A damaged pickle raises almost anything.
    except Exception as error:
        raise UserError(Problem(f"is not nanoGPT's meta.pkl: {error}", where=str(path))) from None
    itos = meta.get("itos") if isinstance(meta, dict) else None
    if not isinstance(itos, dict) or sorted(map(str, itos)) != sorted(map(str, range(len(itos)))):
        raise UserError(Problem("must map the ids 0, 1, 2 … to characters", str(path), "itos"))
    return _char({"chars": [itos[index] for index in range(len(itos))]}, str(path))


class _DataUnpickler(pickle.Unpickler):
    """Builds dicts, lists, numbers and strings only."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _char(fields: dict[str, Any], where: str) -> CharTokenizer:
    chars = fields.pop("chars", None)
    if not isinstance(chars, list) or not chars:
        raise UserError(Problem("must be a list of characters", where, "chars"))
    problems = []
    for index, char in enumerate(chars):
        if not isinstance(char, str) or len(char) != 1 or "\ud800" <= char <= "\udfff":
            problems.append(Problem("must be a single character", where, f"chars[{index}]", char))
    if not problems:
        first: dict[str, int] = {}
        for index, char in enumerate(chars):
            if first.setdefault(char, index) != index:
                message = f"repeats chars[{first[char]}], so one of the two ids could never be produced"
                problems.append(Problem(message, where, f"chars[{index}]", char))
    if problems:
        raise UserError(*problems[:20])
    return CharTokenizer(chars, fields)


def _gpt2(fields: dict[str, Any], where: str) -> Gpt2Tokenizer:
    specials = fields.pop("special_token_encoder", None) or {}
    field = "special_token_encoder"
    if not isinstance(specials, dict):
        raise UserError(Problem("must map special tokens to ids", where, field, specials))
    # The original may list GPT-2's own mark among the others.
    added = {
        token: index
        for token, index in specials.items()
        if (token, index) != ("<|endoftext|>", BASE_VOCAB - 1)
    }
    wrong = [
        Problem(f"must be an id from {BASE_VOCAB} to {MODEL_VOCAB - 1}", where, f"{field}.{token}", index)
        for token, index in added.items()
        if isinstance(index, bool) or not isinstance(index, int) or not BASE_VOCAB <= index < MODEL_VOCAB
    ]
    if not wrong and len(set(added.values())) != len(added):
        wrong.append(Problem("has two tokens with one id", where, field))
    if not wrong and ("" in added or "<|endoftext|>" in added):
        wrong.append(
            Problem("must not hold the empty token, nor <|endoftext|> with another id", where, field)
        )
    if wrong:
        raise UserError(*wrong[:20])
    return Gpt2Tokenizer(added, fields)


def _bpe(inner: dict[str, Any], fields: dict[str, Any], where: str) -> BpeTokenizer:
    try:
        return BpeTokenizer(inner, fields, where)
    except UserError as error:
        raise _located(error, where) from None


def _create_bpe(text: str | None, path: str | os.PathLike[str] | None, vocab_size: int) -> BpeTokenizer:
    if path is not None:
        tokenizer = load(path)
        if not isinstance(tokenizer, BpeTokenizer):
            raise UserError(Problem(f"holds a {tokenizer.kind} tokenizer, not bpe", where=str(path)))
        try:
            tokenizer.check_ready()
        except UserError as error:
            raise _located(error, str(path)) from None
        return tokenizer
    if text is None:
        raise UserError(
            Problem("bpe needs a tokenizer.json, or a text to train one on, and there is neither")
        )
    return train_bpe([text], vocab_size)


def _located(error: UserError, where: str) -> UserError:
    return UserError(
        *(Problem(p.message, where or p.where, p.field, p.value, p.remedy) for p in error.problems)
    )


def _read_json(file: Path) -> Any:
    try:
        return json.loads(read_file(file, _LARGEST).decode("utf-8-sig"))
    except OSError as error:
        raise UserError(Problem(error.strerror or str(error), where=str(file))) from None
    except MemoryError:
        raise UserError(Problem("is too large for the memory that is left", where=str(file))) from None
    except (ValueError, RecursionError) as error:
        raise UserError(Problem(f"is not readable JSON ({error})", where=str(file))) from None


def _added(tokenizer: BpeTokenizer) -> dict[str, int]:
    return {token["content"]: token["id"] for token in tokenizer.data.get("added_tokens") or []}


def _agree(a: Mapping[str, int], b: Mapping[str, int]) -> bool:
    spelled = {index: token for token, index in a.items()}
    return all(
        a.get(token, index) == index and spelled.get(index, token) == token for token, index in b.items()
    )


def _reduce(tokenizer: Tokenizer) -> tuple[Any, ...]:
    return from_dict, (tokenizer.to_dict(),)


# The libraries' objects do not pickle everywhere; worker processes rebuild them on first use.
for _kind in (CharTokenizer, Gpt2Tokenizer, BpeTokenizer):
    copyreg.pickle(_kind, _reduce)
