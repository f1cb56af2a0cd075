"""Where the numbers of a model lie while it is trained: all of them here, or as `parts` has it on several ranks."""

from __future__ import annotations

import contextlib
from typing import Any

from torch import nn
from torch.optim import AdamW

from mypt.model import LanguageModel
from mypt.training.checkpointing import Put
from mypt.training.held import Held


class Layout:
    """Everything lies in this process."""

    in_parts = False
    """Whether every rank has a part of what is saved, and all take part in saving it."""
    put: Put | None = None
    """How rank 0 writes what all ranks hold; None: it has all of it, and writes it as ever."""

    def held(self, model: nn.Module, optimizer: AdamW | None) -> Held:
        """What this rank has of the state dicts of `model` and `optimizer`."""
        return Held(model.state_dict(), None if optimizer is None else optimizer.state_dict())

    def leading(self) -> contextlib.AbstractContextManager[Any]:
        """The context of a save on rank 0: the others are kept waiting by nothing that fails here."""
        return contextlib.nullcontext()

    def help(self, held: Held) -> None:
        """What a rank does of a save that rank 0 leads; `held` is what is to be saved."""

    def alone(self, model: LanguageModel) -> LanguageModel:
        """`model`, on rank 0 with all of its weights in this process, to draw from. All ranks call this at once."""
        return model

    def rest(self, model: LanguageModel) -> None:
        """Called when `model` has computed something without gradients."""


WHOLE = Layout()
