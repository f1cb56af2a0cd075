"""Whether the weights of a checkpoint are those that its plan wants: every name is accounted for, every shape fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import torch
from torch import Tensor

from mypt.errors import Problem, UserError, raise_for
from mypt.interop.formats import Checkpoint, Plan, Taken
from mypt.model import LanguageModel, build_model

#: What weights may be stored as; anything else is quantised, or no weights at all.
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_SHOWN = 8
_EMBEDDING, _HEAD = "token_embedding_table.weight", "lm_head.weight"


def layers(state: Iterable[str], pattern: str, where: str) -> int:
    """How many layers there are, by the names that begin with `pattern` (one group: the number).

    Raises `UserError` where the numbers have gaps, so that no name can ask for a billion layers.
    """
    found = {int(match[1]) for name in state if (match := re.match(pattern, name)) and len(match[1]) < 9}
    if not found:
        raise UserError(Problem("has no layers", where=where))
    highest = max(found)
    if highest + 1 != len(found):
        gaps = [str(n) for n in range(min(highest, len(found) + _SHOWN)) if n not in found][:_SHOWN]
        raise UserError(Problem(f"has a layer {highest}, but lacks layer {', '.join(gaps)}", where=where))
    return len(found)


def check(found: Checkpoint, plan: Plan) -> None:
    """Raise one `UserError` with everything that is missing, left over, or of the wrong shape or kind."""
    where, state = found.path.name, found.state
    used = {name for taken in plan.weights.values() for name in taken.names}
    missing = used - state.keys()
    left = state.keys() - used - plan.left_out.keys()
    problems = [
        Problem(f"{title} ({len(names)}): {listed(names)}", where=f"{where} is near {plan.title}, but")
        for title, names in (("missing", missing), ("left over", {*left, *found.others}))
        if names
    ]
    problems += _kinds(state, used & state.keys(), where)
    if not problems:
        problems += _shapes(state, plan, where)
    raise_for(problems)
    _check_tied(state, plan, where)


def fill(model: LanguageModel, state: Mapping[str, Tensor], weights: Mapping[str, Taken]) -> None:
    """Copy the weights into `model`, one at a time, converting to its dtype."""
    with torch.no_grad():
        for name, own in model.state_dict().items():
            own.copy_(weights[name].tensor(state))


def listed(names: Iterable[str], most: int = _SHOWN) -> str:
    """Names with the numbers of layers drawn together: `blocks.{0-6,8-11}.attn.qkv_w`."""
    alike: dict[str, list[int]] = {}
    for name in names:
        match = re.search(r"(?<=\.)\d{1,8}(?=\.)", name)
        if match:
            alike.setdefault(f"{name[: match.start()]}\0{name[match.end() :]}", []).append(int(match[0]))
        else:
            alike.setdefault(name, [])
    shown = [
        name.replace("\0", str(n[0]) if len(n) == 1 else "{" + ",".join(_ranges(sorted(n))) + "}")
        for name, n in sorted(alike.items())
    ]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def _ranges(numbers: list[int]) -> Iterator[str]:
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _kinds(state: Mapping[str, Tensor], used: Iterable[str], where: str) -> list[Problem]:
    """Tensors that are no plain weights in memory, or claim more numbers than the file holds."""
    by_reason: dict[str, list[str]] = {}
    for name in used:
        tensor = state[name]
        if tensor.dtype not in DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            by_reason.setdefault(f"are stored as {kind}, which is not read", []).append(name)
        elif tensor.layout is not torch.strided or tensor.device.type != "cpu":
            by_reason.setdefault("hold no numbers", []).append(name)
        elif tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            by_reason.setdefault("claim more numbers than the file holds", []).append(name)
    remedy = "save them as float32, bfloat16 or float16"
    return [
        Problem(f"{len(names)} weights {reason}: {listed(names)}", where=where, remedy=remedy)
        for reason, names in sorted(by_reason.items())
    ]


def _shapes(state: Mapping[str, Tensor], plan: Plan, where: str) -> list[Problem]:
    raise_for(plan.config.problems(where=where))
    # On the meta device a model is built without any memory, whatever the config claims.
    with torch.device("meta"):
        wanted = build_model(plan.config, seed=None).state_dict()
    if wanted.keys() != plan.weights.keys():
        odd = wanted.keys() ^ plan.weights.keys()
        raise AssertionError(f"the plan and the network differ in {listed(odd)}")
    problems = []
    for name, own in wanted.items():
        taken = plan.weights[name]
        shapes = [tuple(state[source].shape) for source in taken.names]
        alike = all(len(shape) == len(shapes[0]) and shape[1:] == shapes[0][1:] for shape in shapes)
        if (len(taken.names) > 1 and not alike) or taken.shape(state) != tuple(own.shape):
            needed = tuple(own.shape)[::-1] if taken.transposed else tuple(own.shape)
            has = " + ".join(str(shape) for shape in shapes)
            sources = " + ".join(taken.names)
            problems.append(
                Problem(f"has shape {has}, {needed} is needed for {plan.title}", where=where, field=sources)
            )
    hidden = len(problems) - _SHOWN
    return problems[:_SHOWN] + [Problem(f"and {hidden} more", where=where)] * (hidden > 0)


def _check_tied(state: Mapping[str, Tensor], plan: Plan, where: str) -> None:
    if not plan.config.tie_weights:
        return
    first, second = (plan.weights[name] for name in (_EMBEDDING, _HEAD))
    one, two = first.tensor(state), second.tensor(state)
    if first != second and one.data_ptr() != two.data_ptr() and not torch.equal(one, two):
        problem = "the two copies of a tied matrix differ"
        remedy = "say in its config that they are not tied"
        raise UserError(
            Problem(problem, where=where, field=" and ".join(first.names + second.names), remedy=remedy)
        )
