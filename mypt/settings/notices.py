"""What the user of a run should be told about its settings: what was ignored, and what ends exactness."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from mypt.bundle import BundleInfo
from mypt.settings import fields
from mypt.settings.fields import Rule, Settings
from mypt.settings.precedence import Layers
from mypt.settings.request import DEFAULT, Effective, as_text
from mypt.settings.resolved import warmup_steps
from mypt.settings.schedule import learning_rate
from mypt.text import rate

# Less of a change in the learning rate than by this factor shows in no curve.
_JUMP = 1.25
_LARGEST = 1e15


def ignored(values: Iterable[Effective], layers: Layers) -> list[str]:
    """A sentence for each value that somebody asked for and that lost: against whom, and how to get it all the same."""
    lost = [(e, value, source) for e in values for value, source in e.ignored]
    said = [
        f"{e.name}={as_text(value)} ({source}) is ignored: {e.source} has {as_text(e.value)}"
        + (f"; --{e.name} changes it" if source.kind == "preset" and _may_change(e) else "")
        + ("; --tie_weights ties it, by averaging the two" if _may_be_tied(e, value) else "")
        for e, value, source in lost
    ]
    wishes = [f"--{e.name}={as_text(value)}" for e, value, _ in lost if e.source.kind == "preset"]
    if wishes:
        preset = layers.request.config_file or ""
        command = shlex.join(["mypt", "train", "--config_file", preset, *wishes, "--save_preset", "NAME"])
        what = "it" if len(wishes) == 1 else "them"
        said.append(f"a preset is used whole; to have {what}, save one of your own: {command}")
    return said


def _may_be_tied(effective: Effective, asked: object) -> bool:
    return effective.name == "tie_weights" and effective.source.kind == "base model" and asked is True


def _may_change(effective: Effective) -> bool:
    return fields.rule(effective.name) in (Rule.TRAINING, Rule.LIVE) and effective.name != "tokenization"


def inexact(values: Iterable[Effective], layers: Layers) -> list[str]:
    """What a flag changes in a resumed run although the checkpoint has it otherwise, and what that means."""
    saved, source = layers.layer("checkpoint") or ({}, DEFAULT)
    return [
        f"{e.name} changes from {as_text(saved[e.name])} ({source}) to {as_text(e.value)} ({e.source}): "
        "from here on the run is no exact continuation"
        for e in values
        if fields.rule(e.name) is Rule.LIVE and e.name in saved and saved[e.name] != e.value
    ]


def jump_of_rate(settings: Settings, checkpoint: BundleInfo) -> str:
    """That the learning rate of a resumed run does not go on where it was, since its schedule has another length.

    Empty where it does, and where another peak was asked for: that is no surprise.
    """
    saved, step = checkpoint.training_config, checkpoint.step or 0
    peak, total, warmup = (saved.get(name) for name in ("learning_rate", "max_iters", "warmup_iters"))
    # A file may hold what is no number of updates, or one of three hundred digits.
    numbers = [v for v in (peak, total, warmup) if isinstance(v, int | float) and abs(v) < _LARGEST]
    no_surprise = peak != settings.learning_rate or total == settings.max_iters
    if len(numbers) < 3 or no_surprise or not 1 <= step < settings.max_iters:
        return ""
    before = learning_rate(step, peak=numbers[0], warmup=int(numbers[2]), total=int(numbers[1]))
    after = learning_rate(
        step + 1, peak=settings.learning_rate, warmup=warmup_steps(settings), total=settings.max_iters
    )
    if before <= 0 or after <= 0 or 1 / _JUMP < after / before < _JUMP:
        return ""
    said = (
        f"the learning rate goes on at {rate(after)}, after {rate(before)} at step {step}: its cosine now ends at "
        f"{settings.max_iters}, not at {as_text(total)}"
    )
    if after < before:
        return said
    # Where the cosine has come to by now, it is that share of its peak.
    gentle = settings.learning_rate * before / after
    return f"{said}; the loss may rise at first; --learning_rate {gentle:.2g} goes on where it was"
