"""Bring a checkpoint of another program into the workspace, or show what it is."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt.cli.stops import stopped_by_signals
from mypt.errors import MyptError, UserError, raise_for
from mypt.interop.preview import Preview
from mypt.interop.target import why_no_target
from mypt.text import count, loss, printable, size, whole

if TYPE_CHECKING:
    from mypt.interop.checkpoints import Recognised


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to import, under which name, and what its file does not say."""
    parser.usage = "mypt import CHECKPOINT --model_name NAME [flags]"
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a file (ckpt.pt, best_state_step….pt, latest.pt) or a folder (Hugging Face, MyPT)",
    )
    parser.add_argument("--model_name", metavar="NAME", help="what to call it: checkpoints/NAME")
    parser.add_argument(
        "--tokenizer",
        metavar="FILE",
        help="its tokenizer: a tokenizer.json, nanoGPT's meta.pkl, or gpt2 [what comes along]",
    )
    parser.add_argument("--n_head", type=int, metavar="N", help="attention heads, where shapes cannot tell")
    parser.add_argument(
        "--max_seq_len", type=int, metavar="N", help="context in tokens, where the file does not fix it"
    )
    parser.add_argument("--dry_run", action="store_true", help="say what it is and write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Look at it, say what it is, and write the bundle."""
    if options.json:
        return _run_as_json(options, workspace)
    _check_name(options, workspace)
    seen = _recognise(options)
    _show(seen)
    if not options.dry_run:
        _import(seen, workspace, options)
        _say_done(seen, options.model_name)
    return 0


def _run_as_json(options: argparse.Namespace, workspace: Path) -> int:
    preview, code = Preview(options.checkpoint), 0
    try:
        if not options.dry_run:
            _check_name(options, workspace)
        seen = _recognise(options)
        preview = _preview(seen, options.checkpoint)
        # In a preview one wants to see what it is, whatever is wrong with the name.
        _check_name(options, workspace)
        if not options.dry_run:
            preview = replace(preview, imported=str(_import(seen, workspace, options)))
    except MyptError as error:
        preview, code = replace(preview, problem=str(error)), error.exit_status
    print(preview.to_json())
    return code


def _check_name(options: argparse.Namespace, workspace: Path) -> None:
    if options.model_name is None and not options.dry_run:
        raise UserError("--model_name: what shall it be called? --dry_run only shows what it is")
    if options.model_name is not None:
        raise_for(why_no_target(workspace, options.model_name))


def _recognise(options: argparse.Namespace) -> Recognised:
    # Only now: torch takes a second to import, which a name that is taken need not wait for.
    from mypt.interop.checkpoints import recognise
    from mypt.interop.formats import Asked

    asked = Asked(n_head=options.n_head, max_seq_len=options.max_seq_len)
    return recognise(Path(options.checkpoint), asked, options.tokenizer)


def _import(seen: Recognised, workspace: Path, options: argparse.Namespace) -> Path:
    from mypt.interop.importing import import_checkpoint

    name = options.model_name

    def what() -> str:
        there = (workspace / "checkpoints" / name).is_dir()
        return f"checkpoints/{name} {'is imported' if there else 'was not made'}"

    with stopped_by_signals(what):
        return import_checkpoint(seen, workspace, name, command=sys.argv)


def _preview(seen: Recognised, path: str) -> Preview:
    from mypt.interop.importing import bundle_size

    return Preview(
        path=path,
        title=seen.plan.title,
        info={name: value for name, value in seen.info.items() if name not in ("notes", "tokenizer")},
        tokenizer=seen.chosen.words,
        tokenizer_known=seen.chosen.known,
        notes=tuple(seen.notes),
        size=bundle_size(seen),
    )


def _show(seen: Recognised) -> None:
    rows = _rows(seen.info, seen.plan.title, seen.chosen.words)
    width = max(len(name) for name, _ in rows)
    print(printable(f"Checkpoint: {seen.found.path}"))
    for name, value in rows:
        print(printable(f"  {name:<{width}}: {value}"))
    for note in seen.notes:
        print(printable(f"Note: {note}"))


def _rows(info: dict[str, Any], title: str, tokenizer: str) -> list[tuple[str, str]]:
    """What was found, line by line, in the order in which people want to know it."""
    rows, true = info["vocab_size"], info["true_vocab_size"]
    padded = info.get("head_rows", rows)
    vocabulary = f"{whole(true)} tokens" if padded == true else f"{whole(true)} tokens in {whole(rows)} rows"
    if padded != rows:
        vocabulary += f", {whole(padded)} in the head"
    heads = whole(info["num_heads"])
    if "num_kv_heads" in info:
        heads += f" of queries, {whole(info['num_kv_heads'])} of keys and values"
    trained = [f"step {whole(info['step'])}"] if info["step"] is not None else []
    trained += [f"val_loss {loss(info['loss'])}"] if info["loss"] is not None else []
    kinds = f"{info['pos_encoding']} positions, {info['mlp_type']}, {info['norm_type']}"
    return [
        ("format", title),
        ("layers", whole(info["num_layers"])),
        ("heads", f"{heads}, each {whole(info['head_dim'])} wide"),
        ("width", whole(info["model_dim"])),
        ("vocabulary", vocabulary),
        ("context", f"{whole(info['max_seq_len'])} tokens"),
        ("parameters", f"{info['parameters']:,} ({count(info['parameters'])})"),
        ("network", kinds + (", head tied to the embedding" if info["tie_weights"] else "")),
        ("stored as", info["dtype"]),
        ("trained", ", ".join(trained) or "not recorded"),
        ("tokenizer", tokenizer),
    ]


def _say_done(seen: Recognised, name: str) -> None:
    from mypt.interop.importing import bundle_size

    quoted = shlex.quote(name)
    print(printable(f"Imported: checkpoints/{name} ({size(bundle_size(seen))})"))
    print(printable(f"  Generate: mypt generate --model_name {quoted}"))
    print(
        printable(
            f"  Fine-tune: mypt train --init_from_model {quoted} --model_name {quoted}_tuned --input_file TEXT"
        )
    )
