"""What a run is: every setting with its type, its bounds, its default, where it may come from, and a line of help.

One model of all settings serves presets (strict JSON), flags and forms (text), `--help`, the form's labels and the
review. Checks that look at one field live here; those that look at several are in `checks`.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError


class Rule(StrEnum):
    """Where a setting comes from, strongest first; `resolve` has the orders."""

    SHAPE = "shape"
    CONTEXT = "context"
    LIVE = "live"
    TRAINING = "training"
    DEVICE = "device"


class Group(StrEnum):
    """How people think of settings; the form and `--help` are laid out by it."""

    MODEL = "model"
    DATA = "data"
    SCHEDULE = "schedule"
    EVALUATION = "evaluation"
    MACHINE = "machine"
    FINE_TUNING = "fine-tuning"
    ADVANCED = "advanced"


def _is_text(value: Any, info: ValidationInfo) -> bool:
    # In JSON a number is written as a number; only flags and forms hand over text.
    return isinstance(value, str) and not (info.context or {}).get("json", False)


def _number(value: Any, info: ValidationInfo) -> Any:
    # People type 50_000, "50 000" and 1e5 where a form or a flag wants a whole number.
    if _is_text(value, info):
        plain = re.sub(r"[_\s\u202f]", "", value)
        if re.fullmatch(r"[+-]?\d+", plain):
            return int(plain) if len(plain) < 40 else value
        try:
            value = float(plain)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _fraction(value: Any, info: ValidationInfo) -> Any:
    if _is_text(value, info) and value.strip().endswith("%"):
        try:
            return float(value.strip().removesuffix("%")) / 100
        except ValueError:
            return value
    return _number(value, info)


def _object(value: Any, info: ValidationInfo) -> Any:
    if _is_text(value, info):
        text = value.strip()
        if text.startswith("{"):
            try:
                return json.loads(text)
            except ValueError:
                return value
        parts = [part.strip().split("=", 1) for part in text.split(",")]
        if all(len(part) == 2 for part in parts):
            return dict(parts)
    return value


def _no_gate(value: Any) -> Any:
    # The original writes a gate that is switched off into every preset that names one.
    return None if isinstance(value, dict) and value.get("enabled") is False else value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("no_path", "cannot name a file: it holds a zero byte")
    return value


PathText = Annotated[str, Field(min_length=1), AfterValidator(_no_nul)]
Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, Field(allow_inf_nan=False)]


class Guards(BaseModel):
    """Thresholds of the gold guards; a guard set to null is off."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    overfit_ratio: Annotated[float, Field(gt=0)] | None = 5.0
    """Gold is blocked while val/train is above this."""
    consecutive_rises: Annotated[int, Field(ge=1)] | None = 2
    """Gold is blocked after this many rises of the validation loss in a row."""
    eval_regression: Annotated[float, Field(gt=0)] | None = 0.20
    """Gold is blocked while an eval set is more than this fraction above its first value."""


class GoldSelection(BaseModel):
    """How the best checkpoint is chosen. The original's further fields are accepted where they ask for the same."""

    model_config = ConfigDict(extra="forbid")

    guards: Guards = Guards()
    strategy: Literal["val_loss"] = "val_loss"
    apply_loss_guards: bool = True
    external_gate: Annotated[None, BeforeValidator(_no_gate)] = None


