"""The numbers that a run begins with: those that are drawn, a base's, a checkpoint's.

What they are is judged before anything is written. Where several ranks will keep a part each, the model is built
without memory until they have shared it out, and nobody ever holds all of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.data.split import key_of
from mypt.model import LanguageModel, build_model
from mypt.model.weights import check_size, copy_weights, fitted, not_finite
from mypt.settings.model_config import GPTConfig
from mypt.settings.resolve import Resolved
from mypt.tokenizers import Tokenizer
from mypt.training import checkpointing
from mypt.training.console import Console


@dataclass
class Beginning:
    """What a model is filled with: values drawn from `seed`, then `weights`; and its optimizer: `moments`, as saved.

    Weights and moments of a file are read as they are copied.
    """

    seed: int | None = None
    weights: Mapping[str, Tensor] | None = None
    moments: dict[str, Any] | None = None

    def fill(self, model: LanguageModel) -> None:
        """Fill what lies here of `model`, one weight after the other."""
        if self.seed is not None:
            model.draw(self.seed)
        if self.weights is not None:
            copy_weights(model, self.weights)


def begin(
    run: Resolved,
    config: GPTConfig,
    tokenizer: Tokenizer,
    console: Console,
    notices: list[str],
    *,
    later: bool,
) -> tuple[LanguageModel, Beginning | None]:
    """The model of a run on the CPU, in float32; `later`: on the meta device, and what it is to be filled with.

    Raises `UserError` for weights that do not fit.
    """
    if run.checkpoint is not None:
        model, first = _of_checkpoint(run.checkpoint, config, notices, later)
    elif run.base is not None:
        _tell_of_base(run.base, config, tokenizer, console)
        model, first = _of_base(run.base, config, _seed(run), notices, later)
    else:
        model, first = _empty(config, later), Beginning(_seed(run))
    if later:
        return model, first
    first.fill(model)
    return model, None


def _of_checkpoint(
    info: BundleInfo, config: GPTConfig, notices: list[str], later: bool
) -> tuple[LanguageModel, Beginning]:
    weights, where = checkpointing.read_weights(info, mapped=later), f"{info.name}/{bundle.MODEL}"
    check_size(config, weights, where=where)
    model = _empty(config, later)
    found, _ = fitted(model, weights, where=where)
    notices += [f"{where}: {name}: {what}" for name, what in not_finite(found).items()]
    return model, Beginning(weights=found)


def _of_base(
    base: BundleInfo, config: GPTConfig, seed: int, notices: list[str], later: bool
) -> tuple[LanguageModel, Beginning]:
    weights, where = checkpointing.read_weights(base, mapped=later), f"{base.name}/{bundle.MODEL}"
    check_size(_config_of(base), weights, where=where)
    model = _empty(config, later)
    found, adapted = fitted(model, weights, where=where, adapt=True)
    notices += adapted
    lacking = any(len(found[name]) < len(own) for name, own in model.state_dict().items())
    return model, Beginning(seed if lacking else None, found)


def _empty(config: GPTConfig, later: bool) -> LanguageModel:
    with torch.device("meta") if later else contextlib.nullcontext():
        return build_model(config, seed=None)


def _seed(run: Resolved) -> int:
    return key_of(run.settings.seed, "weights") >> 1


def _config_of(base: BundleInfo) -> GPTConfig:
    return GPTConfig.from_dict(base.config, where=f"{base.name}/{bundle.CONFIG}")


def _tell_of_base(base: BundleInfo, config: GPTConfig, tokenizer: Tokenizer, console: Console) -> None:
    theirs = _config_of(base)
    console.line(f"Initializing from base model '{base.name}' (new format)")
    if tokenizer.kind == "char":
        console.line(f"Using base model's char vocabulary (size: {tokenizer.vocab_size})")
    console.line("Updating model config with new training parameters...")
    for name in ("use_loss_mask", "dropout", "batch_size"):
        console.line(f"  {name}: {getattr(config, name)}")
    for name in ("block_size", "rope_scale", "rope_theta"):
        before, after = getattr(theirs, name), getattr(config, name)
        if before != after and (name == "block_size" or config.pos_encoding == "rope"):
            what = "the context changes, and the model has to get used to it"
            console.line(f"  {name}: {before} → {after}: {what}", "strong")
