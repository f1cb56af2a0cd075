"""Keys and values of the tokens already seen, so that generating a token costs one token's work."""

from __future__ import annotations

import torch
from torch import Tensor


class KVCache:
    """Room for `capacity` tokens in every layer; filled by `LanguageModel.step`, which asks for all layers in turn.

    Memory is taken when the first keys arrive, in their shape, dtype and device.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        #: Tokens held now.
        self.length = 0
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self._marks: Tensor | None = None

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of `layer` (B, H, length + T, D) after appending the new ones (B, H, T, D).

        `length` stays until `advance`, so that every layer appends at the same place.
        """
        batch, heads, new, width = keys.shape
        if layer not in self._layers:
            room = keys.new_empty(2, batch, heads, self.capacity, width)
            self._layers[layer] = (room[0], room[1])
        held_keys, held_values = self._layers[layer]
        end = self.length + new
        held_keys[:, :, self.length : end] = keys
        held_values[:, :, self.length : end] = values
        return held_keys[:, :, :end], held_values[:, :, :end]

    def extend_marks(self, marks: Tensor) -> Tensor:
        """A number (B, length + T) for each token held, after appending those of the new ones (B, T)."""
        batch, new = marks.shape
        if self._marks is None:
            self._marks = marks.new_empty(batch, self.capacity)
        end = self.length + new
        self._marks[:, self.length : end] = marks
        return self._marks[:, :end]

    def last_marks(self) -> Tensor | None:
        """The numbers (B, 1) of the last tokens held; None where there are none."""
        return (
            self._marks[:, self.length - 1 : self.length] if self.length and self._marks is not None else None
        )

    def check_room(self, new: int) -> None:
        """Raise ValueError where `new` more tokens do not fit."""
        if self.length + new > self.capacity:
            raise ValueError(
                f"the cache holds {self.length} of {self.capacity} tokens: no room for {new} more"
            )

    def advance(self, new: int) -> None:
        """Count `new` tokens as held, once every layer has them."""
        self.length += new

    def clear(self) -> None:
        """Forget all tokens and keep the memory."""
        self.length = 0

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return sum(2 * keys.numel() * torch.finfo(keys.dtype).bits // 8 for keys, _ in self._layers.values())
