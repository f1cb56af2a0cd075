"""What a program hands to `mypt.fit`, checked, and put as the loop wants it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from mypt import bundle
from mypt.data.loader import GPTDataLoader
from mypt.data.source import PhaseData, RunData
from mypt.errors import Problem, UserError, raise_for
from mypt.model import LanguageModel
from mypt.settings import fields
from mypt.settings.checks import cross_checks
from mypt.settings.fields import Rule, Settings
from mypt.settings.problems import nearest, validate
from mypt.settings.request import DEFAULT, Effective, Mode, Request, Source
from mypt.settings.resolved import Resolved
from mypt.tokenizers import same
from mypt.training.checkpointing import check_target
from mypt.training.progress import Progress

WHERE = "mypt.fit()"
# What the model, the optimizer and the loaders have decided already, or what only `mypt train` can do.
_DECIDED = (
    *("input_file", "dataset_dir", "eval_dataset_dir", "eval_sets", "curriculum", "tokenization"),
    *(
        "tokenizer_file",
        "weight_decay",
        "use_checkpoint",
        "freeze_layers",
        "freeze_embeddings",
        "neftune_alpha",
    ),
    *("log_file", *fields.EPISODES_ONLY),
)


def settings(
    model: LanguageModel,
    loader: GPTDataLoader,
    optimizer: Optimizer | None,
    asked: Mapping[str, Any],
    log_file: str | os.PathLike[str] | None,
    eval_sets: Mapping[str, GPTDataLoader],
) -> Settings:
    """Everything that the loop wants to know. Raises `UserError` with all that is wrong with what was `asked`."""
    if optimizer is not None:
        asked = {"learning_rate": float(optimizer.param_groups[0]["lr"]), **asked}
    free = [n for n in fields.names() if fields.rule(n) is Rule.TRAINING and n not in _DECIDED]
    problems = [
        Problem("is not a setting of fit", where=WHERE, field=name, remedy=nearest(name, free))
        for name in asked
        if name not in free
    ]
    typed, wrong = validate({n: v for n, v in asked.items() if n in free}, where=WHERE, strict=False)
    raise_for([*problems, *wrong])
    shape = {n: v for n, v in model.config.to_dict().items() if n in Settings.model_fields and v is not None}
    data = loader.config
    values = shape | {
        "batch_size": data.batch_size,
        "block_size": data.block_size,
        "use_loss_mask": data.use_loss_mask,
        "dataset_dir": loader.dataset_dir,
        "input_file": loader.input_file,
        "eval_sets": {n: each.dataset_dir for n, each in eval_sets.items() if each.dataset_dir} or None,
        "tokenization": loader.tokenizer.kind,
        "log_file": None if log_file is None else os.fspath(log_file),
        "device": str(model.device),
        # Nobody asked for texts between the lines; `sample_interval` does.
        "sample_interval": 0,
    }
    if optimizer is not None:
        values["weight_decay"] = max(group.get("weight_decay", 0.0) for group in optimizer.param_groups)
    effective = Settings.model_validate(values | typed)
    raise_for(cross_checks(effective.model_dump(exclude={"curriculum"}), where=WHERE))
    if model.config.pos_encoding == "learned" and data.block_size > model.config.block_size:
        message = f"the model has {model.config.block_size} learned positions"
        raise UserError(Problem(message, where="data_loader", field="block_size", value=data.block_size))
    return effective


def run_data(
    model: LanguageModel, loader: GPTDataLoader, eval_loaders: Mapping[str, GPTDataLoader]
) -> RunData:
    """The loaders as one phase and its eval sets. Raises `UserError` where their tokens are not the model's."""
    rows = model.config.vocab_size
    for name, each in (("data_loader", loader), *eval_loaders.items()):
        if not same(each.tokenizer, loader.tokenizer):
            message = f"has another tokenizer ({each.tokenizer.describe()}) than data_loader"
            raise UserError(Problem(message, where=f"eval_data_loaders {name}"))
        if each.tokenizer.valid_vocab > rows:
            message = f"the tokenizer has {each.tokenizer.valid_vocab} tokens, the model {rows} rows"
            raise UserError(Problem(message, where=name))
    assert loader.train is not None
    phase = PhaseData("default", None, loader.train, loader.val, loader.fingerprint, loader.shown)
    return RunData(
        loader.tokenizer,
        [phase],
        {name: each.val for name, each in eval_loaders.items()},
        eval_fingerprints={name: each.fingerprint for name, each in eval_loaders.items()},
    )


def check_folder(folder: Path) -> None:
    """Raises `UserError` where the bundles of `folder` would be ill named, or take the place of something else."""
    for kind in bundle.Kind:
        check_target(folder.with_name(bundle.directory_name(folder.name, kind)))
    raise_for(bundle.check_model_name(folder.name))


def resolved(
    model: LanguageModel, effective: Settings, folder: Path | None, start_step: int, asked: Collection[str]
) -> Resolved:
    """The run as the session wants it; its checkpoint is the bundle in `folder` where that is gone on from.

    `asked` names the settings that the program gave.
    """
    known = folder is None or folder.parent.name == "checkpoints"
    # What `mypt generate --model_name` takes: a name in the workspace, or a path.
    name = ("model" if folder is None else folder.name) if known else str(folder)
    given = Source(WHERE)
    return Resolved(
        workspace=Path(),
        request=Request(model_name=name, given_by=WHERE),
        mode=Mode.RESUME if start_step else Mode.NEW,
        model_name=name,
        values={
            each: Effective(each, getattr(effective, each), given if each in asked else DEFAULT)
            for each in fields.names()
        },
        settings=effective,
        config=model.config,
        notices=[],
        checkpoint=_kept(folder, start_step),
    )


def progress(run: Resolved, start_step: int) -> Progress:
    """Where the training stands that begins after `start_step` updates, with what its checkpoint knows of it."""
    s, info = run.settings, run.checkpoint
    per_step = s.batch_size * s.block_size * s.grad_accum_steps
    state = info.training_state if info is not None else {}
    if not start_step:
        return Progress()
    found = Progress.from_state(state, step=start_step, tokens_per_step=per_step)
    if info is None or info.training_config.get("eval_iters") != s.eval_iters:
        found.eval_sequences = 0
    return found


def _kept(folder: Path | None, start_step: int) -> bundle.BundleInfo | None:
    """The bundle in `folder` where it is the one that is gone on from."""
    if folder is None or not start_step:
        return None
    info = bundle.read_info(folder)
    return (
        info if not info.problem and info.step == start_step and "progress" in info.training_state else None
    )
