"""A run that can be started: every effective value with its source, for the trainer, `--dry_run` and the review."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mypt.bundle import BundleInfo
from mypt.settings import fields
from mypt.settings.fields import Rule, Settings
from mypt.settings.model_config import GPTConfig
from mypt.settings.presets import Preset
from mypt.settings.request import Effective, Mode, Request, as_text


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run that can be started: every effective value with its source, and what its user should be told."""

    workspace: Path
    request: Request
    mode: Mode
    model_name: str
    values: dict[str, Effective]
    settings: Settings
    config: GPTConfig
    notices: list[str]
    preset: Preset | None = None
    checkpoint: BundleInfo | None = None
    base: BundleInfo | None = None

    @property
    def start_step(self) -> int:
        """Updates that the checkpoint being resumed has behind it."""
        return (self.checkpoint.step or 0) if self.checkpoint else 0

    @property
    def log_path(self) -> Path:
        """The structured log, absolute."""
        return self.workspace / (self.settings.log_file or "")

    @property
    def tokenizer(self) -> dict[str, Any] | None:
        """The tokenizer that the run must use, where a checkpoint or a base model brings one."""
        info = self.checkpoint or self.base
        return info.tokenizer if info else None

    def argv(self) -> list[str]:
        """The equivalent command line after `mypt train`: what was asked for, nothing that would come by itself."""
        request = self.request
        args = ["--model_name", self.model_name]
        if request.config_file:
            args = ["--config_file", request.config_file, *args]
        if request.init_from_model:
            args += ["--init_from_model", request.init_from_model]
        if request.resume_from != "last":
            args += ["--resume_from", request.resume_from]
        if request.reset_optimizer:
            args += ["--reset_optimizer"]
        for name, value in request.given.items():
            text = as_text(value)
            # A value that begins like a flag would be taken for one.
            args += [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
        return args

    def held(self, name: str) -> bool:
        """Whether a value given for this setting would lose: the preset, the checkpoint or the base decides it."""
        rule, kind = fields.rule(name), self.values[name].source.kind
        if rule in (Rule.TRAINING, Rule.DEVICE) or (self.mode is Mode.RESUME and rule is Rule.LIVE):
            # A model that exists was made with its tokens.
            return name == "tokenization" and kind in ("checkpoint", "base model", "dataset")
        if self.mode is Mode.FINE_TUNE and rule is not Rule.SHAPE:
            return kind == "preset"
        return kind in ("preset", "checkpoint", "base model")

    def summary(self, parameters: int) -> dict[str, Any]:
        """The settings that lists and filters of runs show, as JSON values."""
        s = self.settings
        names = (
            "max_iters",
            "learning_rate",
            "batch_size",
            "block_size",
            "grad_accum_steps",
            "seed",
            "dropout",
        )
        first = s.curriculum.phases[0].dataset_dir if s.curriculum else None
        return {
            **{name: getattr(s, name) for name in names},
            "preset": self.preset.label if self.preset else None,
            "base": self.base.name if self.base else None,
            "data": s.dataset_dir or s.input_file or first,
            "parameters": parameters,
        }


def warmup_steps(settings: Settings) -> int:
    """Updates of linear warm-up: `warmup_iters`, or that fraction of `max_iters`; never more than `max_iters`."""
    warmup = settings.warmup_iters
    steps = round(warmup * settings.max_iters) if 0 < warmup < 1 else int(warmup)
    return min(steps, settings.max_iters)
