"""Show what a checkpoint holds: config, tokenizer, training state, files. Loads no weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from mypt import bundle
from mypt.errors import MyptError
from mypt.estimate import parameters
from mypt.settings.model_config import GPTConfig
from mypt.settings.paths import in_workspace
from mypt.text import printable, size

_FIRST = ("max_iters", "eval_interval", "eval_iters", "learning_rate", "start_step")


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
    rest = [name for name in info.config if name not in fields]
    print("\n=== CONFIG ===")
    print(printable(", ".join(f"{name}:{info.config[name]}" for name in fields if name in info.config)))
    for name in rest:
        print(printable(f"  {name:<24}: {info.config[name]}"))
    try:
        print(f"  {'parameters':<24}: {parameters(GPTConfig.from_dict(info.config)):,}")
    except MyptError as error:
        print(f"  parameters unknown: {error}")
    print(f"\n=== TOKENIZER ===\n{_tokenizer(info.tokenizer)}")
    _state(info)
    print("\n=== FILES ===")
    for name, length in sorted(info.files.items()):
        print(printable(f"{name:<24}: {size(length)}"))
    return 0


def _tokenizer(tokenizer: dict[str, object]) -> str:
    kind = str(tokenizer.get("token_kind", "unknown"))
    vocabulary = {
        "gpt2": "GPT-2 BPE (fixed ~50k tokens)",
        "char": f"{len(tokenizer.get('chars') or [])} characters",  # type: ignore[arg-type]
        "bpe": "byte-pair encoding of its own (tokenizer.json)",
    }.get(kind, "unknown")
    return printable(f"kind      : {kind}\nvocab     : {vocabulary}")


def _state(info: bundle.BundleInfo) -> None:
    print("\n=== TRAINING STATE ===")
    print(f"Last recorded training step: {'unknown' if info.step is None else info.step}")
    config = info.training_config
    if config:
        print("\nTraining hyperparameters:")
        for name in _FIRST:
            print(printable(f"  {name:<14}: {config.get(name, 'N/A')}"))
        for name, value in config.items():
            if name not in _FIRST and value is not None and not isinstance(value, dict):
                print(printable(f"  {name:<22}: {value}"))
    gold = info.training_state.get("gold")
    if isinstance(gold, dict) and gold.get("gold_step") is not None:
        print(printable(f"\nGold: step {gold['gold_step']}, val_loss {gold.get('best')}"))
    if info.base:
        print(printable(f"\nFine-tuned from: {info.base}"))
