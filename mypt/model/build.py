"""From a config to its network, whatever the architecture."""

from __future__ import annotations

import torch

from mypt.model.base import LanguageModel
from mypt.model.gpt import GPT
from mypt.model.modded import Modded
from mypt.settings.model_config import MODDED_ARCHS, GPTConfig


def build_model(config: GPTConfig, *, seed: int | torch.Generator | None = 0) -> LanguageModel:
    """The network that `config.arch` names, on the CPU in float32.

    `seed` fills the weights from a generator of its own; None leaves them without values, for a state dict that is
    loaded next. Raises `UserError` for a config that no network can be built with.
    """
    return (Modded if config.arch in MODDED_ARCHS else GPT)(config, seed=seed)
