"""A part of a model's numbers on each of several ranks while it is trained.

That is FSDP2, torch's `fully_shard` (Rajbhandari et al. 2020, ZeRO stage 3; Zhao et al. 2023): each rank keeps a
slice of every weight, gradient and moment, and the weights of a block come together only while it computes. What is
saved and loaded is the same as where one process has all of it.
"""

from __future__ import annotations

import contextlib
import copy
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from mypt.errors import Problem, RunError, UserError
from mypt.model import LanguageModel, build_model
from mypt.training import optimizer as adamw
from mypt.training.checkpointing import Files, files_of
from mypt.training.engine import Engine
from mypt.training.held import Held, Part
from mypt.training.layout import Layout
from mypt.training.ranks import PATIENCE


class Parts(Layout):
    """The slices of this rank, along the first dimension of each parameter."""

    in_parts = True

    def __init__(self, engine: Engine) -> None:
        import torch.distributed as dist

        self._numerics = engine.numerics
        # Of its own: what is written while training goes on talks while training does.
        self._group = dist.new_group(backend="gloo", timeout=PATIENCE)
        name = socket.gethostname()
        self._several_machines = engine.ranks.any(engine.ranks.told(name) != name)
        self._begun = False

    def held(self, model: nn.Module, optimizer: AdamW | None) -> Held:
        """This rank's part of the state dicts of `model` and `optimizer`."""
        moments = None if optimizer is None else optimizer.state_dict()
        if moments is not None:
            moments["state"] = {number: _parts_of(state) for number, state in moments["state"].items()}
        return Held(_parts_of(model.state_dict()), moments)

    @contextlib.contextmanager
    def leading(self) -> Iterator[None]:
        """The context of a save on rank 0: where it fails before the others know what to do, they hear of that."""
        self._begun = False
        try:
            yield
        except BaseException:
            if not self._begun:
                with contextlib.suppress(Exception):
                    self._told(None)
            raise

    def put(self, files: Files, folder: Path) -> None:
        """Write `files` into `folder` together with the other ranks, which are at `help`."""
        from mypt.training import rows

        places = rows.outline(files, folder)
        self._begun = True
        self._told((str(folder.absolute()), places))
        try:
            rows.fill(files, folder, places, self._group, shared=self._several_machines)
        except rows.CheckpointException as error:
            rank, cause = rows.what_failed(error)
            if self._several_machines and isinstance(cause, FileNotFoundError):
                raise RunError(
                    f"rank {rank} does not find {folder.parent}, into which every rank writes its part: put the "
                    "workspace on a disk that all machines share, or train with --parallel ddp"
                ) from None
            raise cause from None

    def help(self, held: Held) -> None:
        """Write this rank's part of `held` where rank 0 says; what fails on any rank is rank 0's to tell."""
        from mypt.training import rows

        told = self._told(None)
        if told is None:
            return
        folder, places = told
        files = files_of(held.weights, held.moments, torch.float32)
        with contextlib.suppress(rows.CheckpointException):
            rows.fill(files, Path(folder), places, self._group, shared=self._several_machines)

    def _told(self, value: Any) -> Any:
        """What rank 0 calls this with."""
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

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


def _parts_of(tensors: dict[str, Any]) -> dict[str, Any]:
    """State by name with a `Part` for each tensor of which this rank has a part."""
    found = {}
    for name, tensor in tensors.items():
        if hasattr(tensor, "to_local"):
            mesh = tensor.device_mesh
            first = _first_row(tensor.shape[0], mesh.size(), mesh.get_local_rank())
            tensor = Part(tensor.to_local().detach(), first, tensor.shape)
        found[name] = tensor
    return found


def _first_row(rows: int, ranks: int, rank: int) -> int:
    """Where the rows of a rank begin when `rows` are shared out: as many for each, and what is left for the last ones."""
    return min(rank * -(-rows // ranks), rows)


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
    engine.optimizer, engine.layout = after, Parts(engine)


def _slice_like(parameter: Any, whole: Tensor) -> Tensor:
    """This rank's rows of `whole`, which every rank has, as those of `parameter` lie."""
    from torch.distributed.tensor import DTensor

    mesh = parameter.device_mesh
    own = parameter.to_local()
    begin = _first_row(whole.size(0), mesh.size(), mesh.get_local_rank())
    part = whole[begin : begin + own.size(0)].to(own.device, copy=True)
    return DTensor.from_local(
        part, mesh, parameter.placements, run_check=False, shape=whole.shape, stride=whole.stride()
    )
