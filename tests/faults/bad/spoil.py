"""What can happen to a file: bits that flip, pieces that go, numbers that become others, shapes that lie. All by chance.

Each kind of file is spoiled on two levels: as bytes, which readers mostly refuse at once, and within its form (a JSON
value of another kind, a tensor of another shape), which leads further in.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable

from tests.faults.bad.spoil_bytes import Chance, as_bytes
from tests.faults.bad.spoil_text import in_json, in_lines, in_table
from tests.faults.bad.spoil_weights import in_archive, in_pickle, in_safetensors


def spoiled(name: str, data: bytes, chance: Chance) -> bytes:
    """What the file `name`, which holds `data`, holds now."""
    within = next((spoil for ending, spoil in _WITHIN.items() if name.endswith(ending)), None)
    if within is None and data[:1] == b"{":
        within = in_json
    if within is not None and chance.random() < 0.7:
        try:
            data = within(data, chance)
        except (
            ValueError,
            RecursionError,
            KeyError,
            IndexError,
            struct.error,
            zipfile.BadZipFile,
            OverflowError,
        ):
            data = as_bytes(data, chance)
        if chance.random() < 0.85:
            return data
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = as_bytes(data, chance)
    return data


_WITHIN: dict[str, Callable[[bytes, Chance], bytes]] = {
    ".jsonl": in_lines,
    ".json": in_json,
    ".csv": in_table,
    ".tsv": in_table,
    ".safetensors": in_safetensors,
    ".pt": in_archive,
    ".pkl": in_pickle,
}
