"""Episode-indexed datasets on disk, as the original MyPT's `prepare_chat_sft` and our `mypt prepare` write them.

`{train,val}/` holds `tokens.bin`, `episodes.idx` (uint64 pairs: start, length), `mask.bin`, and maybe
`mask_weighted.bin` (float32, preferred) and `segment_ids.bin` (packed sets). Large sets have such folders inside, one
a shard; the original leaves the first shard beside them, and reads all but that one. Here all are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mypt.data.episodes import EpisodeOptions, EpisodeSplit
from mypt.data.split import Ids, Tokens
from mypt.data.token_files import check_ids, looked_at, read_mask, read_parallel, read_tokens
from mypt.errors import Problem, UserError
from mypt.text import whole

TOKENS, MASK, WEIGHTS = "tokens.bin", "mask.bin", "mask_weighted.bin"
SEGMENTS, INDEX = "segment_ids.bin", "episodes.idx"
SCHEMA = "episode_indexed_sft_v1"
_FILES = (TOKENS, INDEX, MASK, WEIGHTS, SEGMENTS)


def is_episode_set(path: Path, metadata: Mapping[str, Any]) -> bool:
    """Whether the dataset folder `path` is indexed by episodes."""
    said = str(metadata.get("schema", "")).startswith("episode")
    return said or any(_folders(path / split) for split in ("train", "val"))


def files_of(path: Path, split: str) -> list[Path]:
    """The files of one side of the dataset in `path`, those that are there."""
    folders = _folders(path / split)
    return [folder / name for folder in folders for name in _FILES if (folder / name).is_file()]


def read_episodes(
    path: Path,
    shown: str,
    split: str,
    metadata: Mapping[str, Any],
    *,
    vocab_size: int,
    block_size: int,
    options: EpisodeOptions,
) -> tuple[EpisodeSplit, list[Problem]]:
    """One side ("train" or "val") of the dataset in `path`, called `shown`, and all that is wrong with its files."""
    found = EpisodeSplit([], [], [], index=[], segments=[], options=options)
    folders = _folders(path / split)
    if not folders:
        remedy = f"expected {shown}/{split}/{INDEX} with {TOKENS}"
        return found, [Problem(f"the {split} split has no episodes", where=shown, remedy=remedy)]
    shards: list[_Shard] = []
    problems: list[Problem] = []
    for folder in folders:
        shard = _Shard(folder, f"{shown}/{folder.relative_to(path).as_posix()}")
        shard.read(metadata, vocab_size)
        problems += shard.problems
        shards.append(shard)
    if problems:
        return found, problems
    found = EpisodeSplit(
        [shard.tokens for shard in shards],
        [shard.mask for shard in shards],
        [str(shard.folder / TOKENS) for shard in shards],
        vocab_size,
        index=[shard.index for shard in shards],
        segments=[shard.segments for shard in shards],
        options=options,
    )
    if not found.windows(block_size):
        longest = max(int(shard.index[:, 1].max()) for shard in shards)
        shortest = max(options.min_tokens, 2)
        problem = Problem(
            f"no episode of the {split} split has {shortest} tokens or more (the longest has {longest})",
            where=shown,
            remedy="prepare more data, or lower episode_min_tokens",
        )
        return found, [problem]
    return found, []


def _folders(split: Path) -> list[Path]:
    """Where the shards of a side are: the folder itself, then those inside it."""
    inside = sorted(split.glob(f"*/{INDEX}")) if split.is_dir() else []
    lonely = sorted(split.glob(f"*/{TOKENS}")) if split.is_dir() else []
    shards = sorted({file.parent for file in (*inside, *lonely)})
    whole = (split / INDEX).is_file() or (split / TOKENS).is_file()
    return [*([split] if whole else []), *shards]


class _Shard:
    """The files of one folder; `read` fills in what they hold, or `problems`."""

    def __init__(self, folder: Path, shown: str) -> None:
        self.folder, self.shown = folder, shown
        self.problems: list[Problem] = []
        self.tokens: Tokens = np.zeros(0, np.uint32)
        self.index: Ids = np.zeros((0, 2), np.int64)
        self.mask: Tokens | None = None
        self.segments: Tokens | None = None

    def read(self, metadata: Mapping[str, Any], vocab_size: int) -> None:
        """Open and check every file; what is wrong with one does not hide what is wrong with another."""
        missing = [name for name in (TOKENS, INDEX) if not (self.folder / name).is_file()]
        self.problems += [Problem("is missing", where=self._label(name)) for name in missing]
        if missing:
            return
        before = len(self.problems)
        self._try(TOKENS, lambda: self._read_tokens(metadata, vocab_size))
        if len(self.problems) > before and not len(self.tokens):
            return
        self._try(INDEX, self._read_index)
        self._try(MASK, self._read_mask)
        self._try(SEGMENTS, lambda: self._read_segments(metadata))

    def _label(self, name: str) -> str:
        return f"{self.shown}/{name}"

    def _try(self, name: str, read: Any) -> None:
        try:
            read()
        except UserError as error:
            self.problems += error.problems
        except OSError as error:
            self.problems.append(
                Problem(f"cannot be read: {error.strerror or error}", where=self._label(name))
            )

    def _read_tokens(self, metadata: Mapping[str, Any], vocab_size: int) -> None:
        self.tokens = read_tokens(self.folder / TOKENS, self._label(TOKENS), metadata)
        check_ids(self.tokens, self._label(TOKENS), vocab_size)

    def _read_index(self) -> None:
        file, label = self.folder / INDEX, self._label(INDEX)
        size = file.stat().st_size
        if not size:
            raise UserError(Problem("is empty", where=label, remedy="there is no episode in it"))
        if size % 16:
            raise UserError(
                Problem(
                    f"has {size} bytes, which is no whole number of 16-byte entries (start and length)",
                    where=label,
                    remedy="it is cut short; prepare the dataset again",
                )
            )
        pairs = np.fromfile(file, dtype="<u8").reshape(-1, 2)
        total = np.uint64(len(self.tokens))
        # Not start + length, which could wrap around.
        beyond = (pairs[:, 0] > total) | (pairs[:, 1] > total - np.minimum(pairs[:, 0], total))
        if beyond.any():
            first = int(np.flatnonzero(beyond)[0])
            start, length = (int(value) for value in pairs[first])
            others = int(beyond.sum()) - 1
            more = f", and so do {whole(others)} others" if others else ""
            raise UserError(
                Problem(
                    f"episode {first} ({length} tokens from {start} on) reaches beyond the {len(self.tokens)} tokens "
                    f"of {TOKENS}{more}",
                    where=label,
                    remedy="the two are not of one dataset, or one is cut short; prepare it again",
                )
            )
        self.index = pairs.astype(np.int64)

    def _read_mask(self) -> None:
        weights = self.folder / WEIGHTS
        if weights.is_file():
            label = self._label(WEIGHTS)
            self.mask = read_parallel(
                weights, label, len(self.tokens), ("<f4",), "it has one float32 a token"
            )
            if any(not (np.isfinite(piece).all() and (piece >= 0).all()) for piece in looked_at(self.mask)):
                self.mask = None
                raise UserError(Problem("holds a weight that is no number of 0 or more", where=label))
        elif (self.folder / MASK).is_file():
            self.mask = read_mask(self.folder / MASK, self._label(MASK), len(self.tokens))

    def _read_segments(self, metadata: Mapping[str, Any]) -> None:
        file, label = self.folder / SEGMENTS, self._label(SEGMENTS)
        if file.is_file():
            self.segments = read_parallel(file, label, len(self.tokens), ("u1",), "it has one byte a token")
        elif metadata.get("packing_enabled") is True:
            raise UserError(
                Problem(
                    "is missing, although the metadata says that the set is packed",
                    where=label,
                    remedy="without it conversations would run into each other; prepare it again",
                )
            )
