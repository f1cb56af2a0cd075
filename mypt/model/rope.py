"""Rotary position embedding (Su et al. 2021), in the split-half form of Llama."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Positions that tables are made for at once; a file may claim a context that no memory holds.
LONGEST_AT_ONCE = 1 << 15


class Rope(nn.Module):
    """Tables of cosines and sines, kept in float32 and never saved; they grow where a longer context is asked for."""

    cos: Tensor
    sin: Tensor

    def __init__(self, head_size: int, length: int, theta: float = 10000.0, scale: float = 1.0) -> None:
        super().__init__()
        self.head_size = head_size
        self.theta = theta
        self.scale = scale
        cos, sin = self._tables(min(length, LONGEST_AT_ONCE), torch.get_default_device())
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def tabulate(self, device: torch.device | str) -> None:
        """Have the tables on `device` although the model was built without memory: as if it had been moved there."""
        self.cos, self.sin = (
            table.to(device) for table in self._tables(self.cos.size(0), torch.device("cpu"))
        )

    def forward(self, start: int, stop: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines (stop - start, D/2) of the positions from `start` up to `stop`, in `dtype`."""
        if stop > self.cos.size(0):
            # Tables made in inference mode could not be used in training later.
            with torch.inference_mode(False):
                self.cos, self.sin = self._tables(max(stop, 2 * self.cos.size(0)), self.cos.device)
        return self.cos[start:stop].to(dtype), self.sin[start:stop].to(dtype)

    def _tables(self, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        position = torch.arange(length, dtype=torch.float32, device=device) / self.scale
        angle = torch.outer(position, self._frequencies(device))
        return angle.cos(), angle.sin()

    def _frequencies(self, device: torch.device) -> Tensor:
        """Angles a position (D/2), float32."""
        pairs = torch.arange(0, self.head_size, 2, dtype=torch.float32, device=device)
        frequencies: Tensor = self.theta ** (-pairs / self.head_size)
        return frequencies


class HalfTruncatedRope(Rope):
    """modded-nanogpt's: D/4 pairs turn, by 1 down to 1/theta a position and the other way round; the others stay."""

    def _frequencies(self, device: torch.device) -> Tensor:
        quarter = self.head_size // 4
        turning = self.theta ** -torch.linspace(0, 1, quarter, dtype=torch.float32, device=device)
        return -torch.cat((turning, turning.new_zeros(quarter)))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x` (B, H, T, D) with each pair (d, d + D/2) turned by its angle; `cos` and `sin` are (T, D/2)."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)
