"""The networks. One face: `model(idx, targets=None, loss_mask=None) -> (logits, loss)`."""

from __future__ import annotations

from mypt.model.cache import KVCache
from mypt.model.gpt import GPT
from mypt.settings.model_config import GPTConfig

__all__ = ["GPT", "GPTConfig", "KVCache"]
