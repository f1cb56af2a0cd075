"""Where weights come from in a new model: one seeded generator, never the global one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mypt.model.linear import Linear
from mypt.model.own import take

#: Standard deviation of GPT-2's initialisation.
STD = 0.02
#: Matrices that write into the residual stream; twice `n_layer` of them add up there.
RESIDUAL = ("sa.proj.weight", "fwd.net.2.weight", "fwd.w_down.weight")


def linear(n_in: int, n_out: int, *, bias: bool) -> Linear:
    """A linear layer with memory but without values."""
    return Linear(n_in, n_out, bias=bias)


class _Embedding(nn.Embedding):
    def reset_parameters(self) -> None:
        """Leave the values to `init_weights`."""


def embedding(rows: int, width: int) -> nn.Embedding:
    """An embedding with memory but without values: torch's own initialisation would draw global random numbers."""
    return _Embedding(rows, width)


@torch.no_grad()
def init_weights(model: nn.Module, n_layer: int, generator: torch.Generator) -> None:
    """Fill what lies here of `model`, in module order: normal matrices, zero biases, ones in norms.

    Residual projections are scaled down by √(2·n_layer), so that the stream's variance does not grow with depth.
    """
    norms = {id(m.weight) for m in model.modules() if isinstance(m, nn.LayerNorm | nn.RMSNorm)}
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.fill_(1.0 if id(parameter) in norms else 0.0)
        else:
            init_matrix(
                parameter, STD / math.sqrt(2 * n_layer) if name.endswith(RESIDUAL) else STD, generator
            )


def init_matrix(matrix: Tensor, std: float, generator: torch.Generator) -> None:
    """Fill what lies here of `matrix` with `normal` numbers."""
    take(matrix, normal(matrix.shape, std, generator))


def normal(shape: torch.Size, std: float, generator: torch.Generator) -> Tensor:
    """A whole matrix of normal numbers, drawn on the generator's device: equal on CPU and GPU, and on every rank."""
    return torch.empty(shape, device=generator.device).normal_(0.0, std, generator=generator)
