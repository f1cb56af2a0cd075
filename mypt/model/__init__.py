"""The networks. One face: `model(idx, targets=None, loss_mask=None) -> (logits, loss)`, told in `LanguageModel`."""

from __future__ import annotations

from mypt.model.base import LanguageModel
from mypt.model.build import build_model
from mypt.model.cache import KVCache
from mypt.model.gpt import GPT
from mypt.model.modded import Modded
from mypt.settings.model_config import GPTConfig

__all__ = ["GPT", "GPTConfig", "KVCache", "LanguageModel", "Modded", "build_model"]
