"""Make a dataset from texts or conversations.

Plain text: files and folders (all text and source files below, in order). Each file is a document. Tokens are those
of the text as it is, byte for byte; between two documents stands the end-of-text token, or a line break for char.
Texts in JSONL files, {"text": "..."} a line: each line is a document; plain text may stand beside them.
Conversations in JSONL files, {"messages": [...]} a line: made into episodes with loss masks.

Validation is a tenth, drawn as whole documents by --seed; where a document is larger than that tenth, it is the end
of every document instead, and for a single file the same split as train --input_file makes.

The folder appears when it is whole. Stopped at any moment, prepare leaves nothing behind that could be taken for a dataset.
"""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from mypt.cli.progress import Steps
from mypt.cli.stops import stopped_by_signals
from mypt.data.prepare.request import (
    SEED,
    TOKENS_PER_SHARD,
    VAL_FRACTION,
    ChatOptions,
    PreparedSummary,
    PrepareRequest,
    TokenizerChoice,
)
from mypt.errors import Problem, UserError
from mypt.text import whole
from mypt.tokenizers.base import KINDS
from mypt.training.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What goes in, where it goes, how it is tokenized and split."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "mypt prepare INPUT ... --output_dir DIR [flags]"
    data = parser.add_argument_group("data")
    data.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="text files, folders, .jsonl files of texts or chats"
    )
    _add(
        data,
        "--input_file",
        "--input_files",
        "--input_dir",
        "--input",
        several=True,
        metavar="INPUT",
        help="the same, as a flag",
    )
    _add(data, "--output_dir", "--out_dir", metavar="DIR", help="the dataset folder to make, as data/stories")
    data.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the dataset that is there, when the new one is whole",
    )
    _add(
        data,
        "--pattern",
        several=True,
        metavar="GLOB",
        help="what to take from folders, as '*.txt' [texts and source code; hidden files never]",
    )
    _add(
        data,
        "--split_on",
        default="",
        metavar="TEXT",
        help=r"text in plain files where one document ends and the next begins, as '<|endoftext|>\n'; it is not kept",
    )
    _add(
        data,
        "--text_field",
        metavar="NAME",
        help="the field of a JSONL file's lines that is the text, as content [text]",
    )
    tokens = parser.add_argument_group("tokens")
    tokens.add_argument(
        "--tokenization", choices=KINDS, help="[gpt2; bpe with --tokenizer_file; that of --tokenizer_from]"
    )
    _add(
        tokens, "--tokenizer_file", metavar="FILE", help="a tokenizer.json, as mypt tokenizer train makes it"
    )
    _add(
        tokens,
        "--tokenizer_from",
        metavar="NAME",
        help="a model or dataset whose tokenizer to use: needed for char data that an existing model shall read",
    )
    _add(
        tokens,
        "--separator",
        default="auto",
        metavar="TEXT",
        help=r"between documents: a text such as '\n\n', none, or auto [auto: the end-of-text token; \n for char]",
    )
    _add(
        tokens,
        "--tokens_per_shard",
        type=int,
        default=TOKENS_PER_SHARD,
        metavar="N",
        help=f"tokens in a file [{TOKENS_PER_SHARD}]",
    )
    held = parser.add_argument_group("validation")
    _add(
        held,
        *("--val_fraction", "--val_split"),
        type=float,
        default=VAL_FRACTION,
        metavar="F",
        help=f"share for validation, 0 to 1; 1 makes an evaluation set [{VAL_FRACTION}]",
    )
    _add(
        held,
        *("--val_file", "--val_files"),
        several=True,
        metavar="INPUT",
        help="validation from these files or folders instead",
    )
    held.add_argument(
        "--hold_out",
        choices=("auto", "documents", "tails"),
        default="auto",
        help="keep whole documents, or the end of each [auto: see above]",
    )
    _add(
        held, "--seed", type=int, default=SEED, metavar="N", help=f"decides which documents are kept [{SEED}]"
    )
    chat = parser.add_argument_group("conversations")
    _add(
        chat,
        "--pack_block_size",
        type=int,
        metavar="N",
        help="pack episodes into blocks of N tokens, isolated from each other [each on its own]",
    )
    _add(chat, "--system_prompt", metavar="TEXT", help="instead of the files' own; '' leaves it out")
    work = parser.add_argument_group("work")
    _add(
        work,
        "--num_proc",
        type=int,
        default=_cores(),
        metavar="N",
        help=f"processes, each with some 100 MB; the result is the same with any number [{_cores()}]",
    )


