"""A foreign checkpoint into a bundle of ours, whole or not at all. Weights go from disk to disk, not through a model."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mypt import bundle
from mypt.errors import RunError, raise_for
from mypt.interop.checkpoints import Recognised
from mypt.interop.target import why_no_target
from mypt.interop.tokenizer import true_vocab
from mypt.memory import telling
from mypt.runs.lock import ModelLock
from mypt.text import size
from mypt.training import checkpointing

# The documents beside the weights, generously.
_BESIDE = 8 << 20


def import_checkpoint(
    seen: Recognised, workspace: Path, model_name: str, *, command: Sequence[str] = ()
) -> Path:
    """Write the bundle `checkpoints/<model_name>` and return its folder.

    Raises `UserError` for a name that is taken or refused, before anything is written; `RunError` where the disk or
    memory will not take it, after which nothing is there.
    """
    raise_for(why_no_target(workspace, model_name))
    target = workspace / "checkpoints" / model_name
    dtype = _dtype(seen)
    needed = bundle_size(seen) + _BESIDE
    _check_room(workspace, model_name, needed)
    with ModelLock(workspace, model_name).acquire(command=list(command) or sys.argv):
        # Another process may have been quicker while this one read.
        raise_for(why_no_target(workspace, model_name))
        bundle.repair(target.parent, model_name)
        config = {**seen.plan.config.to_dict(), "device": "cpu"}
        short = (
            f"out of memory: the weights of {seen.found.path.name} take {size(needed)}. Close other programs"
        )
        with telling(short):
            checkpointing.write(
                target,
                _weights(seen, dtype),
                config,
                seen.chosen.tokenizer.to_dict(),
                _state(seen, dtype),
                dtype=dtype,
                needed=needed,
            )
    return target


def _dtype(seen: Recognised) -> torch.dtype:
    """What the weights are stored as: as they are where they are all of one half precision, else float32."""
    found = seen.dtypes
    return (
        torch.float32
        if len(found) > 1
        else {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(found[0], torch.float32)
    )


def bundle_size(seen: Recognised) -> int:
    """About what the bundle takes on disk, in bytes."""
    return int(seen.info["parameters"]) * _dtype(seen).itemsize


def _weights(seen: Recognised, dtype: torch.dtype) -> dict[str, Tensor]:
    """The state dict as a bundle has it; tensors that need no change stay mapped from the file."""
    state, weights = seen.found.state, {}
    for name, taken in seen.plan.weights.items():
        tensor = taken.tensor(state).to(dtype).contiguous()
        if tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size():
            # A view of something larger, which would be saved whole.
            tensor = tensor.clone()
        weights[name] = tensor
    if seen.plan.config.tie_weights:
        # One storage for both names, so that the file holds the matrix once.
        weights["lm_head.weight"] = weights["token_embedding_table.weight"]
    return weights


def _state(seen: Recognised, dtype: torch.dtype) -> dict[str, Any]:
    """`training_state.json`: no update was made here, and where the weights are from."""
    plan = seen.plan
    told: dict[str, Any] = {
        "format": plan.format,
        "file": seen.found.path.name,
        "step": plan.step,
        "val_loss": plan.loss,
        "dtype": ", ".join(seen.dtypes),
        "true_vocab_size": true_vocab(plan, seen.chosen),
    }
    return {
        "step": 0,
        "imported": {name: value for name, value in told.items() if value is not None},
        "model_dtype_at_save": str(dtype).removeprefix("torch."),
        "versions": checkpointing.versions(),
    }


def _check_room(workspace: Path, model_name: str, needed: int) -> None:
    try:
        free = shutil.disk_usage(workspace).free
    except OSError:
        return
    if free < needed:
        raise RunError(
            f"checkpoints/{model_name}: the disk has {size(free)} free, and the weights take {size(needed)}; make "
            "room first. Nothing was written"
        )
