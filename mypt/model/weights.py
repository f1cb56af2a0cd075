"""State dicts into models: by name, with a clear word where they do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mypt.errors import Problem, UserError
from mypt.estimate import parameters
from mypt.model.base import LanguageModel
from mypt.model.build import build_model
from mypt.model.own import take
from mypt.settings.model_config import GPTConfig

_EMBEDDING, _HEAD = "token_embedding_table.weight", "lm_head.weight"
_POSITIONS = "position_embedding_table.weight"
# torch.compile and DistributedDataParallel put these before every name.
_WRAPPERS = ("_orig_mod.", "module.")
_SHOWN = 4


def load_weights(
    model: LanguageModel, state: Mapping[str, Any], *, where: str = "model.pt", adapt: bool = False
) -> list[str]:
    """Copy `state` into `model`, converting to its dtype; returns notices about what had to be adapted.

    As `fitted` has it. Raises `UserError` naming what does not fit, before anything is copied.
    """
    weights, notices = fitted(model, state, where=where, adapt=adapt)
    copy_weights(model, weights)
    return notices


def copy_weights(model: LanguageModel, weights: Mapping[str, Tensor]) -> None:
    """Copy what was `fitted` into `model`, or of each weight the rows that lie here; rows that it lacks stay."""
    for name, own in model.state_dict().items():
        take(own, weights[name])


def fitted(
    model: LanguageModel, state: Mapping[str, Any], *, where: str = "model.pt", adapt: bool = False
) -> tuple[dict[str, Tensor], list[str]]:
    """What of `state` the weights of `model` take, by their names, and notices about what had to be adapted.

    Names and shapes must match exactly, except that a tied model takes either copy of its matrix. With `adapt`
    (fine-tuning) a table of learned positions may be longer or shorter than the model's: the common rows are taken,
    new ones stay as initialised; and an untied pair is averaged into a tied matrix; and weights that are no finite
    numbers are refused, since nothing can be trained on them. `model` may be on the meta device. Raises `UserError`
    naming what does not fit.
    """
    weights = {bare_name(name): value for name, value in state.items()}
    notices: list[str] = []
    if adapt and (broken := not_finite(weights)):
        remedy = "take another checkpoint as the base, such as its gold"
        raise UserError(
            *(Problem(what, where=where, field=name, remedy=remedy) for name, what in broken.items())
        )
    if model.config.tie_weights:
        _tie(weights, notices, where, adapt)
    if adapt:
        _extend_positions(model, weights, notices)
    _check(model, weights, where, longer=_POSITIONS if adapt else "")
    return weights, notices


def check_size(config: GPTConfig, state: Mapping[str, Any], *, where: str = "model.pt") -> None:
    """Raise `UserError` where `config` asks for a larger network than `state` has numbers for.

    To be asked before that network is built: no line of a file shall cost memory that nothing in it needs.
    """
    if config.n_layer > len(state):
        message = f"has {len(state)} weights, the config asks for {config.n_layer} layers"
        raise UserError(Problem(message, where=where))
    if parameters(config) > sum(value.numel() for value in state.values() if isinstance(value, Tensor)):
        with torch.device("meta"):
            fitted(build_model(config, seed=None), state, where=where)


def not_finite(weights: Mapping[str, Any]) -> dict[str, str]:
    """By name what is wrong with those of `weights` that hold infinity or NaN; of many the first few."""
    found: dict[str, str] = {}
    for name, value in weights.items():
        if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
            continue
        # Least and greatest tell of infinity and of NaN, and need no copy of a large matrix.
        if not all(bool(end.isfinite()) for end in torch.aminmax(value)):
            number = value.numel() - int(value.isfinite().sum())
            found[name] = f"{number} of its {value.numel()} weights are infinite or no numbers"
        if len(found) == _SHOWN:
            break
    return found


def bare_name(name: str) -> str:
    """The name of a weight without what torch.compile and DistributedDataParallel put before it."""
    while name.startswith(_WRAPPERS):
        name = name[name.index(".") + 1 :]
    return name


def unwrapped(model: Any) -> LanguageModel:
    """The model inside `torch.compile` or DistributedDataParallel. TypeError for what is no `mypt.GPT`."""
    inner = model
    while not isinstance(inner, LanguageModel):
        held = getattr(inner, "_orig_mod", None) or getattr(inner, "module", None)
        if held is None:
            raise TypeError(f"a mypt.GPT is needed, not a {type(model).__name__}")
        inner = held
    return inner


def _tie(weights: dict[str, Any], notices: list[str], where: str, adapt: bool) -> None:
    first, second = weights.get(_EMBEDDING), weights.get(_HEAD)
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        for name, other in ((_EMBEDDING, second), (_HEAD, first)):
            if name not in weights and other is not None:
                weights[name] = other
        return
    if first.shape != second.shape or torch.equal(first, second):
        return
    if not adapt:
        problem = "the two copies of a tied matrix differ"
        raise UserError(
            Problem(problem, where=where, field=_HEAD, remedy="set tie_weights to false in config.json")
        )
    weights[_EMBEDDING] = weights[_HEAD] = (first.float() + second.float()) / 2
    notices.append("token embedding and head were separate in the base model: tied by averaging them")


def _extend_positions(model: LanguageModel, weights: dict[str, Any], notices: list[str]) -> None:
    table = weights.get(_POSITIONS)
    own = model.state_dict().get(_POSITIONS)
    if not isinstance(table, Tensor) or own is None or table.dim() != 2 or table.shape[1:] != own.shape[1:]:
        return
    old, new = table.size(0), own.size(0)
    if old == new:
        return
    weights[_POSITIONS] = table[:new]
    what = "new rows start untrained" if new > old else "the rest is dropped"
    notices.append(f"learned positions: {old} in the base model, {new} here; {what}")


def _check(model: LanguageModel, weights: dict[str, Any], where: str, longer: str) -> None:
    """Raise `UserError` for whatever does not fit; of the weight `longer` the model may have more rows."""
    wanted = model.state_dict()
    problems = []
    for title, names in (
        ("missing", wanted.keys() - weights.keys()),
        ("unexpected", weights.keys() - wanted.keys()),
    ):
        if names:
            listed = sorted(names)
            more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
            problems.append(Problem(f"{title} weights: {', '.join(listed[:_SHOWN])}{more}", where=where))
    for name in sorted(wanted.keys() & weights.keys()):
        value, shape = weights[name], tuple(wanted[name].shape)
        if not isinstance(value, Tensor):
            problems.append(Problem(f"is no tensor but {type(value).__name__}", where=where, field=name))
        elif tuple(value.shape) != shape and (name != longer or value.shape[1:] != shape[1:]):
            message = f"has shape {tuple(value.shape)}, the config asks for {shape}"
            problems.append(Problem(message, where=where, field=name))
    if problems:
        raise UserError(*problems)
