"""What a format of checkpoints has to tell, and which ones there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mypt.model import GPT

#: What every description of a checkpoint has, in the order in which people want to read it.
KEYS = (
    *("checkpoint_format", "vocab_size", "true_vocab_size", "model_dim", "num_layers", "num_heads"),
    *("max_seq_len", "parameters"),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as it was read, before anybody knows what it means.

    `path` is the file or folder; `content` what the weights' file holds (a bare state dict as `state_dict`);
    `documents` the JSON files beside it, by name; `state` the tensors by name, without the prefixes that wrappers put
    before them.
    """

    path: Path
    content: Mapping[str, Any]
    state: Mapping[str, Any]
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Format(Protocol):
    """One way in which programs write checkpoints."""

    name: str

    def matches(self, found: Checkpoint) -> bool:
        """Whether this is one of them, judged by names and shapes of what it holds."""

    def describe(self, found: Checkpoint) -> dict[str, Any]:
        """All of `KEYS`, and what else there is to say. Raises `UserError` for one that is damaged."""

    def load(self, found: Checkpoint) -> GPT:
        """The model, in float32 on the CPU. Raises `UserError` where weights and config do not fit."""
