"""Small models that tests of the networks share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mypt.model import GPT, GPTConfig

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

VARIANTS: dict[str, dict[str, Any]] = {
    "learned": {},
    "rope": {"pos_encoding": "rope", "mlp_type": "swiglu", "norm_type": "rmsnorm"},
    "grouped": {"pos_encoding": "rope", "n_kv_head": 2, "mlp_hidden_size": 40, "activation": "silu"},
    "tied": {"tie_weights": True, "bias": True},
}


def config(**fields: Any) -> GPTConfig:
    """A model of the original's kind (biases on) that a test can afford."""
    shape: dict[str, Any] = {
        "batch_size": 2,
        "block_size": 16,
        "vocab_size": 29,
        "n_embd": 32,
        "n_head": 4,
        "n_layer": 2,
        "dropout": 0.0,
    }
    return GPTConfig(**(shape | fields))


def model(seed: int = 3, **fields: Any) -> GPT:
    """That model with weights large enough that mistakes show in its logits."""
    built = GPT(config(**fields), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return built


def ids(batch: int = 2, length: int = 16, seed: int = 0, vocab: int = 29) -> Tensor:
    """Random token ids (batch, length)."""
    return torch.randint(vocab, (batch, length), generator=torch.Generator().manual_seed(seed))
