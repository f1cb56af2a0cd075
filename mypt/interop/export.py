"""A checkpoint for other places: a Hugging Face folder, or a light copy in half precision; whole, or not at all.

`plan` says without torch what would be written, or why it cannot be; only the weights themselves need torch.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.errors import Problem, RunError, UserError, raise_for
from mypt.estimate import parameters
from mypt.fsio import write_json_atomic
from mypt.interop.export_config import Counterpart, counterpart, head_bias_problem
from mypt.interop.export_place import look_at, staged
from mypt.interop.export_tokenizer import (
    TOKENIZER,
    TOKENIZER_CONFIG,
    generation_config,
    marks,
    tokenizer_files,
)
from mypt.runs.lock import ModelLock
from mypt.settings.model_config import GPTConfig
from mypt.settings.paths import in_workspace
from mypt.tokenizers import Tokenizer, from_dict

if TYPE_CHECKING:
    from mypt.model import LanguageModel

FORMATS = ("hf", "fp16", "bf16")
EXPORTS = "exports"
CONFIG, WEIGHTS, GENERATION = "config.json", "model.safetensors", "generation_config.json"
_HF_FILES = (CONFIG, GENERATION, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG)
_BUNDLE_FILES = (bundle.CONFIG, bundle.STATE, bundle.TOKENIZER, bundle.MODEL, bundle.MANIFEST)
# What was true of the files of the checkpoint, and is not of a copy of its weights alone.
_NOT_COPIED = ("optimizer_file", "checkpoint_dtype", "grad_scaler")


@dataclass(frozen=True, slots=True)
class Plan:
    """An export that can be made: of which checkpoint, as what, to where. `there`: it replaces an earlier one."""

    info: BundleInfo
    config: GPTConfig
    tokenizer: Tokenizer
    format: str
    target: Path
    shown: str
    counterpart: Counterpart | None
    there: bool

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it consists of."""
        return _HF_FILES if self.counterpart else _BUNDLE_FILES

    @property
    def architecture(self) -> str:
        """What loads it."""
        return self.counterpart.architecture if self.counterpart else "mypt"

    @property
    def load(self) -> str:
        """How to load it: a line of Python, or a command."""
        if self.counterpart:
            return f"transformers.AutoModelForCausalLM.from_pretrained({self.shown!r})"
        inside = self.target.parent.name == "checkpoints"
        # A mere name would be looked for in checkpoints/.
        path = self.shown if bundle.is_path(self.shown) else str(self.target.resolve())
        command = "classify" if self.info.is_classifier else "generate"
        return f"mypt {command} --model_name {self.target.name if inside else path}"

    @property
    def bytes(self) -> int:
        """About what the weights take on disk."""
        return (4 if self.counterpart else 2) * parameters(self.config)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {
            "name": self.info.name,
            "format": self.format,
            "output_dir": self.shown,
            "exists": self.there,
            "architecture": self.architecture,
            "parameters": parameters(self.config),
            "bytes": self.bytes,
            "files": list(self.files),
            "tokenizer": self.tokenizer.describe(),
            "load": self.load,
        }


def plan(
    name: str | os.PathLike[str],
    format: str = "hf",
    output_dir: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    workspace: str | os.PathLike[str] = ".",
) -> Plan:
    """What exporting the checkpoint `name` (a model's name, one with `_gold` or `_fp16`, or a path) would write.

    Without an `output_dir` it goes to `exports/<name>_<format>`, and the fp16 copy of a model's last checkpoint to
    `checkpoints/<name>_fp16`, where training puts it as well. Writes nothing. Raises `UserError` with all that stands
    against it: an architecture without a counterpart, a place that is taken. Weights are only looked at where the
    answer lies in them: in a head that has a bias.
    """
    root = Path(workspace)
    if format not in FORMATS:
        remedy = f"use one of: {', '.join(FORMATS)}"
        raise UserError(Problem("is no format of exports", field="format", value=format, remedy=remedy))
    info = bundle.find(root / "checkpoints", in_workspace(os.fspath(name), root))
    config = GPTConfig.from_dict(info.config, where=f"{info.name}/{bundle.CONFIG}")
    tokenizer = from_dict(info.tokenizer, where=f"{info.name}/{bundle.TOKENIZER}")
    where = f"{info.name}/{bundle.CONFIG}"
    problems: list[Problem] = []
    made = None
    if format == "hf":
        try:
            _refuse_classifier(info, where)
            made = counterpart(config, marks(tokenizer), where=where)
            if config.head_bias:
                problems += _head_bias(info)
        except UserError as error:
            problems += error.problems
    shown = _shown(info, format, output_dir, root)
    target = root / shown
    files = _HF_FILES if format == "hf" else _BUNDLE_FILES
    there, taken = look_at(target, shown, info.path, files, overwrite=overwrite)
    raise_for([*problems, *taken])
    return Plan(info, config, tokenizer, format, target, shown, made, there)