def _add(
    group: argparse._ArgumentGroup, name: str, *others: str, several: bool = False, **settings: Any
) -> None:
    """A flag with other names that people know it by, which the help leaves out."""
    if several:
        settings |= {"nargs": "+", "action": "extend", "default": []}
    own = group.add_argument(name, **settings)
    for other in others:
        group.add_argument(
            other, dest=own.dest, **{**settings, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
        )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Make the dataset and say what came of it."""
    request = request_of(options, workspace)
    console = Console()
    not_made = f"{request.shown(request.output)} was not made, and nothing is left of it"
    try:
        with stopped_by_signals(lambda: not_made):
            made = prepare(request, Steps(console))
    finally:
        console.close()
    _report(console, request, made)
    return 0


def request_of(options: argparse.Namespace, workspace: Path) -> PrepareRequest:
    """What the flags ask for. Paths are meant from the workspace."""
    if not options.output_dir:
        raise UserError(
            Problem("is missing", field="output_dir", remedy="name the folder to make, as data/stories")
        )

    def paths(names: list[str]) -> tuple[Path, ...]:
        return tuple(workspace / Path(name).expanduser() for name in names)

    return PrepareRequest(
        inputs=paths([*options.inputs, *options.input_file]),
        output=workspace / Path(options.output_dir).expanduser(),
        workspace=workspace,
        tokenizer=TokenizerChoice(
            kind=options.tokenization,
            file=workspace / options.tokenizer_file if options.tokenizer_file else None,
            source=options.tokenizer_from,
        ),
        val_fraction=options.val_fraction,
        val_files=paths(options.val_file),
        seed=options.seed,
        num_proc=options.num_proc,
        tokens_per_shard=options.tokens_per_shard,
        overwrite=options.overwrite,
        patterns=tuple(options.pattern),
        separator=options.separator,
        split_on=options.split_on,
        text_field=options.text_field or None,
        hold_out=options.hold_out,
        chat=ChatOptions(pack_block_size=options.pack_block_size, system_prompt=options.system_prompt),
    )


def prepare(request: PrepareRequest, progress: Steps) -> PreparedSummary:
    """Texts or conversations, as the inputs are."""
    from mypt.data.prepare import inputs

    if inputs.conversations(request):
        from mypt.data.chat import prepare_chat

        return prepare_chat(request, progress)
    from mypt.data.prepare.text import prepare_text

    return prepare_text(request, progress)


def _report(console: Console, request: PrepareRequest, made: PreparedSummary) -> None:
    shown = request.shown(made.output)
    what = "conversation" if made.trained_tokens is not None else "document"
    console.line(f"{shown}: {_many(made.documents, what)}, {made.tokenizer}", "strong")
    trained = ""
    if made.trained_tokens is not None and made.train_tokens:
        share = made.trained_tokens / made.train_tokens
        trained = f", {whole(made.trained_tokens)} of them ({share:.0%}) count in the loss"
    console.line(
        f"  train  {_many(made.train_tokens, 'token')} in {_many(made.train_shards, 'shard')}{trained}"
    )
    split = f" ({made.split})" if made.split else ""
    console.line(f"  val    {_many(made.val_tokens, 'token')} in {_many(made.val_shards, 'shard')}{split}")
    for notice in (*made.notices, *_without_effect(request, chat=made.trained_tokens is not None)):
        console.line(f"Note: {notice}", "quiet")
    console.line("Next:")
    console.line(f"  {next_command(request, made)}")


def _without_effect(request: PrepareRequest, *, chat: bool) -> list[str]:
    """What was said about the other kind of data."""
    plain = {"separator": "auto", "split_on": "", "hold_out": "auto"}
    if chat:
        names = [name for name, default in plain.items() if getattr(request, name) != default]
    else:
        names = [
            name for name in ("pack_block_size", "system_prompt") if getattr(request.chat, name) is not None
        ]
    other = "plain text" if chat else "conversations"
    return [f"--{name} is about {other}, and was ignored" for name in names]


def next_command(request: PrepareRequest, made: PreparedSummary) -> str:
    """What to type to train on the dataset."""
    folder = shlex.quote(request.shown(made.output))
    if not made.train_tokens:
        return f"mypt train … --eval_dataset_dir {folder}"
    source = request.tokenizer.source
    if source is not None and not (request.workspace / source).is_dir():
        masked = " --use_loss_mask true" if made.trained_tokens is not None else ""
        base = f"--init_from_model {shlex.quote(source)}"
        return f"mypt train {base} --model_name NAME --dataset_dir {folder}{masked}"
    if made.trained_tokens is not None:
        return f"mypt train --config_file 150M_chat_sft --init_from_model BASE --dataset_dir {folder}"
    preset = "tiny_char" if made.tokenization == "char" else "small"
    return f"mypt train --config_file {preset} --dataset_dir {folder}"


def _many(number: int, what: str) -> str:
    return f"{whole(number)} {what}{'' if number == 1 else 's'}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
