"""Write a checkpoint for other programs (a Hugging Face folder), or a light copy of it in half precision."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mypt.cli.stops import stopped_by_signals
from mypt.errors import UserError
from mypt.interop import export
from mypt.text import printable, size, whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which checkpoint, as what, to where."""
    # Any number, so that flags may stand before and behind it; `run` wants one.
    parser.add_argument("model", nargs="*", metavar="MODEL", help="a checkpoint: dante, dante_gold, a path")
    parser.add_argument("--model_name", metavar="NAME", help="the same as MODEL")
    parser.add_argument(
        "--format",
        choices=export.FORMATS,
        default="hf",
        help="hf: what transformers loads; fp16, bf16: a MyPT checkpoint without optimizer [hf]",
    )
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        help="where to [exports/MODEL_FORMAT; for fp16 of a last checkpoint checkpoints/MODEL_fp16]",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an export that is there already")
    parser.add_argument(
        "--dry_run", action="store_true", help="say what would be written, or why it cannot be, and stop"
    )
    parser.add_argument("--json", action="store_true", help="say it as one JSON object")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Plan, write unless asked not to, and say what was written and how to load it."""
    try:
        planned = export.plan(
            _named(options),
            options.format,
            options.output_dir,
            overwrite=options.overwrite,
            workspace=workspace,
        )
        if not options.dry_run:
            # What was there before stays until the export is whole.
            with stopped_by_signals(lambda: f"{planned.shown} is as it was before"):
                export.write(planned, workspace)
    except UserError as error:
        if options.json:
            print(json.dumps({"problems": [str(problem) for problem in error.problems]}, indent=2))
        raise
    if options.json:
        print(json.dumps({**planned.to_json(), "written": not options.dry_run, "problems": []}, indent=2))
        return 0
    verb = "would be" if options.dry_run else "is"
    print(printable(f"{planned.shown} {verb} written: {planned.info.name} as {_what(planned)}"))
    width = max(map(len, planned.files))
    for name in planned.files:
        length = None if options.dry_run else (planned.target / name).stat().st_size
        about = f"about {size(planned.bytes)}" if name.startswith("model.") else ""
        print(f"  {name:<{width}}  {about if length is None else size(length)}".rstrip())
    if planned.there:
        print(f"  {'It would replace' if options.dry_run else 'It replaced'} the export that was there.")
    print(printable(f"To load it: {planned.load}"))
    return 0


def _named(options: argparse.Namespace) -> str:
    names = [*options.model, *([options.model_name] if options.model_name is not None else [])]
    if len(names) != 1 or not names[0]:
        found = ", ".join(names) if any(names) else "none"
        raise UserError(f"mypt export: name one checkpoint (got {found}): mypt export dante_gold")
    name: str = names[0]
    return name


def _what(planned: export.Plan) -> str:
    from mypt.estimate import parameters

    count = f"{whole(parameters(planned.config))} parameters, tokenizer: {planned.tokenizer.describe()}"
    if planned.counterpart:
        return f"{planned.architecture} of transformers in fp32, {count}"
    return f"a MyPT checkpoint in {planned.format} without optimizer, {count}"
