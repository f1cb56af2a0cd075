"""Episodes on their way into the files of an episode-indexed dataset."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mypt.data.chat.packing import Ids, Marks, Packer
from mypt.data.episode_files import INDEX, MASK, SEGMENTS, TOKENS


class EpisodeWriter:
    """One side of a dataset in `folder`: `tokens.bin`, `mask.bin`, `episodes.idx`, and `segment_ids.bin` if packed.

    Once a shard would hold more than `tokens_per_shard`, the next begins, and all are in `shard_NNNNN` folders. The
    counts are those of conversations and their own tokens; `episodes` and `stored` are what the files hold.
    """

    def __init__(self, folder: Path, tokens_per_shard: int, packer: Packer | None = None) -> None:
        self.conversations = self.tokens = self.learned = self.longest = 0
        self.episodes = self.stored = self.shards = 0
        self._folder, self._limit, self._packer = folder, tokens_per_shard, packer
        self._in_shard = 0
        self._files: dict[str, BinaryIO] = {}
        self._stack = ExitStack()

    def add(self, ids: Ids, learned: Marks) -> None:
        """Append a conversation. Raises OSError, as when the disk is full."""
        self.conversations += 1
        self.tokens += len(ids)
        self.learned += int(learned.sum())
        self.longest = max(self.longest, len(ids))
        if self._packer is None:
            self._write(ids, learned, None)
            return
        for pack in self._packer.add(ids, learned):
            self._write(*pack)

    def finish(self) -> None:
        """Write what is still in open packs, and close the files."""
        if self._packer is not None:
            for pack in self._packer.finish():
                self._write(*pack)
        self.close()

    def close(self) -> None:
        """Let go of the files, whatever they hold."""
        self._files = {}
        self._stack.close()

    def _write(self, ids: Ids, learned: Marks, segments: Marks | None) -> None:
        if not self._files or (self._in_shard and self._in_shard + len(ids) > self._limit):
            self._begin(packed=segments is not None)
        self._files[INDEX].write(np.array([self._in_shard, len(ids)], "<u8").tobytes())
        self._files[TOKENS].write(ids.astype("<u4", copy=False).tobytes())
        self._files[MASK].write(learned.tobytes())
        if segments is not None:
            self._files[SEGMENTS].write(segments.tobytes())
        self._in_shard += len(ids)
        self.episodes += 1
        self.stored += len(ids)

    def _begin(self, *, packed: bool) -> None:
        self.close()
        if self.shards == 1:
            # Only now it is known that there are several: a first shard beside the folders of the others is what
            # the original's loader overlooks.
            first = self._folder / "shard_00000"
            first.mkdir()
            for file in sorted(self._folder.glob("*.*")):
                file.rename(first / file.name)
        place = self._folder / f"shard_{self.shards:05d}" if self.shards else self._folder
        place.mkdir(parents=True, exist_ok=True)
        names = [TOKENS, MASK, INDEX, *([SEGMENTS] if packed else [])]
        self._files = {name: self._stack.enter_context((place / name).open("wb")) for name in names}
        self._in_shard = 0
        self.shards += 1
