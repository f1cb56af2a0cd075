"""What `mypt prepare` is asked for, what it says while it works, and what came of it.

Shared by everything that makes datasets (texts here, conversations in `mypt.data.chat`); depends on nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

TOKENS_PER_SHARD = 100_000_000
VAL_FRACTION = 0.1
SEED = 1337


@dataclass(frozen=True, slots=True)
class TokenizerChoice:
    """Which tokenizer a dataset is made with: `mypt.data.prepare.vocabulary.choose` turns it into one."""

    kind: str | None = None
    """char, gpt2 or bpe; None where nobody said: what `file` or `source` is, else gpt2."""
    file: Path | None = None
    """A tokenizer.json (bpe), or GPT-2's own vocabulary file (gpt2); absolute."""
    source: str | None = None
    """A model or a dataset (a name or a path) whose tokenizer is taken as it is, characters included."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What concerns conversations only."""

    pack_block_size: int | None = None
    """Pack episodes into blocks of this many tokens; None leaves each on its own."""
    system_prompt: str | None = None
    """Stands in for the system message of every conversation; "" leaves it out; None keeps the file's own."""


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """A dataset to be made. Paths are absolute; `shown` tells how to write one in a message."""

    inputs: tuple[Path, ...]
    """Files and folders, in the order in which the user named them."""
    output: Path
    """The dataset folder that comes to be."""
    workspace: Path
    tokenizer: TokenizerChoice = TokenizerChoice()
    val_fraction: float = VAL_FRACTION
    """Share of the data that is kept for validation, 0 to 1; without effect where `val_files` are named."""
    val_files: tuple[Path, ...] = ()
    """Files and folders for validation, where they are apart."""
    seed: int = SEED
    """Decides which documents are kept for validation; the result depends on it and never on `num_proc`."""
    num_proc: int = 1
    """Worker processes; 1 does everything in this process."""
    tokens_per_shard: int = TOKENS_PER_SHARD
    overwrite: bool = False
    """Replace a dataset that is there (in one step, at the end)."""
    patterns: tuple[str, ...] = ()
    """Names of files to take from folders, such as *.txt; empty: what is known as text."""
    separator: str = "auto"
    """Between documents: auto (the end-of-text token; a line break for char), none, or a text."""
    split_on: str = ""
    """Text in plain-text files at which one document ends and the next begins; it is not kept."""
    text_field: str | None = None
    """The field of lines of JSON that is the text; None: `text`, where the lines are no conversations."""
    hold_out: str = "auto"
    """What is kept for validation: documents (whole ones), tails (the end of each), or auto (see `documents`)."""
    chat: ChatOptions = ChatOptions()

    def shown(self, path: Path) -> str:
        """`path` as the user would write it: from the workspace where it lies inside."""
        inside = path.is_relative_to(self.workspace) and path != self.workspace
        return (path.relative_to(self.workspace) if inside else path).as_posix()


@dataclass(frozen=True, slots=True)
class PreparedSummary:
    """A dataset that was made."""

    output: Path
    documents: int
    """Texts, or conversations, in both splits together."""
    train_tokens: int
    val_tokens: int
    train_shards: int
    val_shards: int
    tokenizer: str
    """In a few words: "char, 55 characters"."""
    tokenization: str
    """char, gpt2 or bpe."""
    vocab_size: int
    split: str = ""
    """How validation was chosen, as in "the last tenth of the text"."""
    trained_tokens: int | None = None
    """Tokens of the training split that count in the loss, where the dataset has masks."""
    notices: list[str] = field(default_factory=list)
    """Sentences that the user should read."""


class Progress(Protocol):
    """Where a long piece of work says how far it is. Called from one thread only."""

    def begin(self, what: str, total: int) -> None:
        """A step begins, as in "tokenizing"; `total` is its size in bytes of input."""

    def advance(self, amount: int) -> None:
        """That many bytes more are done."""


class Silent:
    """A `Progress` that nobody watches."""

    def begin(self, what: str, total: int) -> None:
        """Say nothing."""

    def advance(self, amount: int) -> None:
        """Say nothing."""
