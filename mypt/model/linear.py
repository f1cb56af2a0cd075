"""The linear layer: one product, by torch's own way or, on CPUs in float32, through oneDNN.

torch multiplies float32 matrices with MKL where it has it. On processors that MKL does not take for its maker's it
leaves half of their width unused; oneDNN, which torch computes convolutions with, uses all of it. A product is a
convolution over tokens as pixels with a kernel of one pixel, forward and backward.

With a single thread torch makes such convolutions with MKL again, whatever the processor, unless their kernel has holes.
One pixel has none to tell apart, so it is said to have them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MATMULS = ("torch", "onednn")

#: Below these, handing the matrices over costs more than the product gains.
FEWEST_ROWS = 256
SMALLEST_WEIGHT = 1 << 14


class Multiplies(nn.Module):
    """A module whose float32 products on CPUs are made as `matmul` says: one of `MATMULS`."""

    matmul: str = "torch"

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """`x` (…, in) by a weight (out, in) and, where there is one, a bias (out): (…, out)."""
        if self.matmul == "onednn" and _pays(x, weight):
            return _through_onednn(x, weight, bias)
        return F.linear(x, weight, bias)


class Linear(Multiplies, nn.Linear):
    """`nn.Linear` that multiplies as it is told.

    A new one has memory but no values: torch's own initialisation would draw global random numbers.
    """

    def reset_parameters(self) -> None:
        """Leave the values to whoever made the layer."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        return self.product(x, self.weight, self.bias)


def _pays(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype is weight.dtype is torch.float32
        and x.numel() >= FEWEST_ROWS * weight.size(1)
        and weight.numel() >= SMALLEST_WEIGHT
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _through_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    width_out, width_in = weight.shape
    # (1, in, 1, rows) in the channels-last order is how the rows lie in memory already: nothing is copied.
    pixels = x.reshape(1, 1, -1, width_in).permute(0, 3, 1, 2)
    out = F.conv2d(pixels, weight[:, :, None, None], bias, dilation=_spread())
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], width_out)


def _spread() -> int:
    """How far apart the pixels of a kernel lie, were there several: 2 where torch would leave oneDNN aside for 1."""
    alone: bool = torch.get_num_threads() == 1 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return 2 if alone else 1
