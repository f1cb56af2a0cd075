"""A path to a checkpoint of any known format: what it is, and its model."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mypt.errors import Problem, UserError
from mypt.estimate import parameters
from mypt.interop import reading
from mypt.interop.formats import Asked, Checkpoint, Format, Plan
from mypt.interop.gpt2 import Gpt2Format
from mypt.interop.llama import LlamaFormat
from mypt.interop.mapping import check, fill, listed
from mypt.interop.modded import ModdedFormat
from mypt.interop.nanogpt import NanoGptFormat
from mypt.interop.own import OwnFormat
from mypt.interop.tokenizer import Chosen, choose, true_vocab
from mypt.memory import telling
from mypt.model import LanguageModel, build_model
from mypt.text import count, printable, size
from mypt.training.numerics import pick_device
from mypt.training.remembered import remember

#: Every format, the more particular ones first.
KNOWN: tuple[Format, ...] = (
    OwnFormat(),
    ModdedFormat("small"),
    ModdedFormat("medium"),
    NanoGptFormat(),
    Gpt2Format(),
    LlamaFormat(),
)


@dataclass(frozen=True)
class Recognised:
    """A checkpoint that was understood, every weight of it accounted for."""

    found: Checkpoint
    plan: Plan
    chosen: Chosen

    @cached_property
    def info(self) -> dict[str, Any]:
        """The description that `inspect_checkpoint` gives, in the order in which people read it."""
        plan, config = self.plan, self.plan.config
        info: dict[str, Any] = {
            "checkpoint_format": plan.format,
            "vocab_size": config.vocab_size,
            "true_vocab_size": true_vocab(plan, self.chosen),
            "model_dim": config.n_embd,
            "num_layers": config.n_layer,
            "num_heads": config.n_head,
            "max_seq_len": config.block_size,
            "parameters": parameters(config),
            "head_dim": config.head_size,
            "arch": config.arch,
            "pos_encoding": config.pos_encoding,
            "mlp_type": config.mlp_type,
            "norm_type": config.norm_type,
            "tie_weights": config.tie_weights,
            "tokenizer": self.chosen.tokenizer.describe() if self.chosen.known else None,
            "dtype": ", ".join(self.dtypes),
            "step": plan.step,
            "loss": plan.loss,
        }
        if config.kv_heads != config.n_head:
            info["num_kv_heads"] = config.kv_heads
        if config.head_rows is not None:
            info["head_rows"] = config.head_rows
        if self.notes:
            info["notes"] = list(self.notes)
        return info

    @property
    def dtypes(self) -> list[str]:
        """What the weights are stored as."""
        used = {name for taken in self.plan.weights.values() for name in taken.names}
        return sorted({str(self.found.state[name].dtype).removeprefix("torch.") for name in used})

    @property
    def notes(self) -> list[str]:
        """What a person might not expect of it."""
        plan, found = self.plan, list(self.plan.notes)
        by_reason: dict[str, list[str]] = {}
        for name, reason in plan.left_out.items():
            by_reason.setdefault(reason, []).append(name)
        found += [f"{listed(names)}: {reason}; left out" for reason, names in by_reason.items()]
        if plan.true_vocab is None and not self.chosen.known:
            found.append("how many rows of the vocabulary belong to tokens is not known: at most all of them")
        return found

    @property
    def content(self) -> dict[str, Any]:
        """What the checkpoint's files hold, tensors on the CPU."""
        documents = self.found.documents.items()
        return {**self.found.content, **{name.removesuffix(".json"): value for name, value in documents}}

    def load(self) -> LanguageModel:
        """The model, in float32 on the CPU."""
        model = build_model(copy.deepcopy(self.plan.config), seed=None)
        fill(model, self.found.state, self.plan.weights)
        remember(model, self.chosen.tokenizer)
        return model


def recognise(path: Path, asked: Asked | None = None, tokenizer: str | None = None) -> Recognised:
    """What the checkpoint at `path` is. Raises `UserError` for what is missing, damaged or of no known format."""
    asked = asked or Asked()
    for name in ("n_head", "max_seq_len"):
        value = getattr(asked, name)
        if value is not None and not 1 <= value <= 10**8:
            raise UserError(Problem("must be a whole number from 1 up", field=name, value=value))
    found = reading.read(path)
    known = next((each for each in KNOWN if each.matches(found)), None)
    if known is None:
        what = (
            f"its weights are called {listed(found.state)}" if found.state else "it holds no tensors by name"
        )
        raise UserError(
            Problem(
                f"is of no format that this version reads: {what}",
                where=str(path),
                remedy=f"it reads: {'; '.join(each.title for each in KNOWN)}",
            )
        )
    plan = known.plan(found, asked)
    check(found, plan)
    return Recognised(found, plan, choose(found, plan, tokenizer))


def inspect_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the checkpoint at `path` (a file or a folder) is, which is printed as well: `(info, checkpoint)`.

    `info` has `checkpoint_format` ("small", "medium", "nanogpt", "gpt2", "llama", "mypt"), `vocab_size` (rows of the
    embedding), `true_vocab_size`, `model_dim`, `num_layers`, `num_heads`, `max_seq_len`, `parameters` and more;
    `checkpoint` is what the weights' file holds, tensors on the CPU, with the JSON documents beside it. Raises
    `UserError` for what is missing, damaged, asks to run code, or is of no known format.
    """
    seen = recognise(Path(path))
    _print(seen.found, seen.info)
    return seen.info, seen.content


def load_pretrained_checkpoint(
    path: str | os.PathLike[str], device: str = "cpu"
) -> tuple[LanguageModel, dict[str, Any], dict[str, Any]]:
    """The model of the checkpoint at `path`, on `device` and in eval mode: `(model, info, checkpoint)`.

    `info` and `checkpoint` are those of `inspect_checkpoint`, which says what is raised; nothing is printed.
    `RunError` where memory does not hold the model.
    """
    place = pick_device(device)
    seen = recognise(Path(path))
    needed = f"the weights of {seen.found.path.name} take {size(4 * seen.info['parameters'])}"
    remedy = "Close other programs, name another device, or take a smaller model"
    with telling(f"out of memory on {place}: {needed}. {remedy}"):
        model = seen.load().to(place).eval()
    model.config.device = place
    return model, seen.info, seen.content


def _print(found: Checkpoint, info: Mapping[str, Any]) -> None:
    print(printable(f"Checkpoint: {found.path}"))
    width = max(map(len, info))
    for name, value in info.items():
        shown = f"{value:,} ({count(value)})" if name == "parameters" else value
        shown = "; ".join(value) if name == "notes" else shown
        print(printable(f"  {name:<{width}}: {shown}"))
