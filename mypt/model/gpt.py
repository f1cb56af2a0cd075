"""The GPT: embeddings, blocks, head. Parameter names are the original MyPT's, so its files load."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mypt.errors import raise_for
from mypt.model.attention import Pass, SelfAttention
from mypt.model.cache import KVCache
from mypt.model.dropout import Dropout
from mypt.model.head_loss import head_loss, rows_at_once
from mypt.model.init import embedding, init_weights, linear
from mypt.model.kernels import KERNELS, causal_bias, segment_bias
from mypt.model.linear import MATMULS, Linear
from mypt.model.loss import cross_entropy
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


class GPT(nn.Module):
    """A decoder-only transformer; knows nothing of loops and files.

    `seed` fills the weights from a generator of its own; None leaves them without values, for a state dict that is
    loaded next. Raises `UserError` for a config that no model can be built with.
    """

    causal: Tensor | None

    def __init__(self, config: GPTConfig, *, seed: int | torch.Generator | None = 0) -> None:
        raise_for(config.problems(where="model"))
        super().__init__()
        self.config = config
        self.kernel = "sdpa"
        self.token_embedding_table = embedding(config.vocab_size, config.n_embd)
        if config.pos_encoding == "learned":
            self.position_embedding_table = embedding(config.block_size, config.n_embd)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = build_norm(config)
        self.lm_head = linear(config.n_embd, config.vocab_size, bias=config.head_bias)
        if config.tie_weights:
            self.lm_head.weight = self.token_embedding_table.weight
        self.rope = (
            Rope(config.head_size, config.block_size, config.rope_theta, config.rope_scale)
            if config.pos_encoding == "rope"
            else None
        )
        self.register_buffer("causal", None, persistent=False)
        if seed is not None:
            generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
            init_weights(self, config.n_layer, generator)

    def forward(
        self,
        idx: Tensor,
        targets: Tensor | None = None,
        loss_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        loss_only: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (B, T, V) in float32 for token ids `idx` (B, T), and the loss where `targets` (B, T) are given.

        `loss_mask` (B, T) weighs the targets (see `loss.cross_entropy`); `segment_ids` (B, T) keep attention within
        runs of equal ids. With learned positions T must not exceed `block_size` (ValueError). With `loss_only` the
        logits may be empty: those of a large vocabulary are then never in memory at once.
        """
        x = self.features(idx, segment_ids)
        if targets is not None and loss_only and self._head_in_pieces(x):
            head = self.lm_head
            return x.new_empty(0), head_loss(
                head.product, x, head.weight, head.bias, targets, loss_mask, self._dtype()
            )
        logits: Tensor = self.lm_head(x).float()
        return logits, None if targets is None else cross_entropy(logits, targets, loss_mask)

    def features(self, idx: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """The stream (B, T, C) after the last norm and before the head, for token ids `idx` (B, T).

        `segment_ids` are those of `forward`; the dtype is that of the stream, which autocast leaves at float32.
        """
        shared = self._pass(idx, segment_ids)
        x = self._embed(idx, self._positions(idx, segment_ids))
        recompute = self.config.use_checkpoint and self.training and torch.is_grad_enabled()
        for block in self.blocks:
            x = checkpoint(block, x, shared, use_reentrant=False) if recompute else block(x, shared)
        out: Tensor = self.ln_f(x)
        return out

    @torch.no_grad()
    def step(self, idx: Tensor, cache: KVCache, *, all_positions: bool = False) -> Tensor:
        """Logits after the tokens `idx` (B, T) that follow those in `cache`, which then holds these too.

        No gradients. (B, V) after the last one, or (B, T, V) with `all_positions`. ValueError where the cache or the learned
        positions have no room.
        """
        new = idx.size(1)
        cache.check_room(new)
        start, stop = cache.length, cache.length + new
        bias = None
        if new > 1 and (start or self.kernel == "plain"):
            bias = self._causal(stop)[start:stop, :stop].to(self._dtype())
        shared = Pass(self.kernel, bias, self._rotation(start, stop), cache)
        positions = torch.arange(start, stop, device=idx.device) if self.rope is None else None
        x = self._embed(idx, positions)
        for block in self.blocks:
            x = block(x, shared)
        cache.advance(new)
        x = self.ln_f(x if all_positions else x[:, -1])
        logits: Tensor = self.lm_head(x).float()
        return logits

    def set_kernel(self, kernel: str) -> None:
        """Compute attention with "sdpa" or "plain" from now on (see `mypt.model.kernels`)."""
        if kernel not in KERNELS:
            raise ValueError(f"unknown attention kernel {kernel!r}; known: {', '.join(KERNELS)}")
        self.kernel = kernel
        if kernel == "plain":
            self._causal(self.config.block_size)

    def set_matmul(self, matmul: str) -> None:
        """Multiply by the weights with "torch" or "onednn" from now on (see `mypt.model.linear`)."""
        if matmul not in MATMULS:
            raise ValueError(f"unknown way to multiply {matmul!r}; known: {', '.join(MATMULS)}")
        for module in self.modules():
            if isinstance(module, Linear):
                module.matmul = matmul

    def set_dropout(self, p: float) -> None:
        """Make `p` the dropout of every layer, and of the config."""
        self.config.dropout = p
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = p
            elif isinstance(module, SelfAttention):
                module.attention_dropout = p

    def num_parameters(self) -> int:
        """Trainable numbers; a tied matrix counts once."""
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.token_embedding_table.weight.device

    def _embed(self, idx: Tensor, positions: Tensor | None) -> Tensor:
        x: Tensor = self.token_embedding_table(idx)
        if self.training and self.config.neftune_alpha:
            # NEFTune (Jain et al. 2023): uniform noise of norm alpha, whatever the size of the embeddings.
            amplitude = self.config.neftune_alpha / (x.size(1) * x.size(2)) ** 0.5
            x = x + torch.empty_like(x).uniform_(-amplitude, amplitude)
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
            bias = segment_bias(segment_ids, self._dtype())
        elif self.kernel == "plain":
            bias = self._causal(length)[:length, :length].to(self._dtype())
        return Pass(self.kernel, bias, self._rotation(0, length))

    def _head_in_pieces(self, x: Tensor) -> bool:
        """Whether the logits of `x` (B, T, C) are so many that the head had better work on them piece by piece."""
        if self._dtype() is torch.float16 or torch.compiler.is_compiling():
            return False
        return x.numel() // x.size(-1) > rows_at_once(self.lm_head.out_features, x.device.type)

    def _rotation(self, start: int, stop: int) -> tuple[Tensor, Tensor] | None:
        return None if self.rope is None else self.rope(start, stop, self._dtype())

    def _causal(self, length: int) -> Tensor:
        if self.causal is None or self.causal.size(0) < length or self.causal.device != self.device:
            with torch.inference_mode(False):
                self.causal = causal_bias(length, self.device)
        return self.causal

    def _dtype(self) -> torch.dtype:
        """The dtype that products are computed in."""
        kind = self.device.type
        if torch.is_autocast_enabled(kind):
            return torch.get_autocast_dtype(kind)
        return self.token_embedding_table.weight.dtype
