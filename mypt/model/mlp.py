"""The two feed-forward layers, with the original's parameter names."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from mypt.model.dropout import Dropout
from mypt.model.init import linear
from mypt.settings.model_config import GPTConfig

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}


class MLP(nn.Module):
    """Up, activation, down; the exact (erf) GELU unless the config names another."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.net = nn.Sequential(
            linear(config.n_embd, config.mlp_hidden, bias=config.mlp_bias),
            _ACTIVATIONS[config.activation or "gelu"](),
            linear(config.mlp_hidden, config.n_embd, bias=config.mlp_bias),
            Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        out: Tensor = self.net(x)
        return out


class SwiGLU(nn.Module):
    """`w_down(silu(w_gate x) · w_up x)` (Shazeer 2020), without biases."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.w_gate = linear(config.n_embd, config.mlp_hidden, bias=False)
        self.w_up = linear(config.n_embd, config.mlp_hidden, bias=False)
        self.w_down = linear(config.mlp_hidden, config.n_embd, bias=False)
        self.dropout = Dropout(config.dropout)
        self.activation = _ACTIVATIONS[config.activation or "silu"]() if config.activation else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        gate = self.w_gate(x)
        gate = F.silu(gate) if self.activation is None else self.activation(gate)
        out: Tensor = self.dropout(self.w_down(gate * self.w_up(x)))
        return out


def build_mlp(config: GPTConfig) -> nn.Module:
    """The feed-forward layer that `mlp_type` names."""
    return SwiGLU(config) if config.mlp_type == "swiglu" else MLP(config)
