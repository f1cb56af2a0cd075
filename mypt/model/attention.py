"""Multi-head causal self-attention, with the original's parameter names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mypt.model.cache import KVCache
from mypt.model.dropout import Dropout, DropsAttention
from mypt.model.init import linear
from mypt.model.kernels import attend
from mypt.model.rope import rotate
from mypt.settings.model_config import GPTConfig


@dataclass(frozen=True, slots=True)
class Pass:
    """What all layers of one forward pass share.

    `rotation` holds RoPE's cosines and sines (T, D/2); `bias` is what `attend` takes; `cache` is filled where given.
    """

    kernel: str
    bias: Tensor | None = None
    rotation: tuple[Tensor, Tensor] | None = None
    cache: KVCache | None = None


class SelfAttention(DropsAttention):
    """Queries, keys and values from one matrix (rows: q, k, v, each by heads), attention, output projection."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.n_head
        self.kv_heads = config.kv_heads
        self.head_size = config.head_size
        rows = (config.n_head + 2 * config.kv_heads) * config.head_size
        self.qkv = linear(config.n_embd, rows, bias=config.bias)
        self.proj = linear(config.n_head * config.head_size, config.n_embd, bias=config.bias)
        self.attention_dropout = config.dropout
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, shared: Pass) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        batch, length, _ = x.shape
        q, k, v = self._split(self.qkv(x))
        if shared.rotation is not None:
            q, k = rotate(q, *shared.rotation), rotate(k, *shared.rotation)
        if shared.cache is not None:
            k, v = shared.cache.extend(self.layer, k, v)
        if self.kv_heads != self.heads:
            k, v = (t.repeat_interleave(self.heads // self.kv_heads, dim=1) for t in (k, v))
        dropout = self.attention_dropout if self.training else 0.0
        mixed = attend(shared.kernel, q, k, v, shared.bias, dropout)
        out: Tensor = self.dropout(self.proj(mixed.transpose(1, 2).reshape(batch, length, -1)))
        return out

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q (B, H, T, D), k and v (B, Hkv, T, D), as views."""
        batch, length, _ = qkv.shape
        by_head = qkv.view(batch, length, -1, self.head_size).transpose(1, 2)
        q, k, v = torch.split(by_head, [self.heads, self.kv_heads, self.kv_heads], dim=1)
        return q, k, v