class Phase(BaseModel):
    """One phase of a curriculum: its data, until `until_iter` updates are done (null: to the end)."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    dataset_dir: PathText
    until_iter: Annotated[int, Field(ge=1)] | None = None


class Curriculum(BaseModel):
    """Phases in order; the last one runs to the end."""

    model_config = ConfigDict(extra="forbid")

    phases: Annotated[list[Phase], Field(min_length=1)]


def _set(default: Any, rule: Rule, group: Group, **bounds: Any) -> Any:
    return Field(default, json_schema_extra={"rule": rule.value, "group": group.value}, **bounds)


_S, _C, _L, _T = Rule.SHAPE, Rule.CONTEXT, Rule.LIVE, Rule.TRAINING


class Settings(BaseModel):
    """Every effective setting of a run."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    # ── model ───────────────────────────────────────────────────────────────────────────────────────────────────
    n_layer: Whole = _set(6, _S, Group.MODEL, ge=1, le=10_000)
    """Transformer blocks."""
    n_head: Whole = _set(6, _S, Group.MODEL, ge=1, le=100_000)
    """Attention heads; must divide n_embd."""
    n_embd: Whole = _set(384, _S, Group.MODEL, ge=1, le=1_000_000)
    """Width of the model (embedding dimension)."""
    block_size: Whole = _set(256, _C, Group.MODEL, ge=1, le=100_000_000)
    """Context length in tokens."""
    vocab_size: Whole = _set(50304, _S, Group.MODEL, ge=1, le=100_000_000)
    """Rows of the embedding; with char tokenization the text's own characters decide."""
    dropout: Real = _set(0.2, _L, Group.MODEL, ge=0, lt=1)
    """Dropout probability; 0 switches it off."""
    bias: bool = _set(False, _S, Group.MODEL)
    """Biases in linear layers and norms."""
    pos_encoding: Literal["learned", "rope"] = _set("learned", _S, Group.MODEL)
    """How positions are told: learned embeddings (GPT-2) or rotation (Llama)."""
    mlp_type: Literal["gelu", "swiglu"] = _set("gelu", _S, Group.MODEL)
    """Feed-forward kind: GELU (GPT-2) or SwiGLU (Llama)."""
    norm_type: Literal["layernorm", "rmsnorm"] = _set("layernorm", _S, Group.MODEL)
    """Normalisation kind: LayerNorm (GPT-2) or RMSNorm (Llama)."""
    tie_weights: bool = _set(False, _S, Group.MODEL)
    """Share one matrix between the token embedding and the head."""
    rope_theta: Real = _set(10000.0, _C, Group.MODEL, gt=0)
    """RoPE base frequency."""
    rope_scale: Real = _set(1.0, _C, Group.MODEL, gt=0)
    """RoPE positions are divided by this (linear context extension)."""

    # ── data ────────────────────────────────────────────────────────────────────────────────────────────────────
    input_file: PathText | None = _set(None, _T, Group.DATA)
    """A text file to train on, or builtin:stories, builtin:python."""
    dataset_dir: PathText | None = _set(None, _T, Group.DATA)
    """A prepared dataset: a folder with train/*.bin and val/*.bin."""
    eval_dataset_dir: PathText | None = _set(None, _T, Group.DATA)
    """A further dataset to evaluate on, named `general`."""
    eval_sets: Annotated[dict[str, PathText] | None, BeforeValidator(_object)] = _set(None, _T, Group.DATA)
    """Further datasets to evaluate on, by name: general=data/general,code=data/code."""
    curriculum: Annotated[Curriculum | None, BeforeValidator(_object)] = _set(None, _T, Group.DATA)
    """Phases with data of their own, in order."""
    tokenization: Literal["char", "gpt2", "bpe"] = _set("gpt2", _T, Group.DATA)
    """Text to tokens: char (the text's characters), gpt2 (50k subwords), bpe (a tokenizer.json)."""
    tokenizer_file: PathText | None = _set(None, _T, Group.DATA)
    """The tokenizer.json for --tokenization bpe."""

    # ── schedule ────────────────────────────────────────────────────────────────────────────────────────────────
    max_iters: Whole = _set(5000, _T, Group.SCHEDULE, ge=1, le=10**12)
    """Updates to train for, counted from the very beginning."""
    learning_rate: Real = _set(3e-4, _T, Group.SCHEDULE, gt=0, le=10)
    """Peak learning rate of AdamW."""
    warmup_iters: Annotated[int | float, BeforeValidator(_fraction)] = _set(0.05, _T, Group.SCHEDULE, ge=0)
    """Linear warm-up: a number of updates, or a fraction of max_iters below 1."""
    batch_size: Whole = _set(32, _L, Group.SCHEDULE, ge=1, le=10_000_000)
    """Sequences in a micro-batch."""
    grad_accum_steps: Whole = _set(1, _T, Group.SCHEDULE, ge=1, le=1_000_000)
    """Micro-batches that make one update."""
    grad_clip: Real = _set(1.0, _T, Group.SCHEDULE, ge=0)
    """Gradients are scaled down to this norm; 0 switches it off."""
    weight_decay: Real = _set(0.1, _T, Group.SCHEDULE, ge=0, le=10)
    """AdamW's weight decay, on matrices only."""
    seed: Whole = _set(1337, _T, Group.SCHEDULE, ge=0, le=2**63 - 1)
    """All randomness comes from it: weights, data order, dropout."""

    # ── evaluation ──────────────────────────────────────────────────────────────────────────────────────────────
    eval_interval: Whole = _set(250, _T, Group.EVALUATION, ge=1, le=10**12)
    """Updates between evaluations (each saves a checkpoint)."""
    eval_iters: Whole = _set(20, _T, Group.EVALUATION, ge=1, le=10_000_000)
    """Batches a split in each evaluation; the same ones every time."""
    eval_seed: Whole = _set(1337, _T, Group.EVALUATION, ge=0, le=2**63 - 1)
    """Chooses the evaluation batches."""
    save_every: Whole | None = _set(None, _T, Group.EVALUATION, ge=1, le=10**12)
    """Save also every so many updates, between evaluations."""
    log_interval: Whole = _set(10, _T, Group.EVALUATION, ge=1, le=10**12)
    """Updates between two points of the training curve."""
    sample_interval: Whole | None = _set(None, _T, Group.EVALUATION, ge=0, le=10**12)
    """Updates between samples of text; as eval_interval if not set, 0 for none."""
    sample_prompt: str = _set("", _T, Group.EVALUATION)
    """What samples go on from; empty: a line break."""
    sample_tokens: Whole = _set(200, _T, Group.EVALUATION, ge=1, le=100_000)
    """Tokens in a sample."""
    gold_selection: Annotated[GoldSelection | None, BeforeValidator(_object)] = _set(
        None, _T, Group.EVALUATION
    )
    """Guards of the gold checkpoint: {"guards": {"overfit_ratio": 5.0, …}}."""
    log_file: PathText | None = _set(None, _T, Group.EVALUATION)
    """The structured log; logs/train/<model_name>_eval.jsonl if not set."""

    # ── machine ─────────────────────────────────────────────────────────────────────────────────────────────────
    device: str = _set("auto", Rule.DEVICE, Group.MACHINE, pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _set("auto", _T, Group.MACHINE)
    """Arithmetic of the matrix products; auto takes what is fastest here without loss."""
    use_amp: bool = _set(True, _T, Group.MACHINE)
    """Whether auto precision may go below fp32 at all."""
    amp_dtype: Literal["auto", "bf16", "fp16"] = _set("auto", _T, Group.MACHINE)
    """Which lower precision auto takes where it may."""
    attention: Literal["auto", "sdpa", "plain"] = _set("auto", _T, Group.MACHINE)
    """Attention kernel; auto takes what is fastest here."""
    matmul: Literal["auto", "torch", "onednn"] = _set("auto", _T, Group.MACHINE)
    """How CPUs multiply in fp32: as torch does (with MKL where it has it), or by oneDNN."""
    compile: Literal["auto", "on", "off"] = _set("auto", _T, Group.MACHINE)
    """torch.compile: auto uses it on CUDA."""
    use_checkpoint: bool = _set(False, _T, Group.MACHINE)
    """Activation checkpointing: less memory, about a third more time."""
    parallel: Literal["ddp", "fsdp"] = _set("ddp", _T, Group.MACHINE)
    """What several processes share: the batch (ddp), or weights and optimizer as well (fsdp, for large models)."""
    async_save: Literal["auto", "on", "off"] = _set("auto", _T, Group.MACHINE)
    """Write checkpoints while training goes on, from a copy (12 bytes a parameter of main memory); auto: on CUDA."""

    # ── fine-tuning ─────────────────────────────────────────────────────────────────────────────────────────────
    use_loss_mask: bool = _set(False, _L, Group.FINE_TUNING)
    """Count only the tokens that the dataset's masks mark."""
    freeze_layers: Whole = _set(0, _T, Group.FINE_TUNING, ge=0, le=10_000)
    """Blocks, counted from the input, that are not trained."""
    freeze_embeddings: bool = _set(False, _T, Group.FINE_TUNING)
    """Leave the embeddings untrained."""
    neftune_alpha: Real = _set(0.0, _T, Group.FINE_TUNING, ge=0, le=1000)
    """NEFTune noise on the embeddings; 0 is off, 5 is usual."""

    # ── episodes ────────────────────────────────────────────────────────────────────────────────────────────────
    batch_sampling_mode: Literal["random", "epoch"] = _set("random", _T, Group.ADVANCED)
    """Episode datasets: draw at random, or each episode once an epoch."""
    pad_token_id: Whole | None = _set(None, _T, Group.ADVANCED, ge=0)
    """Episode datasets: the token that fills short episodes."""
    episode_min_tokens: Whole = _set(2, _T, Group.ADVANCED, ge=1)
    """Episode datasets: shorter episodes are left out."""
    epoch_seed: Whole = _set(1337, _T, Group.ADVANCED, ge=0, le=2**63 - 1)
    """Episode datasets: the order of the epochs."""
    epoch_shuffle: bool = _set(True, _T, Group.ADVANCED)
    """Episode datasets: a new order every epoch."""
    epoch_drop_last: bool = _set(True, _T, Group.ADVANCED)
    """Episode datasets: drop an incomplete last batch."""
    segment_position_reset: bool = _set(True, _T, Group.ADVANCED)
    """Packed episodes: positions begin anew with each."""


OTHER_FLAGS = {"use_checkpoint": ("--activation_checkpointing",)}
"""Other names of a setting's flag: what the field calls it where the original calls it otherwise."""
ACCEPTED_WITH_NOTE = {
    "save_dtype": "bundles are saved in fp32, so that resuming is exact",
    "terminal_log_file": "the console output is kept with the run",
    "token_accuracy_saturation": "token accuracy is not watched",
}
"""Fields of the original's presets that do nothing here, with the sentence that says so."""

REQUIRED_IN_PRESET = (
    "batch_size",
    "block_size",
    "vocab_size",
    "n_embd",
    "n_head",
    "n_layer",
    "dropout",
    "bias",
)

EPISODES_ONLY = (
    "batch_sampling_mode",
    "pad_token_id",
    "episode_min_tokens",
    "epoch_seed",
    "epoch_shuffle",
    "epoch_drop_last",
    "segment_position_reset",
)


def names() -> list[str]:
    """All settings, in the order of the groups above."""
    return list(Settings.model_fields)


def rule(name: str) -> Rule:
    """Which order of precedence a setting follows."""
    return Rule(_extra(name)["rule"])


def group(name: str) -> Group:
    """Where a form shows a setting."""
    return Group(_extra(name)["group"])


def help_text(name: str) -> str:
    """A line on what a setting does."""
    return Settings.model_fields[name].description or ""


def default(name: str) -> Any:
    """The value where nobody says anything."""
    return Settings.model_fields[name].default


def choices(name: str) -> list[str]:
    """The words a setting may have, or an empty list where it is no matter of words."""
    annotation = Settings.model_fields[name].annotation
    if annotation is bool:
        return ["true", "false"]
    if getattr(annotation, "__origin__", None) is Literal:
        return [str(a) for a in annotation.__args__]  # type: ignore[union-attr]
    return []


def _extra(name: str) -> dict[str, Any]:
    extra = Settings.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return extra
