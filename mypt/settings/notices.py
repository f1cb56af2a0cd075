"""What the user of a run should be told about its settings: what was ignored, and what ends exactness."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from mypt.settings import fields
from mypt.settings.fields import Rule
from mypt.settings.precedence import Layers
from mypt.settings.request import DEFAULT, Effective, as_text


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
