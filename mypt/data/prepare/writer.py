"""Token ids on their way into shard files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from mypt.data.split import Tokens
from mypt.fsio import fsync_file

_BLOCK = 1 << 22


class ShardWriter:
    """Writes a stream of token ids into files of `tokens_per_shard` ids; the last one may be shorter.

    `separator` is written between documents (not before the first, not behind the last).
    """

    def __init__(self, folder: Path, dtype: npt.DTypeLike, tokens_per_shard: int, separator: Tokens) -> None:
        """`folder` is made when the first ids come; the ids are stored little-endian as `dtype`."""
        self.tokens = 0
        self.documents = 0
        self._folder = folder
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._size = tokens_per_shard
        self._separator = separator.astype(self._dtype)
        self._waiting = False
        self._content = 0
        self._before = 0
        self._file: BinaryIO | None = None

    def begin_document(self) -> None:
        """What comes next belongs to another document."""
        self._waiting = self.tokens > 0
        self._before = self._content = self.tokens

    def add(self, ids: Tokens) -> None:
        """Append `ids`. Raises OSError, as when the disk is full."""
        if not len(ids):
            return
        if self.tokens == self._content:
            if self._waiting:
                self._waiting = False
                self._write(self._separator)
            self._content = self.tokens
            self.documents += 1
        self._write(ids.astype(self._dtype, copy=False))

    def hand_over_tail(self, other: ShardWriter, val_fraction: float) -> None:
        """Give the last `val_fraction` of the current document to `other`, as a document of its own."""
        kept = int((1 - val_fraction) * (self.tokens - self._content))
        if self._content + kept == self.tokens:
            return
        other.begin_document()
        for block in self._read(self._content + kept):
            other.add(block)
        self._truncate(self._content + kept if kept else self._before)
        if not kept:
            self.documents -= 1

    def finish(self) -> list[Path]:
        """Sync and close the last file; all files, in order."""
        self._close()
        return [self._path(number) for number in range(-(-self.tokens // self._size))]

    def close(self) -> None:
        """Let go of the file, whatever it holds."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, ids: Tokens) -> None:
        while len(ids):
            room = self._size - self.tokens % self._size
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = self._path(self.tokens // self._size).open("ab")
            part = ids[:room]
            self._file.write(part.tobytes())
            self.tokens += len(part)
            ids = ids[room:]
            if self.tokens % self._size == 0:
                self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.flush()
            fsync_file(self._file.fileno())
            self.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"shard_{number:05d}.bin"

    def _read(self, start: int) -> Iterator[Tokens]:
        """The ids from the `start`-th on, a block at a time."""
        self._close()
        while start < self.tokens:
            within = start % self._size
            with self._path(start // self._size).open("rb") as file:
                file.seek(within * self._dtype.itemsize)
                block = np.fromfile(file, dtype=self._dtype, count=min(_BLOCK, self._size - within))
            yield block
            start += len(block)

    def _truncate(self, tokens: int) -> None:
        """Forget all ids from the `tokens`-th on."""
        self._close()
        files = self.finish()
        whole, rest = divmod(tokens, self._size)
        for path in files[whole + (rest > 0) :]:
            path.unlink()
        if rest:
            os.truncate(files[whole], rest * self._dtype.itemsize)
        self.tokens = tokens
