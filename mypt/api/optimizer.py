"""The optimizer of a program's own training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import AdamW

    from mypt.model import LanguageModel


def configure_optimizer(
    model: LanguageModel, learning_rate: float = 3e-4, weight_decay: float = 0.1
) -> AdamW:
    """AdamW as `mypt train` has it, with decay on matrices only, so that `mypt train` resumes its checkpoints.

    TypeError for what is no `mypt.GPT` (nor one in `torch.compile` or DistributedDataParallel).
    """
    from mypt.model.weights import unwrapped
    from mypt.training import optimizer

    return optimizer.build(unwrapped(model), learning_rate=learning_rate, weight_decay=weight_decay)
