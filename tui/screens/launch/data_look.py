"""What a run would train on: a look at its data, quick while somebody types. No Textual.

Reads the disk and imports numpy, so the screen calls it in a thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.errors import MyptError, Problem, UserError
from mypt.text import printable

if TYPE_CHECKING:
    from mypt.settings.resolve import Resolved

# What is checked while somebody types; more is checked when the run is about to start.
_CHECKED_AT_ONCE = 32_000_000
# Of more it takes as long to see whether they have changed as to read them.
_MOST_FILES = 5000
EXPECTED = (MyptError, OSError)
"""What reading a workspace and starting a run may raise."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What a look at the data found. `rows` is the vocabulary that the model gets; `lines` describe the splits."""

    lines: tuple[str, ...] = ()
    rows: int | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()
    #: Why there was no look yet, where there was none.
    later: str = ""
    #: Which run they are of, and the data's files as they were before they were read; None: that is not known.
    of: tuple[Any, ...] | None = field(default=None, compare=False)


def data_key(resolved: Resolved) -> tuple[Any, ...]:
    """Two drafts with equal keys have equal `DataFacts`, as long as no file changes."""
    from mypt.settings.resolve import as_text

    names = [
        "input_file",
        "dataset_dir",
        "curriculum",
        "eval_sets",
        "eval_dataset_dir",
        "tokenization",
        "tokenizer_file",
        "block_size",
        "vocab_size",
        "use_loss_mask",
    ]
    own = tuple(as_text(resolved.values[name].value) for name in names)
    info = resolved.checkpoint or resolved.base
    return (
        resolved.mode,
        str(info.path) if info else "",
        str(resolved.preset and resolved.preset.path),
        *own,
    )


def check_data(resolved: Resolved, *, at_once: bool = False, before: DataFacts | None = None) -> DataFacts:
    """Open the data of a run and say what it is. With `at_once` only where that takes no time and no network.

    What was found `before` is given back, and nothing is read, where it is of the same run and no file has changed.
    """
    from mypt.data.source import describe, open_data, vocabulary_rows
    from mypt.data.text import about_lines

    if at_once and (why := _why_later(resolved)):
        name = resolved.settings.input_file
        return DataFacts(later=why, notices=tuple(about_lines(name, resolved.workspace)) if name else ())
    files = _files(resolved)
    # Some checks look at settings that decide nothing about the data.
    of = (data_key(resolved), resolved.settings, files) if files is not None else None
    if before is not None and of is not None and before.of == of:
        return before
    try:
        found = open_data(resolved)
        return DataFacts(
            lines=tuple(printable(line, newline=False) for line in describe(found)),
            rows=vocabulary_rows(resolved, found.tokenizer),
            notices=tuple(found.notices),
            of=of,
        )
    except EXPECTED as error:
        return DataFacts(problems=problems_of(error))


def problems_of(error: Exception) -> tuple[Problem, ...]:
    """The problems that an expected error carries."""
    if isinstance(error, UserError):
        return error.problems
    if isinstance(error, OSError):
        return (Problem(error.strerror or str(error), where=str(error.filename or "")),)
    return (Problem(str(error)),)


def _files(resolved: Resolved) -> tuple[tuple[Any, ...], ...] | None:
    """The files that the data of a run is read from, as they are now; None where they are too many, or out of reach."""
    s, workspace, info = resolved.settings, resolved.workspace, resolved.checkpoint or resolved.base
    texts = [name for name in (s.input_file, s.tokenizer_file) if name and not name.startswith("builtin:")]
    names = [workspace / name for name in texts]
    names += [info.path / name for name in (bundle.CONFIG, bundle.TOKENIZER, bundle.STATE)] if info else []
    found = []
    try:
        for folder in _folders(resolved):
            for place, _, files in os.walk(workspace / folder, onerror=_raise, followlinks=True):
                names += [Path(place), *(Path(place) / name for name in files)]
                if len(names) > _MOST_FILES:
                    return None
        for name in names:
            about = name.stat()
            found.append((str(name), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
    except OSError:
        return None
    return tuple(found)


def _raise(error: OSError) -> None:
    raise error


def _folders(resolved: Resolved) -> list[str]:
    s = resolved.settings
    folders = [phase.dataset_dir for phase in s.curriculum.phases] if s.curriculum else []
    folders += [folder for folder in (s.dataset_dir, s.eval_dataset_dir) if folder]
    return [*folders, *(s.eval_sets or {}).values()]


def _why_later(resolved: Resolved) -> str:
    from mypt.tokenizers import gpt2_vocab
    from tui.screens.launch.choices import dataset_bytes

    s, workspace = resolved.settings, resolved.workspace
    total = 0
    for folder in _folders(resolved):
        total += dataset_bytes(workspace / folder)
    if s.input_file and not s.input_file.startswith("builtin:"):
        try:
            total += (workspace / s.input_file).stat().st_size
        except OSError:
            return ""
    if total > _CHECKED_AT_ONCE:
        return "checked at the start"
    if s.tokenization == "gpt2" and not any(p.is_file() for p in gpt2_vocab.candidates(os.environ)):
        return "needs GPT-2's vocabulary, which the start downloads"
    return ""
