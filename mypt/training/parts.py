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
from mypt.model.own import rows_here
from mypt.training import optimizer as adamw
from mypt.training.beginning import Beginning
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

        self._numerics, self._leads = engine.numerics, engine.ranks.rank == 0
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
        """On rank 0 a copy of `model` with all weights, to draw a sample from; the others only give it their parts.

        Drawn by all of them together, the weights would travel once for each token.
        """
        whole = (adamw.whole(part) for part in model.parameters())
        if not self._leads:
            for _ in whole:
                pass
            return model
        with torch.device("meta"):
            copied = build_model(copy.deepcopy(model.config), seed=None)
        copied.materialise(self._numerics.device)
        copied.set_kernel(self._numerics.attention)
        copied.set_matmul(self._numerics.matmul)
        with torch.no_grad():
            for own, weight in zip(copied.parameters(), whole, strict=True):
                own.copy_(weight)
        return copied

    def rest(self, model: LanguageModel) -> None:
        """Keep no more of `model` than this rank's part after an evaluation, as training does by itself."""
        model.reshard()  # type: ignore[operator]


def _parts_of(tensors: dict[str, Any]) -> dict[str, Any]:
    """State by name with a `Part` for each tensor of which this rank has a part."""
    return {
        name: Part(*rows_here(tensor), tensor.shape) if hasattr(tensor, "to_local") else tensor
        for name, tensor in tensors.items()
    }


def share_out(engine: Engine, first: Beginning) -> None:
    """Leave each rank its part of the model of `engine`, which has no memory yet, and of what it is to be filled with.

    All ranks call this at once. Raises `UserError` where that cannot be.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if engine.scaler is not None:
        remedy = "choose bf16 or fp32, or parallel ddp"
        raise UserError(Problem("fsdp has no loss scale", field="precision", value="fp16", remedy=remedy))
    model, before = engine.model, engine.optimizer
    # What a model gives is a view of something larger; nobody changes it in place, which is what torch warns of.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")
    mesh = init_device_mesh(engine.numerics.kind, (engine.ranks.world,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    model.materialise(engine.numerics.device)
    first.fill(model)
    rate, decay = before.param_groups[0]["lr"], before.param_groups[0]["weight_decay"]
    after = adamw.build(model, learning_rate=rate, weight_decay=decay)
    if first.moments is not None:
        adamw.load_state(after, _shared(first.moments, after), weight_decay=decay)
    engine.optimizer, engine.layout = after, Parts(engine)


def _shared(state: dict[str, Any], optimizer: AdamW) -> dict[str, Any]:
    """A copy of an optimizer's `state`, which every rank can read, with this rank's rows of the moments."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        number: {key: _slice_like(parameters[number], value) for key, value in of_one.items()}
        for number, of_one in state["state"].items()
    }
    return {**state, "state": moments}


def _slice_like(parameter: Any, whole: Any) -> Any:
    """A copy of the rows of `whole` that this rank has of `parameter`, lying as those; of a mere number all of it."""
    from torch.distributed.tensor import DTensor

    if not isinstance(whole, Tensor) or not whole.dim():
        # Were one left in its file, that would stay on the disk for as long as the run lasts.
        return copy.deepcopy(whole)
    own, first = rows_here(parameter)
    part = torch.empty_like(own).copy_(whole[first : first + len(own)])
    return DTensor.from_local(
        part,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
