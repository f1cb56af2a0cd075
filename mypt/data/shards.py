"""Tokenized datasets on disk: folders of `.bin` shards, ours, the original MyPT's, nanoGPT's and llm.c's.

Everything that can be wrong with one is found here, before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mypt.bundle import read_json_object
from mypt.data import episode_files
from mypt.data.episodes import EpisodeOptions
from mypt.data.split import Split, Tokens
from mypt.data.token_files import DTYPES, check_ids, fingerprint, read_mask, read_tokens
from mypt.errors import Problem, UserError, raise_for

METADATA = "dataset_metadata.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """A dataset folder as read: its splits (train is None where only validation was asked for) and a fingerprint."""

    path: Path
    train: Split | None
    val: Split
    fingerprint: str


def read_folder(
    path: Path,
    shown: str,
    *,
    vocab_size: int,
    block_size: int,
    eval_only: bool = False,
    episodes: EpisodeOptions | None = None,
) -> Folder:
    """Open the dataset in `path`, called `shown` in messages. Raises `UserError` with everything that is wrong.

    `episodes` says how an episode-indexed one is drawn from.
    """
    if not path.is_dir():
        raise UserError(
            Problem(
                "no such dataset",
                field="dataset_dir",
                value=shown,
                remedy="name a folder with train/ and val/",
            )
        )
    metadata = read_metadata(path, shown)
    indexed = episode_files.is_episode_set(path, metadata)
    splits: dict[str, Split] = {}
    files: list[Path] = []
    problems: list[Problem] = []
    for name in ("val",) if eval_only else ("train", "val"):
        if indexed:
            splits[name], wrong = episode_files.read_episodes(
                path,
                shown,
                name,
                metadata,
                vocab_size=vocab_size,
                block_size=block_size,
                options=episodes or EpisodeOptions(),
            )
            files += episode_files.files_of(path, name)
        else:
            found = _files_of(path, name)
            splits[name], wrong = _read_stream(
                path, shown, name, found, metadata, vocab_size=vocab_size, block_size=block_size
            )
            files += [each for file in found for each in (file, mask_of(file)) if each.is_file()]
        problems += wrong
    raise_for(problems)
    return Folder(path, splits.get("train"), splits["val"], fingerprint(path, files))


def read_metadata(path: Path, shown: str) -> dict[str, Any]:
    """The dataset's own description, empty where it has none. Raises `UserError` where it cannot be read."""
    if not (path / METADATA).is_file():
        return {}
    where = f"{shown}/{METADATA}"
    try:
        metadata = read_json_object(path / METADATA)
    except UserError as error:
        raise UserError(*(Problem(p.message, where=where) for p in error.problems)) from None
    named = metadata.get("dtype")
    if named is not None and (not isinstance(named, str) or named not in DTYPES):
        message = f"is not a type of token; known: {', '.join(DTYPES)}"
        raise UserError(Problem(message, where=where, field="dtype", value=named))
    return metadata


def _read_stream(
    path: Path,
    shown: str,
    name: str,
    files: list[Path],
    metadata: Mapping[str, Any],
    *,
    vocab_size: int,
    block_size: int,
) -> tuple[Split, list[Problem]]:
    """One side of a token stream from its shards `files`, and what is wrong with them."""
    if not files:
        remedy = f"expected {shown}/{name}/*.bin or {shown}/{name}.bin"
        return Split([]), [Problem(f"the {name} split has no shards", where=shown, remedy=remedy)]
    shards: list[Tokens] = []
    masks: list[Tokens | None] = []
    problems: list[Problem] = []
    for file in files:
        label = f"{shown}/{file.relative_to(path).as_posix()}"
        try:
            shard = read_tokens(file, label, metadata)
            check_ids(shard, label, vocab_size)
            mask = mask_of(file)
            masks.append(
                read_mask(mask, label.replace(file.name, mask.name), len(shard)) if mask.is_file() else None
            )
            shards.append(shard)
        except UserError as error:
            problems += error.problems
        except OSError as error:
            problems.append(Problem(f"cannot be read: {error.strerror}", where=label))
    split = Split(shards, masks, [str(file) for file in files], vocab_size)
    if shards and len(shards) == len(files) and not split.windows(block_size):
        message = f"no shard of the {name} split is longer than block_size = {block_size}"
        remedy = "prepare more data, or use a smaller block_size"
        problems.append(Problem(f"{message} tokens", where=shown, remedy=remedy))
    return split, problems


def mask_of(shard: Path) -> Path:
    """Where the loss mask of a shard is, if it has one."""
    return shard.with_name(f"{shard.stem}_mask.bin")


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
