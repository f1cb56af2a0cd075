"""The networks of modded-nanogpt's small and medium training scripts (mid 2025), with their own parameter names.

Both are U-nets of transformer blocks with rotary positions, squared ReLU, value embeddings and weights for every
mixture; they differ in where streams are led past others, in what is normalised, and in the cap on the logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mypt.errors import raise_for
from mypt.model.base import LanguageModel
from mypt.model.cache import KVCache
from mypt.model.head_loss import Product
from mypt.model.init import embedding, init_matrix, linear, normal
from mypt.model.linear import Multiplies
from mypt.model.modded_parts import BLOCK, ModdedBlock, Sight, rms, sight_bias
from mypt.model.own import take
from mypt.model.rope import HalfTruncatedRope
from mypt.settings.model_config import GPTConfig

#: Which layers have the long window (L), by architecture and, repeated and cut, for other numbers of layers.
WINDOWS = {"modded_small": "LSSSLSSLSSSL", "modded_medium": "LSSSLSSSSSSLSSSL"}
#: Tables of value embeddings: the first layers take them in order, and the last ones again.
TABLES = 3
#: In the medium network: layer -> the earlier layer whose stream it takes, which is also the place of its weight.
MEDIUM_SKIPS = {9: 6, 10: 4, 11: 2}


class Modded(LanguageModel):
    """A modded-nanogpt network: "modded_small" or "modded_medium" by its config's `arch`.

    `seed` fills the weights; None leaves them without values. Raises `UserError` for a config that is none of these.
    """

    def __init__(self, config: GPTConfig, *, seed: int | torch.Generator | None = 0) -> None:
        raise_for(config.problems(where="model"))
        super().__init__(config)
        layers, inner = config.n_layer, config.n_head * config.head_size
        self.medium = config.arch == "modded_medium"
        pattern = WINDOWS[config.arch]
        self.embed = embedding(config.vocab_size, config.n_embd)
        self.value_embeds = nn.ModuleList(embedding(config.vocab_size, inner) for _ in range(TABLES))
        self.blocks = nn.ModuleList(
            ModdedBlock(config, layer, long=pattern[layer % len(pattern)] == "L") for layer in range(layers)
        )
        # Only its way to multiply is used where the matrix has another name.
        self.multiply = Multiplies()
        if self.medium:
            self.lm_head_w = nn.Parameter(torch.empty(config.logit_rows, config.n_embd))
        else:
            self.lm_head = linear(config.n_embd, config.logit_rows, bias=False)
        self.scalars = nn.Parameter(torch.empty(5 * layers))
        self.rope = HalfTruncatedRope(
            config.head_size, config.block_size, config.rope_theta, config.rope_scale
        )
        if seed is not None:
            self.draw(seed)

    def features(self, idx: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """The stream (B, T, C) after the last norm and before the head."""
        documents = self._documents(idx)
        if segment_ids is not None and documents is not None:
            # Both kinds of borders at once: a number for each pair of a segment and a document.
            documents = documents + segment_ids * (idx.size(1) + 1)
        elif segment_ids is not None:
            documents = segment_ids
        long, short = self._biases(documents, 0, idx.size(1), needed=self.kernel == "plain")
        rotation = self.rope(0, idx.size(1), torch.float32)
        return self._stream(idx, Sight(self.kernel, rotation, long, short))

    @torch.no_grad()
    def step(self, idx: Tensor, cache: KVCache, *, all_positions: bool = False) -> Tensor:
        """Logits after the tokens `idx` (B, T): (B, V) after the last one, or (B, T, V) with `all_positions`.

        The cache knows the documents of its tokens; a generated document token begins the next one.
        """
        new = idx.size(1)
        cache.check_room(new)
        start, stop = cache.length, cache.length + new
        documents = self._documents(idx)
        if documents is not None:
            before = cache.last_marks()
            documents = cache.extend_marks(documents if before is None else documents + before)
        plain = new > 1 and (start > 0 or self.kernel == "plain")
        long, short = self._biases(documents, start, stop, needed=plain)
        rotation = self.rope(start, stop, torch.float32)
        x = self._stream(idx, Sight(self.kernel, rotation, long, short, cache))
        cache.advance(new)
        product, weight, bias = self.head()
        return product(x if all_positions else x[:, -1], weight, bias).float()

    def head(self) -> tuple[Product, Tensor, Tensor | None]:
        """The product with the head's matrix, in float32, under the architecture's cap."""
        return self._capped, self.lm_head_w if self.medium else self.lm_head.weight, None

    def embeddings(self) -> Sequence[nn.Module]:
        """The token embedding and the tables of value embeddings."""
        return [self.embed, *self.value_embeds]

    def _capped(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        z = self.multiply.product(x, weight, bias).float()
        if self.medium:
            return 15 * z * torch.rsqrt(z.square() + 225)
        return 30 * torch.sigmoid(z / (7.5 * math.sqrt(self.config.n_embd)))

    def _stream(self, idx: Tensor, shared: Sight) -> Tensor:
        layers = len(self.blocks)
        half = layers // 2
        x = first = rms(self._noisy(self.embed(idx)), self.config.eps)
        tables = [table(idx) for table in self.value_embeds]
        recompute = self.config.use_checkpoint and self.training and torch.is_grad_enabled()
        kept: dict[int, Tensor] = {}
        for layer, block in enumerate(self.blocks):
            skip = None
            if self.medium and layer in MEDIUM_SKIPS:
                source = MEDIUM_SKIPS[layer]
                skip = self.scalars[source] * kept.pop(source)
            elif not self.medium and layer >= half:
                skip = self.scalars[layer - half] * kept.pop(layers - 1 - layer)
            table = layer if layer < TABLES else layer - (layers - TABLES)
            pair, values = layers + 2 * layer, 3 * layers + 2 * layer
            scalars = torch.cat((self.scalars[pair : pair + 2], self.scalars[values : values + 2]))
            inputs = (x, first, skip, tables[table] if table >= 0 else None, scalars, shared)
            x = checkpoint(block, *inputs, use_reentrant=False) if recompute else block(*inputs)
            if layer in MEDIUM_SKIPS.values() if self.medium else layer < half:
                kept[layer] = x
        return rms(x, self.config.eps)

    def _documents(self, idx: Tensor) -> Tensor | None:
        """How many documents have begun up to each token (B, T), itself included; None where none can begin."""
        token = self.config.document_token
        if token is None or token >= self.config.vocab_size:
            return None
        return (idx == token).cumsum(1)

    def _biases(
        self, documents: Tensor | None, start: int, stop: int, *, needed: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """What `attend` takes for long and for short layers, for queries from `start` up to `stop`.

        Without documents and while windows reach over everything a bias is only made where it is `needed`.
        """
        found: list[tuple[int | None, Tensor | None]] = []
        for window in (self.config.window_long, self.config.window_short):
            reach = None if window is None or (stop - 1) // BLOCK < window else window
            if found and found[0][0] == reach:
                found.append(found[0])
            elif documents is None and reach is None:
                causal = self._causal(stop)[start:stop, :stop].to(self.compute_dtype()) if needed else None
                found.append((reach, causal))
            else:
                queries = torch.arange(start, stop, device=self.device)
                found.append((reach, sight_bias(documents, queries, reach, self.compute_dtype())))
        return found[0][1], found[1][1]

    @torch.no_grad()
    def _fill(self, generator: torch.Generator) -> None:
        """Values to train from: normal embeddings, other matrices scaled by their width, what writes into the stream
        and the head at zero; the mixtures as modded-nanogpt begins with them."""
        layers = self.config.n_layer
        for name, parameter in self.named_parameters():
            if name == "scalars":
                take(parameter, torch.tensor([1.0] * layers + [1.0, 0.0] * layers + [0.5] * 2 * layers))
            elif "embed" in name:
                init_matrix(parameter, 1.0, generator)
            elif name.endswith(("proj.weight", "proj_w", "lm_head.weight", "lm_head_w")):
                parameter.zero_()
            else:
                whole = normal(parameter.shape, 0.5 * parameter.size(-1) ** -0.5, generator)
                if name.endswith("qkvo_w"):
                    whole[3] = 0.0
                take(parameter, whole)
