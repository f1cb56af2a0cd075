"""Dropout that is as quick as the rest of the step on CPUs too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Values of one 16-bit draw; `p` is rounded to a multiple of 1 / LEVELS.
LEVELS = 1 << 16


def dropout(x: Tensor, p: float) -> Tensor:
    """`x` with each element zeroed with probability `p` and the others divided by 1 - p.

    On CPUs torch draws a number an element, one after another, which takes as long as a layer's products; here one
    64-bit draw decides four elements. Draws come from torch's global generator of the device.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, p)
    dropped = min(round(p * LEVELS), LEVELS - 1)
    if not dropped:
        return x
    draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    levels = draws.view(torch.int16)[: x.numel()].view(x.shape)
    keep = (levels >= dropped - LEVELS // 2).to(x.dtype)
    return x * keep.mul_(LEVELS / (LEVELS - dropped))


class DropsAttention(nn.Module):
    """A module that leaves out attention weights with probability `attention_dropout` while training."""

    attention_dropout: float = 0.0


class Dropout(nn.Dropout):
    """`dropout` while training."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return dropout(x, self.p) if self.training and self.p else x
