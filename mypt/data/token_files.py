"""Files of token ids as arrays that are mapped and not read, with everything that can be wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from mypt.data.split import Tokens
from mypt.errors import Problem, UserError

DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32}
LLM_C_MAGIC = 20240520
_LLM_C_HEADER = 256 * 4
# A scan of every token is worth its time up to here; larger files are looked at in places.
_SCAN_WHOLE = 1 << 26
_PIECE = 1 << 20


def read_tokens(file: Path, label: str, metadata: Mapping[str, Any]) -> Tokens:
    """The ids in `file`, called `label` in messages. Raises `UserError` where it is empty, torn or misdescribed."""
    size = file.stat().st_size
    if not size:
        raise UserError(Problem("is empty", where=label))
    dtype, offset = _layout(file, label, metadata)
    if size == offset:
        raise UserError(Problem("holds a header and no tokens", where=label))
    width = np.dtype(dtype).itemsize
    if (size - offset) % width:
        raise UserError(
            Problem(
                f"has {size} bytes, which is no whole number of {width}-byte tokens",
                where=label,
                remedy="it is cut short, or of another type than the dataset says; prepare it again",
            )
        )
    return np.memmap(file, dtype=dtype, mode="r", offset=offset)


def _layout(file: Path, label: str, metadata: Mapping[str, Any]) -> tuple[np.dtype[Any], int]:
    if file.stat().st_size >= _LLM_C_HEADER:
        header = np.fromfile(file, dtype="<i4", count=256)
        if header[0] == LLM_C_MAGIC:
            bits = int(header[3]) if header[1] >= 2 else 16
            dtype = np.dtype("<u4" if bits in (0, 32) else "<u2")
            said, there = int(header[2]), (file.stat().st_size - _LLM_C_HEADER) // dtype.itemsize
            if said != there:
                raise UserError(Problem(f"has {there} tokens where its header says {said}", where=label))
            return dtype, _LLM_C_HEADER
    named = metadata.get("dtype")
    if named is not None:
        return np.dtype(DTYPES[named]).newbyteorder("<"), 0
    # Without a word in the metadata: a lone train.bin is nanoGPT's, a shard in a folder the original MyPT's.
    return np.dtype("<u2" if file.name in ("train.bin", "val.bin") else "<u4"), 0


def read_parallel(file: Path, label: str, tokens: int, dtypes: Iterable[str], what: str) -> Tokens:
    """What `file` says of each of `tokens` tokens; its size tells which of `dtypes` it is, else `UserError`."""
    size = file.stat().st_size
    for dtype in dtypes:
        if size == tokens * np.dtype(dtype).itemsize:
            return np.memmap(file, dtype=dtype, mode="r")
    raise UserError(Problem(f"has {size} bytes for {tokens} tokens", where=label, remedy=what))


def read_mask(file: Path, label: str, tokens: int) -> Tokens:
    """A loss mask of one byte, or one uint32 as the original writes some, for each of `tokens` tokens."""
    return read_parallel(file, label, tokens, ("u1", "<u4"), "a mask has one byte (or one uint32) a token")


def check_ids(tokens: Tokens, label: str, vocab_size: int) -> None:
    """Raise `UserError` where an id lies beyond the vocabulary."""
    largest = max(int(piece.max()) for piece in looked_at(tokens))
    if largest >= vocab_size:
        raise UserError(
            Problem(
                f"holds the token id {largest}, but the vocabulary ends at {vocab_size - 1}",
                where=label,
                remedy="the data was made with another tokenizer, or is stored as another type",
            )
        )


def looked_at(values: Tokens) -> Iterator[Tokens]:
    """`values` in pieces: all of them, or of very many a few hundred pieces spread over the whole."""
    if len(values) <= _SCAN_WHOLE:
        for start in range(0, len(values), _PIECE):
            yield values[start : start + _PIECE]
    else:
        for start in np.linspace(0, len(values) - (1 << 16), num=256, dtype=np.int64):
            yield values[start : start + (1 << 16)]


def fingerprint(folder: Path, files: Iterable[Path]) -> str:
    """Tells changed data from unchanged: names, sizes, beginnings and ends of `files` in `folder`."""
    digest = blake2b(digest_size=16)
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder).as_posix()}\0{size}\0".encode())
        with file.open("rb") as handle:
            digest.update(handle.read(1 << 16))
            handle.seek(max(size - (1 << 16), 0))
            digest.update(handle.read(1 << 16))
    return digest.hexdigest()
