"""Where the numbers of a model lie while it is trained: all of them here, or a part on each of several ranks.

The second is FSDP2, torch's `fully_shard` (Rajbhandari et al. 2020, ZeRO stage 3; Zhao et al. 2023): each rank keeps a
slice of every weight, gradient and moment, and the weights of a block come together only while it computes. What is
saved and loaded is the same either way.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from mypt.errors import Problem, UserError
from mypt.model import LanguageModel, build_model
from mypt.training import optimizer as adamw
from mypt.training.numerics import Numerics

if TYPE_CHECKING:
    from mypt.training.engine import Engine


class Layout:
    """Everything lies in this process."""

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The state dict of `model`; with several parts all ranks call this, and rank 0 gets it."""
        state: dict[str, Tensor] = model.state_dict()
        return state

    def moments(self, optimizer: AdamW) -> dict[str, Any]:
        """The state of `optimizer`, as `weights` gives the model's."""
        return optimizer.state_dict()

    def alone(self, model: LanguageModel) -> LanguageModel:
        """`model` with all of its weights in this process, for what needs no gradients. All ranks call this at once."""
        return model


WHOLE = Layout()


class Parts(Layout):
    """The slices of this rank, along the first dimension of each parameter."""

    def __init__(self, numerics: Numerics, *, first: bool) -> None:
        self._numerics, self._first = numerics, first

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The state dict of `model` on rank 0, in the memory of the processor; nothing elsewhere."""
        return self._collected(model.state_dict())

    def moments(self, optimizer: AdamW) -> dict[str, Any]:
        """The state of `optimizer`, as `weights` gives the model's."""
        whole = optimizer.state_dict()
        whole["state"] = {number: self._collected(each) for number, each in whole["state"].items()}
        return whole if self._first else {}

    def alone(self, model: LanguageModel) -> LanguageModel:
        """A copy of `model` with all weights. The ranks do not evaluate as many batches each, nor does more than one
        draw samples: with their parts they would wait for each other in vain.
        """
        copied = build_model(copy.deepcopy(model.config), seed=None).to(self._numerics.device)
        copied.set_kernel(self._numerics.attention)
        copied.set_matmul(self._numerics.matmul)
        with torch.no_grad():
            for (_, own), (_, part) in zip(copied.named_parameters(), model.named_parameters(), strict=True):
                own.copy_(adamw.whole(part))
        return copied

    def _collected(self, tensors: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, tensor in tensors.items():
            # One at a time, so that no device ever has to hold all of them.
            whole = adamw.whole(tensor)
            if self._first:
                found[name] = whole.detach().cpu()
        return found


def share_out(engine: Engine) -> None:
    """Leave each rank its part of what `engine` holds, which is the same on all of them. They call this at once.

    Raises `UserError` where that cannot be.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if engine.scaler is not None:
        remedy = "choose bf16 or fp32, or parallel ddp"
        raise UserError(Problem("fsdp has no loss scale", field="precision", value="fp16", remedy=remedy))
    model, before = engine.model, engine.optimizer
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    moments = {names[id(parameter)]: state for parameter, state in before.state.items()}
    # What a model gives is a view of something larger; nobody changes it in place, which is what torch warns of.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")
    mesh = init_device_mesh(engine.numerics.kind, (engine.ranks.world,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    rate, decay = before.param_groups[0]["lr"], before.param_groups[0]["weight_decay"]
    after = adamw.build(model, learning_rate=rate, weight_decay=decay)
    parts = dict(model.named_parameters())
    for name, state in moments.items():
        parameter = parts[name]
        for key, value in state.items():
            is_moment = isinstance(value, Tensor) and value.dim() > 0
            after.state[parameter][key] = _slice_like(parameter, value) if is_moment else value
    engine.optimizer, engine.layout = after, Parts(engine.numerics, first=engine.ranks.rank == 0)


def _slice_like(parameter: Any, whole: Tensor) -> Tensor:
    """This rank's rows of `whole`, which every rank has, as those of `parameter` lie."""
    from torch.distributed.tensor import DTensor

    mesh = parameter.device_mesh
    rows = -(-whole.size(0) // mesh.size())
    own = parameter.to_local()
    begin = min(mesh.get_local_rank() * rows, whole.size(0))
    part = whole[begin : begin + own.size(0)].to(own.device, copy=True)
    return DTensor.from_local(
        part, mesh, parameter.placements, run_check=False, shape=whole.shape, stride=whole.stride()
    )
