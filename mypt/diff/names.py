"""Where each value of a checkpoint belongs in a comparison, in which order, and what people call it."""

from __future__ import annotations

from typing import Final

DETAILS: Final = "Details"
"""The group of what a checkpoint keeps for itself: sizes of files, versions, the bookkeeping of gold."""
GROUPS: Final = ("Results", "Training", "Data", "Model", "Tokenizer", "Machine", DETAILS)

ORDER: Final[dict[str, tuple[str, ...]]] = {
    "Results": (
        "state",
        "step",
        "val_loss",
        "val_step",
        "gold_loss",
        "gold_step",
        "lowest_loss",
        "lowest_step",
        "train_loss",
        "tokens",
        "trained_s",
        "tokens_per_sec",
    ),
    "Training": (
        "base.name",
        "base.step",
        "config_file",
        "learning_rate",
        "max_iters",
        "warmup_iters",
        "batch_size",
        "grad_accum_steps",
        "dropout",
        "use_loss_mask",
        "weight_decay",
        "grad_clip",
        "seed",
        "eval_interval",
        "eval_iters",
        "eval_seed",
    ),
    "Data": (
        "input_file",
        "dataset_dir",
        "tokenization",
        "tokenizer_file",
        "data_fingerprint",
        "eval_dataset_dir",
    ),
    "Model": (
        "parameters",
        "arch",
        "n_layer",
        "n_head",
        "n_kv_head",
        "n_embd",
        "head_dim",
        "mlp_hidden",
        "block_size",
        "vocab_size",
        "head_rows",
        "tie_weights",
        "pos_encoding",
        "mlp_type",
        "norm_type",
        "activation",
        "bias",
        "head_bias",
        "mlp_bias",
        "norm_bias",
        "rope_theta",
        "rope_scale",
        "norm_eps",
        "document_token",
        "window_long",
        "window_short",
        "checkpoint_dtype",
    ),
    "Tokenizer": ("token_kind", "vocabulary", "characters", "special_tokens", "content"),
    "Machine": (
        "device",
        "numerics.precision",
        "numerics.attention",
        "numerics.compile",
        "precision",
        "attention",
        "compile",
    ),
    DETAILS: ("size",),
}
"""The important names of each group first; all others follow as the files have them."""

# Fields of config.json that say how the model was trained, not what it is.
_OF_TRAINING = frozenset(
    [
        "batch_size",
        "dropout",
        "use_loss_mask",
        "neftune_alpha",
        "segment_position_reset",
        "pad_token_id",
        "batch_sampling_mode",
        "episode_min_tokens",
        "epoch_seed",
        "epoch_shuffle",
        "epoch_drop_last",
    ]
)
_OF_MACHINE = frozenset(
    ["device", "use_checkpoint", "precision", "use_amp", "amp_dtype", "attention", "compile", "async_save"]
)
_OF_DATA = frozenset(
    [
        "input_file",
        "dataset_dir",
        "eval_dataset_dir",
        "eval_sets",
        "curriculum",
        "tokenization",
        "tokenizer_file",
        "data_fingerprint",
    ]
)
_OF_DETAILS = frozenset(["start_step", "log_file", "save_dtype", "terminal_log_file"])

_LABELS = {
    "val_loss": "validation loss",
    "val_step": "evaluated at step",
    "gold_loss": "best loss (gold)",
    "gold_step": "step of the best",
    "lowest_loss": "lowest loss",
    "lowest_step": "step of the lowest",
    "tokens_per_sec": "tokens/s",
    "train_loss": "batch loss",
    "tokens": "tokens trained on",
    "trained_s": "time trained",
    "size": "size on disk",
    "base.name": "fine-tuned from",
    "base.step": "base at its step",
    "config_file": "preset",
    "data_fingerprint": "data fingerprint",
    "checkpoint_dtype": "weights saved in",
    "token_kind": "kind",
    "special_tokens": "special tokens",
    "numerics.precision": "precision used",
    "numerics.attention": "attention used",
    "numerics.compile": "compiled",
}


def group_of_config(name: str) -> str:
    """The group of a field of config.json."""
    if name in _OF_TRAINING:
        return "Training"
    if name in _OF_DETAILS:
        return DETAILS
    return "Machine" if name in _OF_MACHINE else "Model"


def group_of_setting(name: str) -> str:
    """The group of a (dotted) field of the training settings."""
    first = name.partition(".")[0].partition("[")[0]
    if first in _OF_DATA:
        return "Data"
    if first in _OF_MACHINE:
        return "Machine"
    return DETAILS if first in _OF_DETAILS or first.startswith("comment") else "Training"


def group_of_state(name: str) -> str:
    """The group of a (dotted) field of training_state.json beside the settings."""
    if name.startswith("base.") or name == "base":
        return "Training"
    if name in ("data_fingerprint", "checkpoint_dtype"):
        return "Data" if name == "data_fingerprint" else "Model"
    return "Machine" if name in ORDER["Machine"] else DETAILS


def group_of_result(name: str) -> str:
    """The group of a result."""
    return {"parameters": "Model", "size": DETAILS}.get(name, "Results")


def label_of(name: str) -> str:
    """What people call it; settings keep the names that flags and presets have."""
    if name.startswith("files."):
        return name.removeprefix("files.")
    return _LABELS.get(name, name)
