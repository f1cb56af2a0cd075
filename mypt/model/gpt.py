"""The GPT: embeddings, blocks, head. Parameter names are the original MyPT's, so its files load."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mypt.errors import raise_for
from mypt.model.attention import Pass, SelfAttention
from mypt.model.base import LanguageModel
from mypt.model.cache import KVCache
from mypt.model.dropout import Dropout
from mypt.model.head_loss import Product
from mypt.model.init import embedding, init_weights, linear
from mypt.model.kernels import segment_bias
from mypt.model.mlp import build_mlp
from mypt.model.norm import build_norm
from mypt.model.rope import Rope
from mypt.settings.model_config import GPTConfig


class Block(nn.Module):
    """Pre-norm transformer block: attention, then feed-forward, each added to the stream."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.sa = SelfAttention(config, layer)
        self.fwd = build_mlp(config)
        self.ln1 = build_norm(config)
        self.ln2 = build_norm(config)

    def forward(self, x: Tensor, shared: Pass) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        x = x + self.sa(self.ln1(x), shared)
        out: Tensor = x + self.fwd(self.ln2(x))
        return out


class GPT(LanguageModel):
    """A decoder-only transformer, from GPT-2 to Llama by its config.

    `seed` fills the weights from a generator of its own; None leaves them without values, for a state dict that is
    loaded next. Raises `UserError` for a config that no model can be built with.
    """

    def __init__(self, config: GPTConfig, *, seed: int | torch.Generator | None = 0) -> None:
        raise_for(config.problems(where="model"))
        super().__init__(config)
        self.token_embedding_table = embedding(config.vocab_size, config.n_embd)
        if config.pos_encoding == "learned":
            self.position_embedding_table = embedding(config.block_size, config.n_embd)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = build_norm(config)
        self.lm_head = linear(config.n_embd, config.logit_rows, bias=config.head_bias)
        self._tie()
        self.rope = (
            Rope(config.head_size, config.block_size, config.rope_theta, config.rope_scale)
            if config.pos_encoding == "rope"
            else None
        )
        if seed is not None:
            self.draw(seed)

    def features(self, idx: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """The stream (B, T, C) after the last norm and before the head."""
        shared = self._pass(idx, segment_ids)
        x = self._embed(idx, self._positions(idx, segment_ids))
        recompute = self.config.use_checkpoint and self.training and torch.is_grad_enabled()
        for block in self.blocks:
            x = checkpoint(block, x, shared, use_reentrant=False) if recompute else block(x, shared)
        out: Tensor = self.ln_f(x)
        return out

    @torch.no_grad()
    def step(self, idx: Tensor, cache: KVCache, *, all_positions: bool = False) -> Tensor:
        """Logits after the tokens `idx` (B, T): (B, V) after the last one, or (B, T, V) with `all_positions`."""
        new = idx.size(1)
        cache.check_room(new)
        start, stop = cache.length, cache.length + new
        bias = None
        if new > 1 and (start or self.kernel == "plain"):
            bias = self._causal(stop)[start:stop, :stop].to(self.compute_dtype())
        shared = Pass(self.kernel, bias, self._rotation(start, stop), cache)
        positions = torch.arange(start, stop, device=idx.device) if self.rope is None else None
        x = self._embed(idx, positions)
        for block in self.blocks:
            x = block(x, shared)
        cache.advance(new)
        x = self.ln_f(x if all_positions else x[:, -1])
        logits: Tensor = self.lm_head(x).float()
        return logits

    def head(self) -> tuple[Product, Tensor, Tensor | None]:
        """The product with the head's matrix, which may be the token embedding's, and its bias where it has one."""
        return self.lm_head.product, self.lm_head.weight, self.lm_head.bias

    def embeddings(self) -> Sequence[nn.Module]:
        """The token embedding and, where there are any, the learned positions."""
        learned = self.config.pos_encoding == "learned"
        return [self.token_embedding_table, *([self.position_embedding_table] if learned else [])]

    def _fill(self, generator: torch.Generator) -> None:
        init_weights(self, self.config.n_layer, generator)

    def _tie(self) -> None:
        if self.config.tie_weights:
            self.lm_head.weight = self.token_embedding_table.weight

    def _embed(self, idx: Tensor, positions: Tensor | None) -> Tensor:
        x = self._noisy(self.token_embedding_table(idx))
        if positions is not None:
            x = x + self.position_embedding_table(positions)
        out: Tensor = self.dropout(x)
        return out

    def _positions(self, idx: Tensor, segment_ids: Tensor | None) -> Tensor | None:
        """Learned positions (T,) or, restarting with each segment, (B, T); None with RoPE.

        RoPE turns by differences of positions only, so there a restart would change nothing within a segment.
        """
        if self.rope is not None:
            return None
        length = idx.size(1)
        if length > self.config.block_size:
            raise ValueError(f"{length} tokens, but block_size is {self.config.block_size}")
        places = torch.arange(length, device=idx.device)
        if segment_ids is None or not self.config.segment_position_reset:
            return places
        begins = torch.zeros_like(segment_ids, dtype=torch.bool)
        begins[:, 1:] = segment_ids[:, 1:] != segment_ids[:, :-1]
        return places - torch.where(begins, places, 0).cummax(1).values

    def _pass(self, idx: Tensor, segment_ids: Tensor | None) -> Pass:
        length = idx.size(1)
        bias = None
        if segment_ids is not None:
            bias = segment_bias(segment_ids, self.compute_dtype())
        elif self.kernel == "plain":
            bias = self._causal(length)[:length, :length].to(self.compute_dtype())
        return Pass(self.kernel, bias, self._rotation(0, length))

    def _rotation(self, start: int, stop: int) -> tuple[Tensor, Tensor] | None:
        return None if self.rope is None else self.rope(start, stop, self.compute_dtype())
