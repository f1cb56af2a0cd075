"""From the texts of a row to the tokens that a classifier reads. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mypt.classify.spec import Spec
from mypt.classify.table import Row, at
from mypt.text import whole
from mypt.tokenizers import Tokenizer

Ids = npt.NDArray[np.int32]


class Encoded(NamedTuple):
    """The tokens of each row, and the lines of the rows that were too long and are cut."""

    ids: list[Ids]
    cut: list[int]


def encode_rows(rows: Sequence[Row], tokenizer: Tokenizer, spec: Spec, limit: int) -> Encoded:
    """Every row in at most `limit` tokens: each text followed by the separator. Characters must be known."""
    found = [encode(row.texts, tokenizer, spec, limit) for row in rows]
    return Encoded(
        [ids for ids, _ in found], [row.line for row, (_, cut) in zip(rows, found, strict=True) if cut]
    )


def encode(texts: Sequence[str], tokenizer: Tokenizer, spec: Spec, limit: int) -> tuple[Ids, bool]:
    """The tokens of one row, and whether texts were cut: the longer one at its end, until both fit."""
    parts = [tokenizer.encode(text) for text in texts]
    room = max(limit - len(spec.separator) * len(parts), 0)
    lengths = _fitting([len(part) for part in parts], room)
    cut = any(length < len(part) for length, part in zip(lengths, parts, strict=True))
    ids: list[int] = []
    for length, part in zip(lengths, parts, strict=True):
        ids += [*part[:length], *spec.separator]
    return np.array(ids, np.int32), cut


def said_cut(cut: Sequence[int], rows: int, shown: str, limit: int) -> str:
    """The sentence that tells of rows that were cut."""
    return (
        f"{shown}: {whole(len(cut))} of {whole(rows)} rows are longer than {whole(limit)} tokens and are cut at the end "
        f"of their longer text: {at(cut)}; a larger --block_size reads more"
    )


def _fitting(lengths: list[int], room: int) -> list[int]:
    """The lengths, of which the longest are shortened until all together are no more than `room`."""
    if sum(lengths) <= room:
        return lengths
    if len(lengths) == 1:
        return [room]
    first, second = lengths
    half = room // 2
    if first <= half:
        return [first, room - first]
    if second <= half:
        return [room - second, second]
    return [room - half, half]
