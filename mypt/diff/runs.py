"""A run as a side of a comparison: what its log, its record and, where there is one, its checkpoint say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mypt.bundle import BundleInfo
from mypt.diff.names import group_of_config
from mypt.diff.sides import Side, results_of, side_of
from mypt.diff.values import same
from mypt.errors import UserError
from mypt.text import printable
from mypt.watch.history import RunHistory
from mypt.watch.run import Run

COMMAND_LINE = "command line"
# Of a start's config: what is worked out from the rest, or said elsewhere, or in other words than the settings have.
_NO_SETTINGS = frozenset({"tokens_per_step", "resumed", "start_step", "base", "use_amp", "amp_dtype"})
# What a log tells in other words than a checkpoint: a guess of the vocabulary, a share of the steps, a filled-in name.
_IN_OTHER_WORDS = frozenset({"vocab_size", "warmup_iters", "log_file"})
_OF_CONFIG_JSON = frozenset(
    {
        "batch_size",
        "block_size",
        "dropout",
        "bias",
        "tie_weights",
        "use_loss_mask",
        "rope_theta",
        "rope_scale",
    }
)
MAY_BE_UNSET = (
    *("input_file", "dataset_dir", "eval_dataset_dir", "eval_sets", "curriculum", "tokenizer_file"),
    *("save_every", "sample_interval", "gold_selection", "pad_token_id"),
)
"""The settings that can have no value: a log that has all others leaves these out."""
# The parts of a model that a fine-tune may have otherwise than its base.
_OWN_IN_FINE_TUNES = frozenset({"block_size", "rope_scale", "rope_theta", "parameters"})


def side_of_run(
    run: Run, checkpoint: BundleInfo | None = None, preset: Mapping[str, Any] | None = None
) -> Side:
    """A run as a side.

    `checkpoint` is the last bundle that this run saved, which knows its tokenizer and all of its shape. A log that does
    not say where settings came from leaves that to the recorded command, to `preset` (the values of the preset that the
    run names, where they are those of the run) and to the base.
    """
    name = printable(run.label or run.name, newline=False)
    if checkpoint is not None and not checkpoint.problem:
        return _with_checkpoint(name, run, checkpoint)
    settings, base = _settings(run), _base(run)
    model = {key: value for key, value in run.history.model.items() if key != "total_params"}
    state: dict[str, Any] = {"training_config": settings}
    if base:
        state["base"] = {"name": base}
    elif "base" in run.history.config and not run.history.config.get("resumed"):
        state["base"] = None
    if run.history.runtime:
        state["numerics"] = {k: v for k, v in run.history.runtime.items() if k != "device_name"}
    config = model | {name: value for name, value in settings.items() if name in _OF_CONFIG_JSON}
    sources = _sources(run, settings | config, preset or {}, base)
    return Side(name, config, state, _results(run), sources=sources, partial=True)


class Reached(NamedTuple):
    """Updates done, and the validation loss; `at` is the step that this is of, where it is an earlier one."""

    step: int | None
    loss: float | None
    at: int | None = None


def reached(info: BundleInfo, history: RunHistory | None = None) -> Reached:
    """How far a checkpoint is, and how good: as the bundle says, else as the log of its run does."""
    told = results_of(info)
    step = info.step
    for name in ("val_loss", "gold_loss"):
        value = told.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            at = info.val_step if name == "val_loss" else _best_step(info)
            return Reached(step, float(value), None if at == step else at)
    column = history.curves.get("val") if history else None
    point = column.nearest("step", step) if column and step is not None else None
    # The original's last bundle says one step less than it has done.
    if point is not None and step is not None and point.step - step in (0, 1):
        return Reached(step, point.y)
    return Reached(step, None)


def _best_step(info: BundleInfo) -> int | None:
    gold = info.training_state.get("gold")
    step = gold.get("best_step") if isinstance(gold, dict) else None
    return step if isinstance(step, int) and not isinstance(step, bool) else info.step


def flags(command: Sequence[str]) -> dict[str, str]:
    """The settings that a recorded command line gives, as text."""
    words = list(command)
    if "train" in words:
        words = words[words.index("train") + 1 :]
    found = {}
    for place, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        follows = words[place + 1] if place + 1 < len(words) else ""
        found[name.replace("-", "_")] = value if equals else "true" if follows.startswith("--") else follows
    return found


def preset_of(run: Run) -> str:
    """The preset that a run names, empty where it names none."""
    named = run.history.config.get("config_file")
    return named if isinstance(named, str) else ""


def preset_values(workspace: Path, name: str) -> dict[str, Any]:
    """The values of a preset; empty where there is none of that name (any more), or it is broken.

    Imports what validates presets, which takes a moment.
    """
    from mypt.settings.presets import find_preset, load_preset

    if not name:
        return {}
    try:
        return dict(load_preset(find_preset(workspace, name), workspace).values)
    except UserError:
        return {}


def _with_checkpoint(name: str, run: Run, checkpoint: BundleInfo) -> Side:
    """The checkpoint's settings, with what the last start had otherwise; the results are the log's, which is further."""
    side = side_of(checkpoint)
    saved = checkpoint.training_config
    newer = {k: v for k, v in _settings(run).items() if k in saved and not same(saved[k], v)}
    config = dict(side.config) | {k: v for k, v in newer.items() if k in side.config}
    state = dict(side.training_state)
    state["training_config"] = saved | newer
    sources = side.sources
    if sources is not None and newer:
        sources = {k: v for k, v in sources.items() if k not in newer}
        sources |= {k: v for k, v in _sources(run, newer, {}, "").items() if k in newer}
    told = dict(side.results) | _results(run)
    return replace(
        side,
        name=name,
        config=config,
        training_state=state,
        results={k: v for k, v in told.items() if k != "size"},
        files={},
        sources=sources,
    )


def _settings(run: Run) -> dict[str, Any]:
    """Every setting that the log tells of the last start."""
    history = run.history
    told = {name: value for name, value in history.config.items() if name not in _NO_SETTINGS}
    if not history.settings:
        return told
    every = {name: value for name, value in history.settings.items() if name not in _IN_OTHER_WORDS}
    return told | dict.fromkeys(MAY_BE_UNSET) | every


def _base(run: Run) -> str:
    """The model that a run began with: a resumed process does not say it again, its first one did."""
    said = [run.history.config.get("base"), *(record.settings.get("base") for record in run.attempts)]
    return next((value for value in said if isinstance(value, str) and value), "")


def _sources(run: Run, settings: Mapping[str, Any], preset: Mapping[str, Any], base: str) -> dict[str, str]:
    if run.history.sources:
        defaults = dict.fromkeys([*MAY_BE_UNSET, *run.history.settings], "default")
        return defaults | {name: str(source) for name, source in run.history.sources.items()}
    record = run.record
    given = flags(record.command) if record is not None else {}
    sources = {}
    for name, value in settings.items():
        if name == "config_file":
            continue
        if base and group_of_config(name) == "Model" and _is_shape(name, run):
            sources[name] = f"base model {base}"
        elif name in given:
            sources[name] = COMMAND_LINE
        elif name in preset and same(preset[name], value):
            sources[name] = f"preset {preset_of(run)}"
    return sources


def _is_shape(name: str, run: Run) -> bool:
    return name in run.history.model and name not in _OWN_IN_FINE_TUNES


def _results(run: Run) -> dict[str, Any]:
    told, curves = run.summary, run.history.curves
    measured = curves["val"].last() if "val" in curves else None
    results = {
        "state": run.state.value.replace("_", " "),
        "step": told.step,
        "val_loss": told.val_loss,
        "val_step": measured.step if measured else None,
        "gold_loss": told.gold_val,
        "gold_step": told.gold_step,
        "lowest_loss": told.best_val,
        "lowest_step": told.best_step,
        "train_loss": told.train_loss,
        "parameters": told.total_params,
        "tokens": round(told.tokens) or None,
        "trained_s": told.elapsed_s or None,
        "tokens_per_sec": told.tokens_per_sec,
    }
    return {name: value for name, value in results.items() if value is not None}
