"""Texts to train on where nothing is at hand: made on this machine, no network, nothing redistributed."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from mypt import fsio
from mypt.data.corpora import python_docs, stories
from mypt.errors import Problem, UserError

__all__ = ["BUILTIN", "DEMO", "Corpus", "materialize"]

DEMO = "stories"


@dataclass(frozen=True, slots=True)
class Corpus:
    """A built-in text."""

    name: str
    """What it is called on the command line and in the form."""
    description: str
    """One line for people."""
    approximate_size: int
    """Bytes, near enough to show before it is made."""
    file_name: str
    """The name of the file that `materialize` writes."""
    make: Callable[[], str]
    """The text itself. Raises UserError where this machine cannot make it."""


BUILTIN: Mapping[str, Corpus] = MappingProxyType(
    {
        corpus.name: corpus
        for corpus in (
            Corpus(
                DEMO,
                "little animal stories; a small model tells its own within two minutes",
                stories.CHARACTERS,
                "stories.txt",
                stories.stories,
            ),
            Corpus(
                "python",
                "the documentation and standard library of this Python; slower to learn",
                5_000_000,
                # Another version is another text, and a run that goes on with the first must still find it.
                f"python-{platform.python_version()}.txt",
                partial(python_docs.python_docs, sources=True),
            ),
        )
    }
)


def materialize(name: str, directory: str | os.PathLike[str]) -> Path:
    """The UTF-8 text file of the built-in corpus `name` in `directory`, made (with the directory) if need be.

    A file that is there is left alone if it is whole, and replaced in one step if it is not. Raises UserError for
    an unknown name or a corpus that this machine cannot make, OSError where the file cannot be written.
    """
    corpus = BUILTIN.get(name)
    if corpus is None:
        raise UserError(
            Problem("is not a built-in corpus", value=name, remedy=f"there are: {', '.join(BUILTIN)}")
        )
    path = Path(directory) / corpus.file_name
    data = corpus.make().encode("utf-8")
    if not _holds(path, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        fsio.write_atomic(path, data)
    return path


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
