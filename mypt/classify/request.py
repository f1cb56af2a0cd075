"""What somebody asks of `mypt finetune-classifier`, and its settings: those of training that mean something here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mypt.bundle import BundleInfo
from mypt.settings.request import Source

COMMAND = "mypt finetune-classifier"
EPOCHS = 3
#: Settings of `mypt train` that a classifier has as well; data, shape and schedule's length are decided elsewhere.
SETTINGS = (
    *("learning_rate", "batch_size", "grad_accum_steps", "block_size", "dropout", "warmup_iters"),
    *("weight_decay", "grad_clip", "seed"),
    *("eval_interval", "eval_iters", "eval_seed", "save_every", "log_interval", "log_file"),
    *("device", "precision", "use_amp", "amp_dtype", "attention", "matmul", "compile", "use_checkpoint"),
    "async_save",
    *("freeze_layers", "freeze_embeddings", "neftune_alpha"),
)
#: Where `mypt train` has other defaults, made for training from scratch.
DEFAULTS: dict[str, Any] = {
    "learning_rate": 5e-5,
    "batch_size": 16,
    "dropout": 0.1,
    # Batches are of many widths, and compiling for each takes longer than it saves.
    "compile": "off",
}
BY_DEFAULT = Source("default of finetune-classifier")
#: What is asked beside the settings, and what it means.
HELP = {
    "model_name": "names the classifier; an existing one goes on",
    "init_from_model": "the model to begin with: a name or a path",
    "data": "texts with their classes: JSONL, .csv or .tsv",
    "eval_data": "other texts, to see how well it does",
    "text": "the column of the text, or two: premise,hypothesis",
    "label": "the column of the class",
    "num_epochs": "how often each text is seen",
}


@dataclass(frozen=True, slots=True)
class ClassifierRequest:
    """What is asked for. What is None comes from the checkpoint that is gone on with, or else is missing.

    `given` are settings among `SETTINGS`, as text or as values; `base` is a foreign checkpoint in place of
    `init_from_model`, as its importer describes it.
    """

    model_name: str
    init_from_model: str | None = None
    data: str | None = None
    eval_data: str | None = None
    text: tuple[str, ...] | None = None
    label: str | None = None
    num_epochs: int | None = None
    given: dict[str, Any] = field(default_factory=dict)
    given_by: str = "command line"
    base: BundleInfo | None = None
