"""The network: a language model whose features of a text's last token are turned into one number a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.classify.spec import FIELD, Spec
from mypt.errors import Problem, UserError
from mypt.model import LanguageModel, build_model
from mypt.model.cache import KVCache
from mypt.model.head_loss import Product
from mypt.model.init import STD, init_matrix, linear
from mypt.model.weights import check_size, load_weights
from mypt.settings.model_config import GPTConfig
from mypt.training import checkpointing

SCORE = "score.weight"


class Classifier(LanguageModel):
    """`body`, a language model, with a matrix from its features to the classes instead of its own head.

    A bundle holds the body under its own names, and the matrix (classes, C) as `score.weight`.
    """

    def __init__(self, body: LanguageModel, classes: int, *, seed: int | None = 0) -> None:
        super().__init__(body.config)
        self.body = body
        self.score = linear(body.config.n_embd, classes, bias=False)
        if seed is not None:
            init_matrix(self.score.weight.data, STD, torch.Generator().manual_seed(seed))
        used = {id(parameter) for parameter in _used(body)}
        for parameter in body.parameters():
            # The head for tokens stays in the bundle as it is; nothing here leads through it.
            parameter.requires_grad_(id(parameter) in used)

    def forward(
        self,
        idx: Tensor,
        targets: Tensor | None = None,
        loss_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        loss_only: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (B, K) in float32 of the classes for texts `idx` (B, T) of token ids, filled up on the right.

        `loss_mask` (B, T) is 1 at each text's last token and 0 elsewhere (None: texts fill their rows), and `targets`
        (B, T) hold the class there; the loss is the mean over the texts.
        """
        rows = torch.arange(idx.size(0), device=idx.device)
        last = rows.new_full(rows.shape, idx.size(1) - 1) if loss_mask is None else loss_mask.argmax(1)
        features = self.body.features(idx, segment_ids)[rows, last]
        logits = self.score(features).float()
        return logits, None if targets is None else F.cross_entropy(logits, targets[rows, last])

    def features(self, idx: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """The body's."""
        return self.body.features(idx, segment_ids)

    def head(self) -> tuple[Product, Tensor, Tensor | None]:
        """From features to classes."""
        return self.score.product, self.score.weight, None

    def step(self, idx: Tensor, cache: KVCache, *, all_positions: bool = False) -> Tensor:
        """TypeError: a classifier writes no text."""
        raise TypeError("a classifier writes no text")

    def embeddings(self) -> Sequence[nn.Module]:
        """The body's."""
        return self.body.embeddings()

    def set_kernel(self, kernel: str) -> None:
        """The body's."""
        self.kernel = kernel
        self.body.set_kernel(kernel)

    @property
    def blocks(self) -> nn.ModuleList:  # type: ignore[override]
        """The body's."""
        return self.body.blocks

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The weights by the names that a bundle has them under."""
        return {**self.body.state_dict(*args, **kwargs), SCORE: self.score.weight.detach()}


def on_base(
    config: GPTConfig, spec: Spec, weights: dict[str, Any], *, where: str, seed: int
) -> tuple[Classifier, list[str]]:
    """A new classifier on the `weights` of a language model or of another classifier, and notices on what was adapted.

    Raises `UserError` where the weights do not fit the config.
    """
    body = build_model(config, seed=seed)
    # Another task's classes mean nothing here.
    notices = load_weights(body, {n: w for n, w in weights.items() if n != SCORE}, where=where, adapt=True)
    return _with_spec(body, spec, seed), notices


def load_classifier(info: BundleInfo, config: GPTConfig | None = None) -> Classifier:
    """The classifier of a bundle, in float32 on the CPU. Raises `UserError` where it is none, or is damaged."""
    where = f"{info.name}/{bundle.CONFIG}"
    config = config or GPTConfig.from_dict(info.config, where=where)
    spec = Spec.of(info.config, where=where)
    weights = dict(checkpointing.read_weights(info))
    score = weights.pop(SCORE, None)
    shape = (len(spec.classes), config.n_embd)
    if not isinstance(score, Tensor) or tuple(score.shape) != shape:
        found = f"has shape {tuple(score.shape)}" if isinstance(score, Tensor) else "is missing"
        message = f"{found}, the config asks for {shape}"
        raise UserError(Problem(message, where=f"{info.name}/{bundle.MODEL}", field=SCORE))
    check_size(config, weights, where=f"{info.name}/{bundle.MODEL}")
    body = build_model(config, seed=None)
    load_weights(body, weights, where=f"{info.name}/{bundle.MODEL}")
    model = _with_spec(body, spec, None)
    model.score.weight.data.copy_(score)
    return model


def _with_spec(body: LanguageModel, spec: Spec, seed: int | None) -> Classifier:
    body.config.extra[FIELD] = spec.to_json()
    return Classifier(body, len(spec.classes), seed=seed)


def _used(body: LanguageModel) -> list[nn.Parameter]:
    """The parameters that features depend on: all but those of a head of its own."""
    _, weight, bias = body.head()
    tables = {id(p) for table in body.embeddings() for p in table.parameters()}
    alone = {id(p) for p in (weight, bias) if p is not None} - tables
    return [p for p in body.parameters() if id(p) not in alone]
