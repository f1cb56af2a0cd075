"""Documents: where they lie in the files, and which of them are kept for validation.

Whole documents are the better choice: nothing of a validation text was seen in training. They are drawn by a hash of
their names, so a document keeps its side when others are added. Where one document is larger than the share for
validation (a book, a dump in one file), the end of every document is kept instead; for a single text that is the split
of `--input_file`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mypt.data.prepare.inputs import Source
from mypt.data.prepare.plan import Span

TAILS, WHOLE = "tails", "documents"
HOLD_OUT = ("auto", WHOLE, TAILS)

_BLOCK = 1 << 14

Numbers = npt.NDArray[np.int64]


class Lines(NamedTuple):
    """The lines with a document in a part of a file: first byte, last byte, and the bytes of the text itself."""

    start: Numbers
    end: Numbers
    size: Numbers


@dataclass(frozen=True, slots=True)
class Documents:
    """Every document's file, first and last byte, and size: columns, since there may be millions."""

    files: list[Source]
    file: Numbers
    start: Numbers
    end: Numbers
    sizes: Numbers
    """Bytes of the text: fewer than lie between `start` and `end` where it is in a line of JSON."""

    def __len__(self) -> int:
        return len(self.file)

    def spans(self) -> Iterator[Span]:
        """Each as a span, in order."""
        # Some at a time: as numbers of Python they take ten times the memory.
        for block in range(0, len(self), _BLOCK):
            columns = (each[block : block + _BLOCK].tolist() for each in (self.file, self.start, self.end))
            for file, start, end in zip(*columns, strict=True):
                yield Span(self.files[file], start, end)

    @property
    def bytes_read(self) -> int:
        """What is to be read for all of them."""
        return int((self.end - self.start).sum())

    @property
    def named_for_validation(self) -> npt.NDArray[np.bool_]:
        """Whether each is of a file that the user named for that."""
        return np.array([file.val for file in self.files], dtype=np.bool_)[self.file]


def whole_files(files: list[Source]) -> Documents:
    """A document for each file."""
    numbers = np.arange(len(files), dtype=np.int64)
    sizes = np.array([file.size for file in files], dtype=np.int64)
    return Documents(files, numbers, np.zeros_like(numbers), sizes, sizes)


def separated(
    files: list[Source],
    places: Mapping[int, list[Numbers]],
    length: int,
    lines: Mapping[int, list[Lines]] | None = None,
) -> Documents:
    """A document for what lies between separators of `length` bytes, found at `places` of each file (maybe overlapping).

    Of files of lines, those are the `lines` that were found. What has no byte is no document.
    """
    columns: list[tuple[Numbers, ...]] = []
    for number, file in enumerate(files):
        if file.field:
            for some in (lines or {}).get(number, []):
                columns.append((np.full(len(some.start), number, np.int64), *some))
            continue
        found = np.concatenate(places.get(number) or [np.empty(0, np.int64)])
        found = _apart(found, length)
        starts = np.concatenate([np.zeros(1, np.int64), found + length])
        ends = np.concatenate([found, np.array([file.size], np.int64)])
        kept = ends > starts
        count = int(kept.sum())
        columns.append((np.full(count, number, np.int64), starts[kept], ends[kept], (ends - starts)[kept]))
    none = np.empty(0, np.int64)
    return Documents(files, *(np.concatenate(some) for some in zip(*columns or [(none,) * 4], strict=True)))


def choose(
    documents: Documents, val_fraction: float, hold_out: str, seed: int
) -> npt.NDArray[np.bool_] | None:
    """Which documents are for validation; None where it is the end of each. `hold_out` is one of `HOLD_OUT`."""
    if documents.named_for_validation.any():
        return documents.named_for_validation
    if val_fraction in (0.0, 1.0):
        return np.full(len(documents), val_fraction == 1.0)
    sizes = documents.sizes
    target = val_fraction * int(sizes.sum())
    few = len(documents) < 2 or int(sizes.max()) > target
    if hold_out == TAILS or (hold_out == "auto" and few) or len(documents) < 2:
        return None
    order = np.argsort(_keys(documents, seed), kind="stable")
    sums = np.cumsum(sizes[order])
    # As near to the target as whole documents come, and at least one on either side.
    number = int(np.argmin(np.abs(sums[:-1] - target))) + 1
    chosen = np.zeros(len(documents), dtype=np.bool_)
    chosen[order[:number]] = True
    return chosen


def _keys(documents: Documents, seed: int) -> npt.NDArray[np.uint64]:
    keys = np.empty(len(documents), dtype=np.uint64)
    place = 0
    last: Source | None = None
    for number, (file, _, _) in enumerate(documents.spans()):
        place, last = (place + 1 if file is last else 0), file
        text = f"{seed}\0{file.name}\0{place}"
        digest = blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        keys[number] = int.from_bytes(digest, "little")
    return keys


def _apart(places: Numbers, length: int) -> Numbers:
    """Of places that may overlap those that one finds reading from the front."""
    if len(places) < 2 or int(np.diff(places).min()) >= length:
        return places
    kept: list[int] = []
    for place in places.tolist():
        if not kept or place >= kept[-1] + length:
            kept.append(place)
    return np.array(kept, dtype=np.int64)
