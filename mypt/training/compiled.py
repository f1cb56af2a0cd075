"""`torch.compile` where it was chosen, and the plain model where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from mypt.training.console import Console
from mypt.training.numerics import Numerics


def forward_of(model: nn.Module, numerics: Numerics, console: Console) -> Callable[..., Any]:
    """The forward pass, compiled where that was chosen; falls back with a sentence where it cannot be."""
    if not numerics.compile:
        return model
    compiled = torch.compile(model)
    state: dict[str, Callable[..., Any]] = {}

    def forward(*args: Any) -> Any:
        if "use" not in state:
            try:
                result = compiled(*args)
                state["use"] = compiled
                return result
            except Exception as error:
                first = (str(error).splitlines() or [type(error).__name__])[0]
                console.line(
                    f"torch.compile does not work here ({first[:120]}); training goes on without it",
                    "trouble",
                )
                state["use"] = model
        return state["use"](*args)

    return forward
