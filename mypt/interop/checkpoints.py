"""A path to a checkpoint of any known format: what it is, and its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.interop.formats import Checkpoint, Format
from mypt.interop.own import OwnFormat
from mypt.memory import telling
from mypt.model import GPT
from mypt.model.weights import bare_name
from mypt.text import count, printable, size
from mypt.training.checkpointing import load_pickle
from mypt.training.numerics import pick_device

#: Every format, the more particular ones first.
KNOWN: tuple[Format, ...] = (OwnFormat(),)

# Where programs put the weights in what they pickle.
_HOLDERS = ("state_dict", "model_state_dict", "model")
_SHOWN = 3


def inspect_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the checkpoint at `path` (a file, or a bundle's folder) is, which is printed as well: `(info, checkpoint)`.

    `info` has `checkpoint_format` ("mypt"), `vocab_size` (rows of the embedding), `true_vocab_size`, `model_dim`,
    `num_layers`, `num_heads`, `max_seq_len`, `parameters` and more; `checkpoint` is what the weights' file holds,
    tensors on the CPU, with the JSON documents beside it. Raises `UserError` for what is missing, damaged, asks to
    run code, or is of no known format.
    """
    found, known = _recognised(Path(path))
    info = known.describe(found)
    _print(found, info)
    return info, _content(found)


def load_pretrained_checkpoint(
    path: str | os.PathLike[str], device: str = "cpu"
) -> tuple[GPT, dict[str, Any], dict[str, Any]]:
    """The model of the checkpoint at `path`, on `device` and in eval mode: `(model, info, checkpoint)`.

    `info` and `checkpoint` are those of `inspect_checkpoint`, which says what is raised; nothing is printed.
    `RunError` where memory does not hold the model.
    """
    place = pick_device(device)
    found, known = _recognised(Path(path))
    info = known.describe(found)
    needed = f"the weights of {found.path.name} take {size(4 * info['parameters'])}"
    remedy = "Close other programs, name another device, or take a smaller model"
    with telling(f"out of memory on {place}: {needed}. {remedy}"):
        model = known.load(found).to(place).eval()
    model.config.device = place
    return model, info, _content(found)


def _recognised(path: Path) -> tuple[Checkpoint, Format]:
    found = _read(path)
    for known in KNOWN:
        if known.matches(found):
            return found, known
    names = sorted(found.state)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    what = f"its weights are called {shown}" if names else "it holds no tensors by name"
    raise UserError(
        Problem(
            f"is of no format that this version reads: {what}",
            where=str(path),
            remedy=f"it reads: {', '.join(known.name for known in KNOWN)} (a folder with {bundle.CONFIG} and {bundle.MODEL})",
        )
    )


def _read(path: Path) -> Checkpoint:
    """What lies at `path`. A file called `model.pt` is read with its bundle's documents."""
    if not path.exists():
        raise UserError(
            Problem("no such checkpoint", where=str(path), remedy="name a file, or a bundle's folder")
        )
    file = path / bundle.MODEL if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            Problem(f"has no {bundle.MODEL}", where=str(path), remedy="name the file that holds the weights")
        )
    folder, documents = path, {}
    if (file.parent / bundle.CONFIG).is_file() and file.name == bundle.MODEL:
        folder = file.parent
        whole = bundle.find(folder.resolve().parent, folder.resolve().name)
        documents = {
            bundle.CONFIG: whole.config,
            bundle.TOKENIZER: whole.tokenizer,
            bundle.STATE: whole.training_state,
        }
    content = load_pickle(file)
    if not isinstance(content, dict):
        raise UserError(Problem(f"holds a {type(content).__name__} and no checkpoint", where=str(file)))
    holder = next((name for name in _HOLDERS if isinstance(content.get(name), Mapping)), None)
    if holder is None:
        # A state dict and nothing else: its keys are names of weights.
        holder, content = _HOLDERS[0], {_HOLDERS[0]: content}
    held = content[holder]
    state = {bare_name(str(name)): value for name, value in held.items() if isinstance(value, torch.Tensor)}
    return Checkpoint(folder, content, state, documents)


def _content(found: Checkpoint) -> dict[str, Any]:
    return {**found.content, **{name.removesuffix(".json"): value for name, value in found.documents.items()}}


def _print(found: Checkpoint, info: Mapping[str, Any]) -> None:
    print(printable(f"Checkpoint: {found.path}"))
    width = max(map(len, info))
    for name, value in info.items():
        shown = f"{value:,} ({count(value)})" if name == "parameters" else value
        print(printable(f"  {name:<{width}}: {shown}"))
