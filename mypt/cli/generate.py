"""Let a model write: text streams to standard output as it is drawn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.settings.paths import in_workspace
from mypt.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, from where, how far and how boldly."""
    parser.add_argument(
        "--model_name", required=True, metavar="NAME", help="a checkpoint: dante, dante_gold, a path"
    )
    parser.add_argument("--prompt", default="", help="what the text goes on from [a line break]")
    parser.add_argument("--max_new_tokens", type=int, default=300, help="tokens to write [300]")
    parser.add_argument(
        "--temperature", type=float, default=0.8, help="0 takes the likeliest token always [0.8]"
    )
    parser.add_argument("--top_k", type=int, help="draw from the k likeliest tokens only")
    parser.add_argument(
        "--top_p", type=float, help="draw from the likeliest tokens of this total probability"
    )
    parser.add_argument(
        "--repetition_penalty", type=float, default=1.0, help="above 1: less repetition [1.0]"
    )
    parser.add_argument("--seed", type=int, help="the same seed writes the same text")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps [auto]")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Load the checkpoint and write."""
    info = bundle.find(workspace / "checkpoints", in_workspace(options.model_name, workspace))
    from mypt import tokenizers

    tokenizer = tokenizers.from_dict(info.tokenizer, where=f"{info.name}/tokenizer.json")
    missing = tokenizer.unknown(options.prompt)
    if missing:
        shown = " ".join(repr(c) for c in missing[:20])
        raise UserError(
            Problem(
                f"holds characters that {info.name} has never seen: {shown}",
                field="prompt",
                value=options.prompt,
                remedy="leave them away",
            )
        )
    tokenizer.check_ready()
    from mypt.generate import generate_text
    from mypt.training import checkpointing
    from mypt.training.numerics import pick_device

    model = checkpointing.load_model(info).to(pick_device(options.device)).eval()
    pieces = generate_text(
        model,
        tokenizer,
        options.prompt,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        repetition_penalty=options.repetition_penalty,
        seed=options.seed,
        valid_vocab=min(tokenizer.valid_vocab, model.config.vocab_size),
    )
    _write(options.prompt)
    for piece in pieces:
        _write(piece)
    _write("\n")
    return 0


def _write(text: str) -> None:
    # On a terminal a model's control characters must not act; a file gets the text as it is.
    shown = printable(text) if sys.stdout.isatty() else text
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(shown.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
