"""The head's product and its cross-entropy together, a piece of the rows at a time.

The logits of a large vocabulary take more memory than the rest of a step, and more time than their product to write
and read. Here those of a few rows are made, turned into a loss and into gradients at once, and forgotten, as Wijmans
et al. 2024 ("Cut Your Losses") and others do on GPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

#: Logits, in numbers, that are held at once: on a CPU few enough to be reused memory (see `training.allocator`), on a
#: GPU enough to keep it busy.
PIECE = {"cpu": 1 << 24}
PIECE_ON_GPU = 1 << 27

Product = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def rows_at_once(vocabulary: int, device_type: str) -> int:
    """How many rows of `vocabulary` logits are held at once; a multiple of 64, since products like that."""
    return max(PIECE.get(device_type, PIECE_ON_GPU) // vocabulary // 64 * 64, 64)


def head_loss(
    product: Product,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    mask: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """`loss.cross_entropy` of the logits `product(x, weight, bias)` in `dtype`, which are never whole in memory.

    `x` is (B, T, C), `targets` and `mask` (B, T). Where gradients are wanted they are made in the forward pass, so
    that the backward pass only scales them; float16, whose small gradients need their scale earlier, is not for here.
    """
    rows, wanted = x.reshape(-1, x.size(-1)), targets.reshape(-1)
    if mask is None:
        shares = torch.full((len(rows),), 1.0 / max(len(rows), 1), device=x.device)
    else:
        each = mask.reshape(-1).float()
        shares = each / each.sum().clamp(min=1.0)
    loss: Tensor = _HeadLoss.apply(product, dtype, rows, weight, bias, wanted, shares)  # type: ignore[no-untyped-call]
    return loss


class _HeadLoss(torch.autograd.Function):
    """Inputs: the product and its dtype, rows (N, C), weight (V, C), bias (V) or None, targets and shares (N)."""

    @staticmethod
    def forward(
        ctx: Any,
        product: Product,
        dtype: torch.dtype,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        shares: Tensor,
    ) -> Tensor:
        """Σ share·loss over the rows, in float32."""
        wanted = ctx.needs_input_grad[2:5]
        inside_weight = weight.detach().to(dtype).requires_grad_(wanted[1])
        inside_bias = None if bias is None else bias.detach().to(dtype).requires_grad_(wanted[2])
        sums = [
            torch.zeros_like(t, dtype=torch.float32) if t is not None and want else None
            for t, want in zip((rows, weight, bias), wanted, strict=True)
        ]
        total = torch.zeros((), device=rows.device)
        step = rows_at_once(weight.size(0), rows.device.type)
        # All in here is in `dtype` by hand: autocast would convert the weight for every piece.
        with torch.set_grad_enabled(any(wanted)), torch.autocast(rows.device.type, enabled=False):
            for first in range(0, len(rows), step):
                place = slice(first, first + step)
                piece = rows[place].detach().to(dtype).requires_grad_(wanted[0])
                logits = product(piece, inside_weight, inside_bias)
                each = F.cross_entropy(logits.float(), targets[place], reduction="none")
                del logits
                loss = (each * shares[place]).sum()
                total += loss.detach()
                inputs = [t for t in (piece, inside_weight, inside_bias) if t is not None and t.requires_grad]
                found = iter(torch.autograd.grad(loss, inputs) if inputs else ())
                for held, target in zip(sums, (place, slice(None), slice(None)), strict=True):
                    if held is not None:
                        held[target] += next(found)
        ctx.kept = [held is not None for held in sums]
        ctx.save_for_backward(*(held for held in sums if held is not None))
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients that the forward pass made, scaled."""
        saved = iter(ctx.saved_tensors)
        grads = [next(saved) * grad_outputs[0] if kept else None for kept in ctx.kept]
        return None, None, *grads, None, None