def write(planned: Plan, workspace: str | os.PathLike[str] = ".") -> None:
    """Write what was planned, whole or not at all.

    Raises `UserError` for weights that do not fit their config or the format, and for a model that is being trained
    into the same place; `RunError` where memory or the disk ends.
    """
    from mypt.memory import telling
    from mypt.text import size

    needed = (
        f"out of memory: the weights of {planned.info.name} take {size(8 * parameters(planned.config))} here"
    )
    with _held(planned, Path(workspace)), telling(f"{needed}. Close other programs"):
        # Looked up before the weights are: without its vocabulary there is no export.
        documents = _documents(planned)
        model = _model(planned)
        if planned.counterpart is None:
            _write_bundle(planned, model)
            return
        from mypt.interop.export_hf import write_weights

        with _disk_errors(planned), staged(planned.target) as folder:
            write_weights(model, planned.counterpart.family, folder / WEIGHTS)
            for file, content in documents.items():
                write_json_atomic(folder / file, content)
            # The library that writes the weights lets nobody else read them.
            (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode & 0o777)


def _model(planned: Plan) -> LanguageModel:
    if planned.info.is_classifier:
        from mypt.classify.model import load_classifier

        return load_classifier(planned.info, planned.config)
    from mypt.training.checkpointing import load_model

    return load_model(planned.info, planned.config)


def _documents(planned: Plan) -> dict[str, dict[str, Any]]:
    if planned.counterpart is None:
        return {}
    tokenizer, config = planned.tokenizer, planned.config
    return {
        CONFIG: planned.counterpart.config,
        GENERATION: generation_config(tokenizer, config.vocab_size),
        **tokenizer_files(tokenizer, context=config.block_size),
    }


def _write_bundle(planned: Plan, model: LanguageModel) -> None:
    import torch

    from mypt.training import checkpointing

    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[planned.format]
    largest = torch.finfo(dtype).max
    for name, value in model.state_dict().items():
        if bool((value.abs() > largest).any()):
            message = f"holds numbers beyond {largest:g}, the largest of {planned.format}"
            raise UserError(Problem(message, where=planned.info.name, field=name, remedy="use bf16"))
    state = {k: v for k, v in planned.info.training_state.items() if k not in _NOT_COPIED}
    state["model_dtype_at_save"] = "float32"
    checkpointing.save(
        planned.target,
        model,
        planned.tokenizer.to_dict(),
        state,
        device=str(planned.info.config.get("device", "cpu")),
        dtype=dtype,
    )


@contextlib.contextmanager
def _held(planned: Plan, workspace: Path) -> Iterator[None]:
    """Hold the model where the export takes the place of a bundle that its training writes as well."""
    ours = planned.target.parent.resolve() == (workspace / "checkpoints").resolve()
    if not ours:
        yield
        return
    model_name, _ = bundle.split_name(planned.target.name)
    with ModelLock(workspace, model_name).acquire(command=sys.argv):
        bundle.repair(workspace / "checkpoints", model_name)
        yield


@contextlib.contextmanager
def _disk_errors(planned: Plan) -> Iterator[None]:
    from safetensors import SafetensorError

    from mypt import disk

    try:
        yield
    except (OSError, SafetensorError) as error:
        # The library that writes the weights has an error of its own for what the disk said.
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        before = "what was there is intact" if planned.there else "nothing was written"
        what = (
            disk.remedy(error, planned.bytes) if isinstance(error, OSError) else "make room, then try again"
        )
        raise RunError(f"{planned.shown}: the export failed ({reason}); {before}; {what}") from error


def _refuse_classifier(info: BundleInfo, where: str) -> None:
    if info.is_classifier:
        message = "a classifier is exported as fp16 or bf16 only"
        raise UserError(Problem(message, where=where, field="classifier"))


def _head_bias(info: BundleInfo) -> Iterator[Problem]:
    from mypt.interop.export_hf import largest_head_bias
    from mypt.training.checkpointing import read_weights

    largest = largest_head_bias(read_weights(info).get("lm_head.bias"))
    if largest:
        yield head_bias_problem(largest, where=info.name)


def _shown(info: BundleInfo, format: str, output_dir: str | os.PathLike[str] | None, root: Path) -> str:
    """Where it goes, as the user would write it."""
    if output_dir is not None:
        return os.fspath(output_dir)
    ours = info.path.resolve().parent == (root / "checkpoints").resolve()
    if format == "fp16" and ours and info.kind is bundle.Kind.LAST:
        return f"checkpoints/{bundle.directory_name(info.name, bundle.Kind.FP16)}"
    return f"{EXPORTS}/{info.name}_{format}"
