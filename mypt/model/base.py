"""The one face of all networks: what training, generation and programs may ask of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mypt.model.cache import KVCache
from mypt.model.dropout import DropsAttention
from mypt.model.head_loss import Product, head_loss, rows_at_once
from mypt.model.kernels import KERNELS, causal_bias
from mypt.model.linear import MATMULS, Multiplies
from mypt.model.loss import cross_entropy
from mypt.model.rope import Rope
from mypt.settings.model_config import GPTConfig


class LanguageModel(nn.Module, ABC):
    """A network that gives logits for the token after each; knows nothing of loops and files.

    Subclasses have `blocks`, and give the stream before the head (`features`), the head, and a step with a cache.
    """

    config: GPTConfig
    #: The attention kernel, one of `kernels.KERNELS`.
    kernel: str
    blocks: nn.ModuleList
    causal: Tensor | None

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.kernel = "sdpa"
        self.register_buffer("causal", None, persistent=False)

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
        product, weight, bias = self.head()
        if targets is not None and loss_only and self._head_in_pieces(x):
            loss = head_loss(product, x, weight, bias, targets, loss_mask, self.compute_dtype())
            return x.new_empty(0), loss
        logits = product(x, weight, bias).float()
        return logits, None if targets is None else cross_entropy(logits, targets, loss_mask)

    @abstractmethod
    def features(self, idx: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """The stream (B, T, C) after the last norm and before the head, for token ids `idx` (B, T).

        `segment_ids` are those of `forward`; the dtype is that of the stream, which autocast leaves at float32.
        """

    @abstractmethod
    def head(self) -> tuple[Product, Tensor, Tensor | None]:
        """From features to logits: a function of (features, weight, bias), the weight (V, C) and the bias (V)."""

    @abstractmethod
    def step(self, idx: Tensor, cache: KVCache, *, all_positions: bool = False) -> Tensor:
        """Logits after the tokens `idx` (B, T) that follow those in `cache`, which then holds these too.

        No gradients. (B, V) after the last one, or (B, T, V) with `all_positions`. ValueError where the cache or the
        learned positions have no room.
        """

    @abstractmethod
    def embeddings(self) -> Sequence[nn.Module]:
        """The tables that tokens and positions are looked up in."""

    def draw(self, seed: int | torch.Generator) -> None:
        """Fill the weights, of which a part may lie here, with what a new model begins with.

        One whole matrix is drawn after the other, so that all ranks together have what one process would.
        """
        self._fill(torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed)

    def materialise(self, device: torch.device | str) -> None:
        """Give a model that was built on the meta device, or what lies here of it, memory on `device`.

        The weights have no values then; what is computed from the config has.
        """
        self.causal = None
        self.to_empty(device=device)
        self._tie()
        for module in self.modules():
            if isinstance(module, Rope):
                module.tabulate(device)
        self.set_kernel(self.kernel)

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
            if isinstance(module, Multiplies):
                module.matmul = matmul

    def set_dropout(self, p: float) -> None:
        """Make `p` the dropout of every layer, and of the config."""
        self.config.dropout = p
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = p
            elif isinstance(module, DropsAttention):
                module.attention_dropout = p

    def num_parameters(self) -> int:
        """Trainable numbers; a tied matrix counts once."""
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def compute_dtype(self) -> torch.dtype:
        """The dtype that products are computed in."""
        kind = self.device.type
        if torch.is_autocast_enabled(kind):
            return torch.get_autocast_dtype(kind)
        return next(self.parameters()).dtype

    def _fill(self, generator: torch.Generator) -> None:
        """`draw` from a generator, for a network that can begin as a new one. TypeError for others."""
        raise TypeError(f"a {type(self).__name__} is not drawn anew")

    def _tie(self) -> None:
        """Have the names of a matrix that has two be of one and the same, where the config says so."""

    def _head_in_pieces(self, x: Tensor) -> bool:
        """Whether the logits of `x` (B, T, C) are so many that the head had better work on them piece by piece."""
        if self.compute_dtype() is torch.float16 or torch.compiler.is_compiling():
            return False
        return x.numel() // x.size(-1) > rows_at_once(self.config.logit_rows, x.device.type)

    def _causal(self, length: int) -> Tensor:
        """(length, length) or larger: 0 at and below the diagonal, -inf above it."""
        if self.causal is None or self.causal.size(0) < length or self.causal.device != self.device:
            with torch.inference_mode(False):
                self.causal = causal_bias(length, self.device)
        return self.causal

    def _noisy(self, x: Tensor) -> Tensor:
        """Embeddings `x` (B, T, C), while training with NEFTune's noise where the config asks for it."""
        if self.training and self.config.neftune_alpha:
            # NEFTune (Jain et al. 2023): uniform noise of norm alpha, whatever the size of the embeddings.
            amplitude = self.config.neftune_alpha / (x.size(1) * x.size(2)) ** 0.5
            x = x + torch.empty_like(x).uniform_(-amplitude, amplitude)
        return x
