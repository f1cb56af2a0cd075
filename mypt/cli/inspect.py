"""Show what a checkpoint holds: config, tokenizer, training state, files. Loads no weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.errors import MyptError
from mypt.estimate import parameters
from mypt.interop.target import TOKEN_NUMBERS
from mypt.settings.model_config import GPTConfig
from mypt.settings.paths import in_workspace
from mypt.text import loss, printable, size

_FIRST = ("max_iters", "eval_interval", "eval_iters", "learning_rate", "start_step")
# What of `training_state.json` has a place of its own in what is printed.
_TOLD = (
    "step",
    "optimizer_file",
    "training_config",
    "progress",
    "gold",
    "base",
    "sources",
    "imported",
    "recent_loss",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which checkpoint."""
    parser.add_argument(
        "--model_name", required=True, metavar="NAME", help="a checkpoint: dante, dante_gold, a path"
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Print it."""
    info = bundle.find(workspace / "checkpoints", in_workspace(options.model_name, workspace))
    shown = info.path.relative_to(workspace) if info.path.is_relative_to(workspace) else info.path
    print(f"=== FORMAT ===\nNew JSON-based format\nLocation: {printable(str(shown))}")
    fields = (
        "batch_size",
        "block_size",
        "vocab_size",
        "n_embd",
        "n_head",
        "n_layer",
        "dropout",
        "bias",
        "device",
    )
    print("\n=== CONFIG ===")
    print(printable(", ".join(f"{name}:{info.config[name]}" for name in fields if name in info.config)))
    rest = {name: value for name, value in info.config.items() if name not in fields}
    try:
        rest["parameters"] = f"{parameters(GPTConfig.from_dict(info.config)):,}"
    except MyptError as error:
        rest["parameters"] = f"unknown: {error}"
    classifier = rest.pop("classifier", None)
    _fields(rest)
    if isinstance(classifier, dict):
        print("\n=== CLASSIFIER ===")
        _fields(classifier)
    print(f"\n=== TOKENIZER ===\n{_tokenizer(info.tokenizer)}")
    _state(info)
    print("\n=== FILES ===")
    width = max(map(len, info.files), default=0)
    for name, length in sorted(info.files.items()):
        print(printable(f"{name:<{width}}: {size(length)}"))
    return 0


def _tokenizer(tokenizer: dict[str, object]) -> str:
    kind, chars = str(tokenizer.get("token_kind", "unknown")), tokenizer.get("chars")
    vocabulary = {
        "gpt2": "GPT-2 BPE (fixed ~50k tokens)",
        "char": f"{len(chars) if isinstance(chars, list) else 0} characters",
        "bpe": "byte-pair encoding of its own (tokenizer.json)",
    }.get(kind, "unknown")
    if tokenizer.get(TOKEN_NUMBERS):
        vocabulary = "numbers of tokens: none came along with the import"
    return printable(f"kind      : {kind}\nvocab     : {vocabulary}")


def _state(info: bundle.BundleInfo) -> None:
    print("\n=== TRAINING STATE ===")
    print(f"Last recorded training step: {'unknown' if info.step is None else info.step}")
    config = info.training_config
    if config:
        print("\nTraining hyperparameters:")
        for name in _FIRST:
            print(printable(f"  {name:<14}: {config.get(name, 'N/A')}"))
        # The shape of the model stands above already.
        _fields({k: v for k, v in config.items() if k not in _FIRST and v != info.config.get(k)})
    state = info.training_state
    if isinstance(state.get("sources"), dict) and state["sources"]:
        print("\nNot by default:")
        _fields(_by_source(state["sources"]))
    progress, gold = state.get("progress"), state.get("gold")
    if isinstance(progress, dict):
        measured = {name: progress.get(name) for name in ("val_loss", "train_loss")}
        shown = ", ".join(f"{name} {loss(v)}" for name, v in measured.items() if isinstance(v, int | float))
        if shown:
            earlier = info.val_step != info.step and measured["val_loss"] is not None
            print(f"\nLast losses: {shown}" + (f" (val_loss of step {info.val_step})" if earlier else ""))
    if isinstance(gold, dict) and gold.get("gold_step") is not None:
        best = gold.get("best")
        shown = f", val_loss {loss(best)}" if isinstance(best, int | float) else ""
        score = gold.get("score")
        shown += f", macro_f1 {loss(score)}" if isinstance(score, int | float) else ""
        print(printable(f"\nGold: step {gold['gold_step']}{shown}"))
    if info.base:
        base = state["base"].get("step")
        print(printable(f"\nFine-tuned from: {info.base}" + ("" if base is None else f" (step {base})")))
    if isinstance(state.get("imported"), dict):
        print("\nImported from:")
        _fields(state["imported"])
    others = {k: v for k, v in state.items() if k not in _TOLD}
    if others:
        print("\nMore:")
        _fields(others)


def _by_source(sources: dict[str, Any]) -> dict[str, str]:
    """Source → the settings that came from it."""
    found: dict[str, list[str]] = {}
    for name, source in sources.items():
        article = "" if str(source).startswith(("the ", "mypt.")) else "the "
        found.setdefault(f"from {article}{source}", []).append(name)
    return {source: ", ".join(names) for source, names in found.items()}


def _fields(values: dict[str, Any]) -> None:
    """Names and values in two columns; those without a value are left out."""
    given = {name: value for name, value in values.items() if value is not None}
    width = max(map(len, given), default=0)
    for name, value in given.items():
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        print(printable(f"  {name:<{width}}: {shown}", newline=False))
