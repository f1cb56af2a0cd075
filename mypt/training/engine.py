"""A model with its optimizer and its arithmetic: losses of batches, and updates that are checked before they are made."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import AdamW

from mypt.data.split import key_of
from mypt.memory import check_room
from mypt.model import LanguageModel
from mypt.settings.fields import Settings
from mypt.training import optimizer as adamw
from mypt.training.batches import DeviceBatch
from mypt.training.held import Held
from mypt.training.layout import WHOLE, Layout
from mypt.training.numerics import Numerics
from mypt.training.ranks import ALONE, Ranks
from mypt.training.watch import Watch

# Below this the scale, which is there to keep small gradients from vanishing, would make them vanish: gradients
# overflow fp16 whatever is done about it.
_SMALLEST_SCALE = 1.0
_AT_RATE = "Lower learning_rate, or raise warmup_iters"
_AT_FIRST = "Nothing had been trained yet: look at the data, and in a fine-tune at the base model"
_AT_FP16 = "Set precision to bf16 or fp32, or lower learning_rate"


class NotFiniteError(Exception):
    """A loss or gradient of update `step`, or the loss after it, is not a number; nothing was updated or saved then.

    `remedy` says what to do about it.
    """

    def __init__(
        self,
        step: int,
        what: str,
        before: str = "stopped before the update",
        *,
        first: bool = False,
        remedy: str = "",
    ) -> None:
        super().__init__(f"{what} at step {step}")
        self.step, self.what, self.before = step, what, before
        self.remedy = remedy or (_AT_FIRST if first else _AT_RATE)


class Stepped(NamedTuple):
    """What an update was: its loss over all its valid tokens (None: it had none), and the gradient's norm before clipping.

    `skipped`: in fp16 the gradient overflowed at the loss scale, which was lowered, and the weights are as they were.
    """

    loss: float | None
    grad_norm: float
    skipped: bool = False


@dataclass
class Engine:
    """What computes in a run. `forward` is the model itself, or what it was compiled to; `scaler` is that of fp16."""

    model: LanguageModel
    optimizer: AdamW
    settings: Settings
    numerics: Numerics
    forward: Callable[..., Any] | None = None
    scaler: torch.amp.GradScaler | None = None
    ranks: Ranks = ALONE
    layout: Layout = WHOLE
    watch: Watch = field(default_factory=Watch)
    """What the forward passes of updates took here."""

    @property
    def share(self) -> slice:
        """The sequences of an update that this process computes."""
        return self.ranks.share(self.settings.batch_size * self.settings.grad_accum_steps)

    def held(self, *, moments: bool) -> Held:
        """What this rank has of the state dicts of the model and, with `moments`, of its optimizer: as they are, no copies."""
        return self.layout.held(self.model, self.optimizer if moments else None)

    @property
    def watched(self) -> bool:
        """Whether forward passes tell how fast this rank is: there are several, and none waits within them."""
        return self.ranks.world > 1 and not self.layout.in_parts

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block rank 0 has all weights, and computes by itself: for what needs no gradients.

        All ranks enter it at once.
        """
        model, forward = self.model, self.forward
        self.model = self.layout.alone(model)
        if self.model is not model:
            self.forward = None
        try:
            yield
        finally:
            self.model, self.forward = model, forward

    def loss(self, batch: DeviceBatch) -> Tensor:
        """Mean loss (0-d) over the valid tokens of `batch`, in the precision of the run."""
        return self.outputs(batch)[1]

    def outputs(self, batch: DeviceBatch) -> tuple[Tensor, Tensor]:
        """What the model gives for `batch` (of a language model logits that may be empty), and the `loss`."""
        with self.numerics.autocast():
            forward = self.forward or self.model
            given, loss = forward(batch.x, batch.y, batch.mask, batch.segments, True)
        return given, loss

    def update(
        self,
        number: int,
        batches: Sequence[DeviceBatch],
        rate: float,
        stop: Callable[[], bool] = lambda: False,
    ) -> Stepped | None:
        """Make update `number` with the learning rate `rate`; None, and nothing done, where `stop` came before it.

        Raises `NotFiniteError`, with weights and optimizer as they were, where loss or gradient is not a number.
        """
        done = self._backward(number, batches, stop)
        if done is None:
            # It is made from its beginning when the run is resumed, and then it is the same.
            self.optimizer.zero_grad(set_to_none=True)
            return None
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        norm = adamw.clip(self.model, self.settings.grad_clip)
        (value,) = self.ranks.sum(float(done.loss))
        size = float(norm)
        if not math.isfinite(value):
            raise NotFiniteError(number, f"the loss is {value}", first=number == 1)
        if not math.isfinite(size) and not self.scaler:
            raise NotFiniteError(number, f"the gradient's norm is {size}", first=number == 1)
        adamw.set_rate(self.optimizer, rate)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.scaler.get_scale() < _SMALLEST_SCALE:
                what = "the gradients overflow fp16 at every loss scale"
                raise NotFiniteError(number, what, remedy=_AT_FP16)
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return Stepped(value if done.valid else None, size, skipped=not math.isfinite(size))

    def _backward(
        self, number: int, batches: Sequence[DeviceBatch], stop: Callable[[], bool]
    ) -> _Passed | None:
        """Gradients of the mean loss over all valid tokens of the update, those of all ranks; None for a stop."""
        s, ranks = self.settings, self.ranks
        # Each token of the step weighs the same, whichever micro-batch and whichever rank it is in.
        (valid,) = ranks.sum(sum(batch.valid for batch in batches))
        total = max(valid, 1.0)
        loss_of_step = torch.zeros((), device=self.numerics.device)
        first = self.share.start
        for micro, batch in enumerate(batches):
            if micro and stop():
                return None
            if s.dropout or s.neftune_alpha:
                torch.manual_seed(
                    key_of(s.seed, "dropout", number, self._place(first + micro * s.batch_size))
                )
            with ranks.unsynced(last=micro == len(batches) - 1):
                with self.watch.running(self.numerics.kind) if self.watched else contextlib.nullcontext():
                    loss = self.loss(batch)
                share = loss * (max(batch.valid, 1.0) / total)
                # The ranks' gradients are averaged, and it is their sum that is wanted.
                whole = share if ranks.world == 1 else share * ranks.world
                if self.numerics.kind == "cpu":
                    # The forward pass may have taken what was there when the training began.
                    check_room()
                torch.autograd.backward(self.scaler.scale(whole) if self.scaler else whole)
            loss_of_step += share.detach()
        return _Passed(loss_of_step, valid)

    def _place(self, row: int) -> int | str:
        """What the dropout of a micro-batch that begins with that sequence is keyed by: its number in the update.

        With whole micro-batches on each rank that is the same as in one process, and so is the dropout.
        """
        micro, within = divmod(row, self.settings.batch_size)
        return micro if not within else f"row {row}"


class _Passed(NamedTuple):
    """This rank's part of the mean loss (0-d), and how many tokens counted on all ranks."""

    loss: Tensor
    valid: float
