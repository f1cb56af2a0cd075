"""Attention itself: two ways to compute softmax(q·kᵀ/√D + bias)·v.

"sdpa" is torch's fused kernel: least memory, and the faster one on GPUs. "plain" is two products and a softmax in the
dtype of its inputs: on CPUs a training step is much faster with it in bfloat16, because there the backward pass of the
fused kernel is slow, and with dropout, which the fused kernel of CPUs does not know.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mypt import machine
from mypt.model.dropout import dropout as drop

KERNELS = ("sdpa", "plain")
_PRECISIONS = {torch.bfloat16: "bf16", torch.float16: "fp16"}


def default_kernel(device_type: str, dtype: torch.dtype, context: int, dropout: float = 0.0) -> str:
    """The kernel to expect most of where nobody has measured; `dtype` is that of the products, `context` in tokens."""
    return machine.default_kernel(device_type, _PRECISIONS.get(dtype, "fp32"), context, dropout)


def attend(
    kernel: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """Mixed values (B, H, Tq, D) for queries (B, H, Tq, D), keys and values (B, H, Tk, D) of one dtype.

    `bias` is added to the scores: 0 where a query may look, -inf where not; (Tq, Tk) or (B, 1, Tq, Tk), dtype of q.
    Without one, sdpa is causal where there are as many queries as keys; a single query sees every key in both.
    Scores are multiplied by `scale`, 1/√D where it is None.
    """
    if kernel == "plain":
        return _plain(q, k, v, bias, dropout, 1.0 / math.sqrt(q.size(-1)) if scale is None else scale)
    causal = bias is None and q.size(-2) == k.size(-2)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=bias, dropout_p=dropout, is_causal=causal, scale=scale
    )


def causal_bias(length: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """(length, length): 0 at and below the diagonal, -inf above it."""
    return torch.full((length, length), -math.inf, device=device, dtype=dtype).triu_(1)


def segment_bias(segment_ids: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, T, T) for `segment_ids` (B, T): 0 for earlier places and oneself within equal ids, else -inf."""
    length = segment_ids.size(1)
    same = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]
    visible = same & torch.ones(length, length, dtype=torch.bool, device=segment_ids.device).tril_()
    return torch.zeros(visible.shape, dtype=dtype, device=segment_ids.device).masked_fill_(
        ~visible, -math.inf
    )


def _plain(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout: float, scale: float) -> Tensor:
    batch, heads, queries, width = q.shape
    keys = k.size(-2)
    q, k, v = (t.reshape(batch * heads, -1, width) for t in (q, k, v))
    if bias is not None and bias.dim() == 2:
        # Scale and mask ride along with the product: no pass over the scores of their own.
        scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=scale)
    else:
        scores = torch.bmm(q * scale, k.transpose(1, 2))
        if bias is not None:
            scores = (scores.view(batch, heads, queries, keys) + bias).view(batch * heads, queries, keys)
        elif queries > 1:
            raise ValueError("the plain kernel needs a bias for more than one query")
    weights = torch.softmax(scores, -1)
    if dropout:
        weights = drop(weights, dropout)
    return torch.bmm(weights.to(v.dtype), v).view(batch, heads, queries, width)
