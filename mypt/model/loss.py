"""Cross-entropy over the tokens that count."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean loss in nats (a scalar) for `logits` (B, T, V) and `targets` (B, T).

    With `mask` (B, T), weights of 0 or more: Σ(loss·mask) / max(Σ mask, 1); a mask of zeros gives 0 and no gradient.
    """
    flat = logits.reshape(-1, logits.size(-1))
    if mask is None:
        return F.cross_entropy(flat, targets.reshape(-1))
    each = F.cross_entropy(flat, targets.reshape(-1), reduction="none")
    weight = mask.reshape(-1).to(each.dtype)
    return (each * weight).sum() / weight.sum().clamp(min=1.0)
