"""AdamW as the original groups it: decay on matrices, none on embeddings, norms and biases."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import AdamW

from mypt.errors import UserError
from mypt.model import LanguageModel
from mypt.model.decay import decay_groups

BETAS = (0.9, 0.95)
EPS = 1e-8


class _LightAdamW(AdamW):
    """torch's AdamW, whose methods do not load torch's compiler only to tell it to stay away.

    That takes a second of each start, and who compiles a model has it loaded by then. What is taken off torch's
    methods are these decorators; where a torch has none, they are its methods as they are.
    """

    add_param_group = inspect.unwrap(AdamW.add_param_group)
    state_dict = inspect.unwrap(AdamW.state_dict)
    load_state_dict = inspect.unwrap(AdamW.load_state_dict)
    zero_grad = inspect.unwrap(AdamW.zero_grad)
    _step = inspect.unwrap(AdamW.step)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update, without gradients of its own."""
        with torch.no_grad():
            return self._step(closure)


def build(model: LanguageModel, *, learning_rate: float, weight_decay: float) -> AdamW:
    """A fused AdamW over the trainable parameters, in the order that `optimizer.pt` has them."""
    decay, no_decay = decay_groups(model)
    groups = [
        {"params": [p for p in decay if p.requires_grad], "weight_decay": weight_decay},
        {"params": [p for p in no_decay if p.requires_grad], "weight_decay": 0.0},
    ]
    return _LightAdamW(groups, lr=learning_rate, betas=BETAS, eps=EPS, fused=True)


def load_state(optimizer: AdamW, state: dict[str, Any], *, weight_decay: float) -> None:
    """Take over moments and step counts; the learning rate and the weight decay are this run's own.

    Raises `UserError` where the state belongs to another model.
    """
    own = optimizer.state_dict()["param_groups"]
    try:
        sizes = [len(group["params"]) for group in state["param_groups"]]
        if sizes != [len(group["params"]) for group in own]:
            raise ValueError(f"it has {sizes} parameters, the model {[len(g['params']) for g in own]}")
        # The original and older torch versions save other options; only the moments are wanted.
        optimizer.load_state_dict({"state": state["state"], "param_groups": own})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"optimizer.pt does not fit the model: {error}; --reset_optimizer starts AdamW anew"
        ) from None
    optimizer.param_groups[0]["weight_decay"] = weight_decay
    for parameter, moments in optimizer.state.items():
        if not isinstance(parameter, torch.Tensor):
            raise UserError(
                f"optimizer.pt does not fit the model: it has moments of a weight number {parameter}, which there is "
                "not; --reset_optimizer starts AdamW anew"
            )
        for name in ("exp_avg", "exp_avg_sq"):
            held = moments.get(name) if isinstance(moments, dict) else None
            found = f"has shape {tuple(held.shape)}" if isinstance(held, torch.Tensor) else "is missing"
            if not isinstance(held, torch.Tensor) or held.shape != parameter.shape:
                raise UserError(
                    f"optimizer.pt does not fit the model: {name} {found}, the weights have "
                    f"{tuple(parameter.shape)}; --reset_optimizer starts AdamW anew"
                )


def steps_done(state: dict[str, Any]) -> int | None:
    """Updates that an optimizer state has behind it, by its own count; None where it does not say."""
    counts = []
    held = state.get("state")
    for moments in held.values() if isinstance(held, dict) else ():
        # Something else than one number counts nothing.
        with contextlib.suppress(LookupError, TypeError, ValueError, OverflowError, RuntimeError):
            counts.append(int(moments["step"]))
    return max(counts, default=None)


def set_rate(optimizer: AdamW, rate: float) -> None:
    """Make `rate` the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip(model: LanguageModel, limit: float) -> torch.Tensor:
    """The norm of all gradients together (a 0-d tensor), which are scaled down to `limit` where it is not 0."""
    parameters = [p for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit if limit > 0 else float("inf"), foreach=True)
    return whole(norm)


def whole(tensor: Any) -> torch.Tensor:
    """All of a `tensor` that may lie in parts on several ranks, which then call this at once."""
    found: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return found
