"""What a training holds as of one update, or a rank's part of it, and its copy in main memory.

A copy lets training go on while it is written. Its room is taken once and filled anew each time, and where a GPU trains
it is pinned, so that nothing but the copying is waited for.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mypt.memory import ran_out


class Part(NamedTuple):
    """The rows that a rank has of a tensor of that `shape`: the `first` one's number, and they themselves."""

    own: Tensor
    first: int
    shape: torch.Size

    @property
    def dtype(self) -> torch.dtype:
        """The type of its numbers."""
        return self.own.dtype


@dataclass(frozen=True, slots=True)
class Held:
    """State dicts of a model and, where it is wanted, of its optimizer; each tensor whole or a `Part`."""

    weights: dict[str, Any]
    moments: dict[str, Any] | None

    @property
    def size(self) -> int:
        """Bytes of its tensors that are here, each once."""
        here = (
            leaf.own if isinstance(leaf, Part) else leaf for _, leaf in leaves([self.weights, self.moments])
        )
        return _size({_where(tensor): tensor for tensor in here})


class Copies:
    """Room for a copy of what a training holds."""

    def __init__(self) -> None:
        self._room: dict[tuple[Any, ...], Tensor] = {}
        self._same: dict[tuple[Any, ...], Tensor] = {}
        self._pinned = True
        # Copies from a GPU that are to be waited for.
        self._begun = False

    @property
    def size(self) -> int:
        """Bytes of the room that is taken."""
        return _size(self._room)

    def take(self, held: Held) -> Held:
        """A copy of `held` in main memory, in the room of the one before. MemoryError and the like pass."""
        self._same.clear()
        made = Held(self._copied(held.weights, ("weights",)), self._copied(held.moments, ("moments",)))
        if self._begun:
            torch.cuda.synchronize()
            self._begun = False
        return made

    def give_back(self) -> None:
        """Let go of the room."""
        self._room.clear()
        self._same.clear()

    def _copied(self, value: Any, place: tuple[Any, ...]) -> Any:
        if isinstance(value, Part):
            return value._replace(own=self._tensor(value.own, place))
        if isinstance(value, Tensor):
            return self._tensor(value, place)
        if isinstance(value, dict):
            return {key: self._copied(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copied(item, (*place, key)) for key, item in enumerate(value)]
        return copy.deepcopy(value)

    def _tensor(self, tensor: Tensor, place: tuple[Any, ...]) -> Tensor:
        # Two names of one matrix are two names of one copy.
        which = _where(tensor) if tensor.numel() else place
        if which in self._same:
            return self._same[which]
        room = self._room.get(place)
        if room is None or (room.shape, room.dtype, room.stride()) != (
            tensor.shape,
            tensor.dtype,
            tensor.stride(),
        ):
            room = self._room[place] = self._new(tensor)
        room.copy_(tensor.detach(), non_blocking=tensor.is_cuda)
        self._begun |= tensor.is_cuda
        self._same[which] = room
        return room

    def _new(self, tensor: Tensor) -> Tensor:
        if tensor.is_cuda and self._pinned:
            try:
                return torch.empty_like(tensor, device="cpu", pin_memory=True)
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                # The system limits what may be pinned; other memory takes copies too, more slowly.
                self._pinned = False
        return torch.empty_like(tensor, device="cpu")


def _where(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def leaves(content: Any, name: str = "") -> Iterator[tuple[str, Tensor | Part]]:
    """The tensors in nested dicts and lists, each with a name of its own, in the order in which they are pickled."""
    if isinstance(content, Tensor | Part):
        yield name, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, f"{name}/{key}")
    elif isinstance(content, list | tuple):
        for key, value in enumerate(content):
            yield from leaves(value, f"{name}/{key}")


def _size(tensors: Mapping[Any, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
