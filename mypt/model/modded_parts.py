"""What the modded-nanogpt networks are made of: norm without weights, RoPE the other way round, value embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mypt.model.cache import KVCache
from mypt.model.dropout import Dropout, DropsAttention
from mypt.model.init import linear
from mypt.model.kernels import attend
from mypt.model.linear import Multiplies
from mypt.model.rope import rotate
from mypt.settings.model_config import GPTConfig

#: Scores are multiplied by this, whatever the width of a head.
SCALE = 0.12
#: This layer has no attention in any size.
WITHOUT_ATTENTION = 7
#: The unit of windows: a query looks back over whole blocks of keys.
BLOCK = 128


@dataclass(frozen=True, slots=True)
class Sight:
    """What all layers of one forward pass share: kernel, RoPE's tables (T, D/2) in float32, biases as `attend` takes
    them for layers with the long and with the short window, and the cache that is filled where given."""

    kernel: str
    rotation: tuple[Tensor, Tensor]
    long: Tensor | None = None
    short: Tensor | None = None
    cache: KVCache | None = None


def rms(x: Tensor, eps: float) -> Tensor:
    """`x` divided by the root of the mean of its squares over the last dimension, computed in float32."""
    return F.rms_norm(x.float(), x.shape[-1:], eps=eps).to(x.dtype)


def sight_bias(documents: Tensor | None, queries: Tensor, window: int | None, dtype: torch.dtype) -> Tensor:
    """0 where a query may look and -inf where not: (B, 1, Tq, Tk), or (Tq, Tk) where there are no documents.

    `queries` (Tq,) are the places of the queries, which are the last ones of the Tk keys; `documents` (B, Tk) number
    the keys' documents; `window` is in blocks. A query sees no later key, none of another document, and none that
    lies `window` blocks or more before its own block. That is what the block lists of the original's FlexAttention
    come to: the blocks that they hold are those nearest, and all of them together are `window`.
    """
    keys = torch.arange(
        int(queries[-1]) + 1 if documents is None else documents.size(1), device=queries.device
    )
    visible = keys <= queries[:, None]
    if window is not None:
        visible &= queries[:, None] // BLOCK - keys // BLOCK < max(window, 1)
    if documents is not None:
        same = documents[:, -len(queries) :, None] == documents[:, None, :]
        visible = (visible & same)[:, None]
    return torch.zeros(visible.shape, dtype=dtype, device=queries.device).masked_fill_(~visible, -torch.inf)


class ModdedAttention(Multiplies, DropsAttention):
    """Attention of one layer; `small` has its output projection apart, `medium` as the fourth of its matrices."""

    def __init__(self, config: GPTConfig, layer: int, *, long: bool) -> None:
        super().__init__()
        self.layer, self.long = layer, long
        self.medium = config.arch == "modded_medium"
        self.heads, self.head_size, self.eps = config.n_head, config.head_size, config.eps
        inner = config.n_head * config.head_size
        if self.medium:
            self.qkvo_w = nn.Parameter(torch.empty(4, inner, config.n_embd))
        else:
            self.qkv_w = nn.Parameter(torch.empty(3, inner, config.n_embd))
            self.c_proj = linear(inner, config.n_embd, bias=False)
        self.attention_dropout = config.dropout

    def forward(self, x: Tensor, table: Tensor | None, mix: Tensor, shared: Sight) -> Tensor:
        """(B, T, C) to (B, T, C); `table` holds value embeddings (B, T, H·D), `mix` the weights of values and these."""
        batch, length, _ = x.shape
        weights = (self.qkvo_w[:3] if self.medium else self.qkv_w).flatten(0, 1)
        by_head = self.product(x, weights).view(batch, length, 3 * self.heads, self.head_size).transpose(1, 2)
        q, k, v = by_head.chunk(3, dim=1)
        if self.medium:
            v = rms(v, self.eps)
        q, k = (rotate(rms(t.float(), self.eps), *shared.rotation).to(v.dtype) for t in (q, k))
        v = mix[0] * v
        if table is not None:
            v = v + mix[1] * table.view(batch, length, self.heads, self.head_size).transpose(1, 2).to(v.dtype)
        if shared.cache is not None:
            k, v = shared.cache.extend(self.layer, k, v)
        bias = shared.long if self.long else shared.short
        dropout = self.attention_dropout if self.training else 0.0
        mixed = attend(shared.kernel, q, k, v, bias, dropout, SCALE).transpose(1, 2).flatten(2)
        return self.product(mixed, self.qkvo_w[3] if self.medium else self.c_proj.weight)


class ModdedMLP(Multiplies):
    """Up, squared ReLU, down."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.medium = config.arch == "modded_medium"
        width, hidden = config.n_embd, config.mlp_hidden
        if self.medium:
            self.fc_w = nn.Parameter(torch.empty(hidden, width))
            self.proj_w = nn.Parameter(torch.empty(width, hidden))
        else:
            self.c_fc = linear(width, hidden, bias=False)
            self.c_proj = linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        up, down = (self.fc_w, self.proj_w) if self.medium else (self.c_fc.weight, self.c_proj.weight)
        return self.product(F.relu(self.product(x, up)).square(), down)


class ModdedBlock(nn.Module):
    """One layer: an earlier layer's stream and the first one mixed in, then attention and MLP, each added."""

    def __init__(self, config: GPTConfig, layer: int, *, long: bool) -> None:
        super().__init__()
        self.eps = config.eps
        self.normed = config.arch == "modded_small"
        self.attn = None if layer == WITHOUT_ATTENTION else ModdedAttention(config, layer, long=long)
        self.mlp = ModdedMLP(config)
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        first: Tensor,
        skip: Tensor | None,
        table: Tensor | None,
        scalars: Tensor,
        shared: Sight,
    ) -> Tensor:
        """(B, T, C) to (B, T, C).

        `first` is the stream before all layers, `skip` that of an earlier one, weighed; `scalars` (4) are the weights
        of stream and first stream, of values and value embeddings.
        """
        if skip is not None:
            x = x + skip
        x = scalars[0] * x + scalars[1] * first
        if self.attn is not None:
            seen = rms(x, self.eps) if self.normed else x
            x = x + self.dropout(self.attn(seen, table, scalars[2:], shared))
        out: Tensor = x + self.dropout(self.mlp(rms(x, self.eps)))
        return out
