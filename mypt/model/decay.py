"""Which parameters weight decay applies to, in the order in which a bundle's `optimizer.pt` numbers them."""

from __future__ import annotations

from torch import nn


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(decayed, not decayed), each in module order; frozen parameters are included.

    Not decayed is every vector and whatever has "embed" or "ln" in its name. A tied matrix goes by its first
    name, the embedding's, so it is not decayed.
    """
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        spared = parameter.dim() < 2 or "embed" in name or "ln" in name
        (no_decay if spared else decay).append(parameter)
    return decay, no_decay
