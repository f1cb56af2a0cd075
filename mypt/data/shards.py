"""Tokenized datasets on disk: folders of `.bin` shards, ours, the original MyPT's, nanoGPT's and llm.c's.

Shards are memory-mapped. Everything that can be wrong with one is found here, before anything is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from mypt.bundle import read_json_object
from mypt.data.split import Split, Tokens
from mypt.errors import Problem, UserError, raise_for

METADATA = "dataset_metadata.json"
LLM_C_MAGIC = 20240520
_LLM_C_HEADER = 256 * 4
_DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32}
# A scan of every token is worth its time up to here; larger shards are looked at in places.
_SCAN_WHOLE = 1 << 26


@dataclass(frozen=True, slots=True)
class Folder:
    """A dataset folder as read: its splits (train is None where only validation was asked for) and a fingerprint."""

    path: Path
    train: Split | None
    val: Split
    fingerprint: str


def read_folder(
    path: Path, shown: str, *, vocab_size: int, block_size: int, eval_only: bool = False
) -> Folder:
    """Open the dataset in `path`, called `shown` in messages. Raises `UserError` with everything that is wrong."""
    if not path.is_dir():
        raise UserError(
            Problem(
                "no such dataset",
                field="dataset_dir",
                value=shown,
                remedy="name a folder with train/ and val/",
            )
        )
    metadata = _metadata(path, shown)
    if str(metadata.get("schema", "")).startswith("episode") or (path / "train" / "episodes.idx").is_file():
        raise UserError(
            Problem(
                "is an episode-indexed dataset, which this version cannot train on",
                where=shown,
                remedy="prepare it as a token stream with masks",
            )
        )
    splits: dict[str, Split] = {}
    problems: list[Problem] = []
    for name in ("val",) if eval_only else ("train", "val"):
        files = _files_of(path, name)
        if not files:
            remedy = f"expected {shown}/{name}/*.bin or {shown}/{name}.bin"
            problems.append(Problem(f"the {name} split has no shards", where=shown, remedy=remedy))
            continue
        shards, masks = [], []
        for file in files:
            label = f"{shown}/{file.relative_to(path).as_posix()}"
            try:
                shard = _read_shard(file, label, metadata)
                _check_ids(shard, label, vocab_size)
                masks.append(_read_mask(file, label, len(shard)))
                shards.append(shard)
            except UserError as error:
                problems += error.problems
            except OSError as error:
                problems.append(Problem(f"cannot be read: {error.strerror}", where=label))
        split = Split(shards, masks, [str(file) for file in files])
        if shards and len(shards) == len(files) and not split.windows(block_size):
            message = f"no shard of the {name} split is longer than block_size = {block_size}"
            problems.append(
                Problem(
                    f"{message} tokens", where=shown, remedy="prepare more data, or use a smaller block_size"
                )
            )
        splits[name] = split
    raise_for(problems)
    fingerprint = _fingerprint(path, [f for name in splits for f in _files_of(path, name)])
    return Folder(path, splits.get("train"), splits["val"], fingerprint)


def _metadata(path: Path, shown: str) -> dict[str, Any]:
    if not (path / METADATA).is_file():
        return {}
    where = f"{shown}/{METADATA}"
    try:
        metadata = read_json_object(path / METADATA)
    except UserError as error:
        raise UserError(*(Problem(p.message, where=where) for p in error.problems)) from None
    named = metadata.get("dtype")
    if named is not None and (not isinstance(named, str) or named not in _DTYPES):
        message = f"is not a type of token; known: {', '.join(_DTYPES)}"
        raise UserError(Problem(message, where=where, field="dtype", value=named))
    return metadata


def _files_of(path: Path, split: str) -> list[Path]:
    folder = path / split
    if folder.is_dir():
        found = sorted(f for f in folder.rglob("*.bin") if not f.stem.endswith("_mask") and f.stem != "mask")
        if found:
            return found
    if (path / f"{split}.bin").is_file():
        return [path / f"{split}.bin"]
    # llm.c's and modded-nanogpt's names: fineweb_train_000001.bin
    return sorted(f for f in path.glob(f"*_{split}_*.bin") if not f.stem.endswith("_mask"))


def _read_shard(file: Path, label: str, metadata: dict[str, Any]) -> Tokens:
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


def _layout(file: Path, label: str, metadata: dict[str, Any]) -> tuple[np.dtype[Any], int]:
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
        return np.dtype(_DTYPES[named]).newbyteorder("<"), 0
    # Without a word in the metadata: a lone train.bin is nanoGPT's, a shard in a folder the original MyPT's.
    return np.dtype("<u2" if file.name in ("train.bin", "val.bin") else "<u4"), 0


def _read_mask(file: Path, label: str, tokens: int) -> Tokens | None:
    mask = file.with_name(f"{file.stem}_mask.bin")
    if not mask.is_file():
        return None
    size = mask.stat().st_size
    for dtype in ("u1", "<u4"):
        if size == tokens * np.dtype(dtype).itemsize:
            return np.memmap(mask, dtype=dtype, mode="r")
    raise UserError(
        Problem(
            f"has {size} bytes for {tokens} tokens",
            where=label.replace(file.name, mask.name),
            remedy="a mask has one byte (or one uint32) a token",
        )
    )


def _check_ids(shard: Tokens, label: str, vocab_size: int) -> None:
    if len(shard) <= _SCAN_WHOLE:
        largest = int(shard.max())
    else:
        starts = np.linspace(0, len(shard) - (1 << 16), num=256, dtype=np.int64)
        largest = max(int(shard[s : s + (1 << 16)].max()) for s in starts)
    if largest >= vocab_size:
        raise UserError(
            Problem(
                f"holds the token id {largest}, but the vocabulary ends at {vocab_size - 1}",
                where=label,
                remedy="the data was made with another tokenizer, or is stored as another type",
            )
        )


def _fingerprint(path: Path, files: list[Path]) -> str:
    digest = blake2b(digest_size=16)
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path).as_posix()}\0{size}\0".encode())
        with file.open("rb") as handle:
            digest.update(handle.read(1 << 16))
            handle.seek(max(size - (1 << 16), 0))
            digest.update(handle.read(1 << 16))
    return digest.hexdigest()
