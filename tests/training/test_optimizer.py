"""AdamW as we build it is torch's, bit for bit."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import AdamW

from mypt.model.decay import decay_groups
from mypt.training import optimizer
from tests.model import small_models


def made() -> tuple[Any, AdamW]:
    model = small_models.model(tie_weights=True)
    return model, optimizer.build(model, learning_rate=0.01, weight_decay=0.1)


def torchs() -> tuple[Any, AdamW]:
    """The same model with what torch itself makes of its parameters."""
    model = small_models.model(tie_weights=True)
    decay, no_decay = decay_groups(model)
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0}]
    return model, AdamW(groups, lr=0.01, betas=optimizer.BETAS, eps=optimizer.EPS, fused=True)


def train(model: Any, adamw: AdamW, updates: int) -> None:
    for number in range(updates):
        optimizer.set_rate(adamw, 0.01 / (number + 1))
        ids = small_models.ids(seed=number)
        loss = torch.nn.functional.cross_entropy(model(ids)[0].flatten(0, 1), ids.roll(-1, 1).flatten())
        adamw.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adamw.step()


def assert_alike(one: Any, other: Any) -> None:
    """The same structure with the same tensors in it."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_alike(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_alike(a, b)
    else:
        assert one == other


def test_updates_and_states_are_torch_s_own() -> None:
    (ours, adamw), (theirs, plain) = made(), torchs()
    train(ours, adamw, 5)
    train(theirs, plain, 5)
    assert adamw.state and not torch.equal(
        ours.state_dict()["lm_head.weight"],
        small_models.model(tie_weights=True).state_dict()["lm_head.weight"],
    )
    assert_alike(dict(ours.state_dict()), dict(theirs.state_dict()))
    assert_alike(adamw.state_dict(), plain.state_dict())


def test_each_goes_on_from_the_other_s_state() -> None:
    (ours, adamw), (theirs, plain) = made(), torchs()
    train(ours, adamw, 3)
    train(theirs, plain, 3)
    kept = adamw.state_dict(), plain.state_dict()
    plain.load_state_dict(kept[0])
    optimizer.load_state(adamw, kept[1], weight_decay=0.1)
    train(ours, adamw, 2)
    train(theirs, plain, 2)
    assert_alike(dict(ours.state_dict()), dict(theirs.state_dict()))
    assert_alike(adamw.state_dict(), plain.state_dict())


def test_an_update_leaves_gradients_on_and_runs_its_closure_and_hooks() -> None:
    model, adamw = made()
    seen: list[str] = []
    adamw.register_step_pre_hook(lambda *_: seen.append("before"))
    adamw.register_step_post_hook(lambda *_: seen.append("after"))

    def closure() -> float:
        assert torch.is_grad_enabled()
        loss = model(small_models.ids())[0].square().mean()
        torch.autograd.backward(loss)
        seen.append("closure")
        return float(loss.detach())

    assert isinstance(adamw.step(closure), float)
    assert seen == ["before", "closure", "after"] and torch.is_grad_enabled()
