"""The two norms."""

from __future__ import annotations

from torch import nn

from mypt.settings.model_config import GPTConfig


def build_norm(config: GPTConfig) -> nn.Module:
    """LayerNorm or RMSNorm over the last dimension, `n_embd` wide."""
    if config.norm_type == "rmsnorm":
        return nn.RMSNorm(config.n_embd, eps=config.eps)
    return nn.LayerNorm(config.n_embd, eps=config.eps, bias=config.norm_bias)
