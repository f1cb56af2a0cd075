"""Tools of the tests that prepare datasets: a request, the making, and what lies in the folder afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mypt.data.prepare.request import PreparedSummary, PrepareRequest, Silent, TokenizerChoice
from mypt.data.prepare.text import prepare_text
from mypt.errors import UserError
from mypt.tokenizers import Tokenizer, load
from tests.workbench import listing

# Every length of UTF-8, ends of lines of both kinds, no final line break, gaps of all sorts.
TEXT = (
    "Once there was a fox — a very small one. 🦊\r\nIt said: “Grüße!”\n\n  Then it didn't leave;\tit stayed.\n"
    "東京は夜の七時。1234567 numbers, x=1\n"
) * 12 + "The end"


def write(folder: Path, files: dict[str, str]) -> Path:
    """Files below a folder, byte for byte."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def refused(root: Path, making: Callable[[], object]) -> list[str]:
    """What `making` a dataset is refused with; nothing below `root` has changed then."""
    before = listing(root)
    with pytest.raises(UserError) as caught:
        making()
    assert listing(root) == before, "something was written"
    return [str(problem) for problem in caught.value.problems]


def request(workspace: Path, *inputs: str, kind: str | None = "char", **changes: Any) -> PrepareRequest:
    """A request for `out` in the workspace."""
    asked = PrepareRequest(
        tuple(workspace / name for name in inputs), workspace / "out", workspace, TokenizerChoice(kind)
    )
    return replace(asked, **changes)


def make(
    workspace: Path, *inputs: str, kind: str | None = "char", **changes: Any
) -> tuple[Path, PreparedSummary]:
    """Prepare it; the folder and the summary."""
    made = prepare_text(request(workspace, *inputs, kind=kind, **changes), Silent())
    return made.output, made


def ids(folder: Path, split: str) -> list[int]:
    """All tokens of a split, in the order of the shards."""
    dtype = np.dtype(about(folder)["dtype"]).newbyteorder("<")
    return [i for file in sorted((folder / split).glob("*.bin")) for i in np.fromfile(file, dtype).tolist()]


def text(folder: Path, split: str) -> str:
    """The text of a split."""
    return tokenizer(folder).decode(ids(folder, split))


def about(folder: Path) -> dict[str, Any]:
    """The metadata."""
    data: dict[str, Any] = json.loads((folder / "dataset_metadata.json").read_text())
    return data


def tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer."""
    return load(folder)
