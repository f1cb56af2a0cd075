"""What a format of checkpoints has to tell, and how weights of others become those of our networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mypt.settings.model_config import GPTConfig

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
    before them; `others` the names that stand among these and are no tensors.
    """

    path: Path
    content: Mapping[str, Any]
    state: Mapping[str, Any]
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    def document(self, name: str) -> Mapping[str, Any]:
        """The JSON file of that name beside the weights; an empty one where there is none."""
        return self.documents.get(name, {})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user says where the shapes in a file tell nothing; None leaves it to the file."""

    n_head: int | None = None
    max_seq_len: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Where one of our weights comes from: tensors of the checkpoint, one below the other."""

    names: tuple[str, ...]
    #: Whether each is stored (in, out), as GPT-2's are at Hugging Face.
    transposed: bool = False
    #: Of a vector, how many of the first numbers are taken; None takes all.
    first: int | None = None

    def shape(self, state: Mapping[str, Tensor]) -> tuple[int, ...]:
        """The shape of what `tensor` gives, without making it."""
        shapes = [tuple(state[name].shape) for name in self.names]
        if self.transposed:
            shapes = [shape[::-1] for shape in shapes]
        if self.first is not None:
            shapes = [(min(self.first, *shape),) for shape in shapes if len(shape) == 1] or shapes
        rows = sum(shape[0] for shape in shapes if shape)
        return (rows, *shapes[0][1:]) if shapes[0] else ()

    def tensor(self, state: Mapping[str, Tensor]) -> Tensor:
        """The weight, in the dtype of the checkpoint; where nothing is stacked, of the same memory."""
        parts = [state[name].T if self.transposed else state[name] for name in self.names]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return whole if self.first is None else whole[: self.first]


@dataclass(frozen=True, slots=True)
class Plan:
    """A checkpoint understood: the network that it is of, and where each of its weights comes from."""

    #: "mypt", "small", "medium", "nanogpt", "gpt2" or "llama".
    format: str
    #: What people call it.
    title: str
    config: GPTConfig
    weights: Mapping[str, Taken]
    #: Tensors that are no weights, by name, with what they are.
    left_out: Mapping[str, str] = field(default_factory=dict)
    #: Rows of the vocabulary that belong to tokens, where the file tells; None where it does not.
    true_vocab: int | None = None
    step: int | None = None
    loss: float | None = None
    #: The content of the tokenizer.json that comes along.
    tokenizer: Mapping[str, Any] | None = None
    #: Where its tokenizer may be found, where the file gives a hint.
    hint: str = ""
    notes: tuple[str, ...] = ()


class Format(Protocol):
    """One way in which programs write checkpoints."""

    #: What the checkpoints are called in a list.
    title: str

    def matches(self, found: Checkpoint) -> bool:
        """Whether this is meant to be one of them, judged by the names of what it holds."""

    def plan(self, found: Checkpoint, asked: Asked) -> Plan:
        """What it is, from names, shapes and documents alone. Raises `UserError` for what this format does not have."""
