"""Train a tokenizer on your own texts, show what a tokenizer is and does, or keep GPT-2's vocabulary for later."""

from __future__ import annotations

import argparse
import os
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mypt import fsio
from mypt.cli.progress import Steps
from mypt.cli.stops import Stopped, say, stopped_by_signals
from mypt.errors import Problem, UserError
from mypt.text import count, printable, size, whole
from mypt.tokenizers import BpeTokenizer, CharTokenizer, Tokenizer
from mypt.tokenizers.bpe import DEFAULT_VOCAB, END_OF_TEXT, SPLITS
from mypt.tokenizers.char import spelled
from mypt.training.console import Console

if TYPE_CHECKING:
    from mypt.data.prepare.corpus import Corpus

_SHOWN = 200
_SAMPLE = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A command for each thing to do."""
    parser.usage = "mypt tokenizer {train,show,import} ..."
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="{train,show,import}", prog="mypt tokenizer"
    )
    train = actions.add_parser(
        "train",
        usage="mypt tokenizer train INPUT ... --output tokenizer.json [flags]",
        help="learn byte pairs from texts",
        description="Learn a byte-level BPE tokenizer from texts. The file it writes is in the form of Hugging Face.",
        allow_abbrev=False,
    )
    train.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="text files, folders, .jsonl files of texts"
    )
    train.add_argument(
        "--input_file", nargs="+", action="extend", default=[], metavar="INPUT", help="the same, as a flag"
    )
    train.add_argument(
        "--pattern", nargs="+", action="extend", default=[], metavar="GLOB", help="what to take from folders"
    )
    train.add_argument("--text_field", metavar="NAME", help="the text in a .jsonl file's lines [text]")
    train.add_argument("--output", default="tokenizer.json", metavar="FILE", help="[tokenizer.json]")
    train.add_argument(
        "--vocab_size",
        type=int,
        default=DEFAULT_VOCAB,
        metavar="N",
        help=f"tokens to learn [{DEFAULT_VOCAB}]",
    )
    train.add_argument(
        "--splits", choices=SPLITS, default="gpt2", help="how text is split before merging [gpt2]"
    )
    train.add_argument(
        "--special_tokens",
        nargs="+",
        default=[],
        metavar="TOKEN",
        help=f"marks of your own; {END_OF_TEXT} is always there",
    )
    train.add_argument("--overwrite", action="store_true", help="replace the file that is there")
    show = actions.add_parser(
        "show",
        usage='mypt tokenizer show FILE_OR_MODEL [--text "..."]',
        help="what a tokenizer is, and how it cuts a text",
        description="What a tokenizer is, and how it cuts a text.",
        allow_abbrev=False,
    )
    show.add_argument("source", metavar="FILE_OR_MODEL", help="a tokenizer.json, a model, a dataset, or gpt2")
    show.add_argument("--text", metavar="TEXT", help="a text to cut")
    keep = actions.add_parser(
        "import",
        usage="mypt tokenizer import FILE",
        help="keep GPT-2's vocabulary where MyPT finds it without a network",
        description="Keep GPT-2's vocabulary (vocab.bpe or r50k_base.tiktoken) where MyPT finds it without a network.",
        allow_abbrev=False,
    )
    keep.add_argument("file", metavar="FILE", help="vocab.bpe, or r50k_base.tiktoken")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Do what was asked."""
    if options.action == "train":
        return _train(options, workspace)
    return _show(options, workspace) if options.action == "show" else _import(options, workspace)


# ── train ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _train(options: argparse.Namespace, workspace: Path) -> int:
    from mypt.data.prepare import inputs
    from mypt.data.prepare.corpus import Corpus
    from mypt.data.prepare.request import PrepareRequest
    from mypt.tokenizers import train_bpe

    output = workspace / Path(options.output).expanduser()
    named = tuple(workspace / Path(name).expanduser() for name in (*options.inputs, *options.input_file))
    request = PrepareRequest(
        named, output, workspace, patterns=tuple(options.pattern), text_field=options.text_field or None
    )
    shown = request.shown(output)
    found, problems = None, _not_writable(output, shown, overwrite=options.overwrite)
    try:
        if inputs.conversations(request):
            message = "hold conversations, and a tokenizer is learned from texts"
            problems.append(
                Problem(message, field="inputs", remedy="name text files, or JSONL with a text a line")
            )
        found = inputs.find(request, folder_output=False)
    except UserError as error:
        problems += error.problems
    if problems or found is None:
        raise UserError(*problems)
    console = Console()
    corpus = Corpus(request, found.files)
    try:
        with stopped_by_signals(lambda: f"{shown} was not written"):
            tokenizer = _watched(
                lambda: train_bpe(
                    corpus,
                    options.vocab_size,
                    splits=options.splits,
                    special_tokens=options.special_tokens,
                ),
                corpus,
                Steps(console),
            )
    except Stopped as stop:
        console.close()
        say(stop)
        # The library cannot be interrupted while it counts and merges, and nothing of what it does is kept.
        os._exit(stop.exit_status)
    finally:
        console.close()
    output.parent.mkdir(parents=True, exist_ok=True)
    fsio.write_json_atomic(output, tokenizer.data, durable=True)
    texts = f"{whole(len(found.files))} file{'s' if len(found.files) != 1 else ''}, {size(found.size)}"
    console.line(f"{shown}: {tokenizer.describe()}, learned from {texts}", "strong")
    sample = _sample(corpus)
    density = sum(len(text.encode()) for text in sample) / max(
        1, sum(len(tokenizer.encode_array(text)) for text in sample)
    )
    console.line(f"  a token stands for {density:.2f} bytes of the first text{'s' * (len(sample) > 1)}")
    if tokenizer.valid_vocab < options.vocab_size:
        console.line(
            f"Note: the texts hold no more than {tokenizer.valid_vocab} tokens worth learning", "quiet"
        )
    for notice in found.notices:
        console.line(f"Note: {notice}", "quiet")
    console.line("Next:")
    inputs_shown = " ".join(shlex.quote(name) for name in (*options.inputs, *options.input_file))
    field = f" --text_field {shlex.quote(options.text_field)}" if options.text_field else ""
    console.line(
        f"  mypt prepare {inputs_shown}{field} --tokenizer_file {shlex.quote(shown)} --output_dir data/NAME"
    )
    return 0


def _sample(corpus: Corpus) -> list[str]:
    """The beginning of the first text, or the first ones where they are short."""
    sample: list[str] = []
    room = _SAMPLE
    for text in corpus:
        sample.append(text[:room])
        room -= len(text)
        if room <= 0:
            break
    return sample


def _not_writable(output: Path, shown: str, *, overwrite: bool) -> list[Problem]:
    if output.is_dir():
        return [Problem("is a folder", field="output", value=shown, remedy="name a file, as tokenizer.json")]
    if output.exists() and not overwrite:
        return [
            Problem(
                "is there already", field="output", value=shown, remedy="name another, or say --overwrite"
            )
        ]
    parent = next(folder for folder in output.parents if folder.exists())
    if not parent.is_dir():
        return [Problem(f"lies below {parent.name}, which is no folder", field="output", value=shown)]
    return []


def _watched(work: Callable[[], BpeTokenizer], corpus: Corpus, steps: Steps) -> BpeTokenizer:
    """Run `work` in a thread, so that signals are heard and something is said meanwhile."""
    done: list[BpeTokenizer] = []
    failed: list[BaseException] = []

    def body() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=body, daemon=True)
    steps.begin("reading", corpus.size)
    thread.start()
    said = 0
    while thread.is_alive():
        thread.join(0.2)
        read = corpus.read
        steps.advance(read - said)
        said = read
        if said >= corpus.size:
            steps.say("learning which bytes belong together")
    if failed:
        raise failed[0]
    return done[0]


# ── show ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(options: argparse.Namespace, workspace: Path) -> int:
    from mypt import tokenizers
    from mypt.data.prepare.vocabulary import existing

    if options.source == "gpt2" and not (workspace / "gpt2").exists():
        tokenizer = tokenizers.create("gpt2")
    else:
        tokenizer = existing(options.source, workspace, "source")
        tokenizer.check_ready()
    if missing := tokenizer.unknown(options.text or ""):
        message = f"has characters without a token: {spelled(missing)}"
        raise UserError(Problem(message, field="text", value=options.text))
    print(printable(f"{options.source}: {tokenizer.describe()}"))
    rows = (
        f"{whole(tokenizer.vocab_size)} rows in a model, {whole(tokenizer.valid_vocab)} of them with a token"
    )
    print(f"  vocabulary   {rows}")
    if isinstance(tokenizer, CharTokenizer):
        print(f"  characters   {_spelled(''.join(tokenizer.chars))}")
    for name, index in list(tokenizer.special_tokens.items())[:_SHOWN]:
        end = "  (end of text)" if index == tokenizer.end_of_text else ""
        print(printable(f"  special      {index:>6}  {name}{end}"))
    if options.text is not None:
        _cut(tokenizer, options.text)
    return 0


def _cut(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    average = f", {len(text) / len(ids):.1f} characters a token" if ids else ""
    print(f"\n{count(len(ids))} token{'' if len(ids) == 1 else 's'}{average}")
    for index in ids[:_SHOWN]:
        raw = tokenizer.decode_bytes([index])
        try:
            shown = _spelled(raw.decode("utf-8"))
        except UnicodeDecodeError:
            shown = repr(raw)[1:] + "  (a part of a character)"
        print(f"  {index:>6}  {shown}")
    if len(ids) > _SHOWN:
        print(f"  … and {whole(len(ids) - _SHOWN)} more")
    if tokenizer.decode(ids) != text:
        print(f"Decoded it reads differently: {_spelled(tokenizer.decode(ids))}")


def _spelled(text: str) -> str:
    """Quoted, white space and control characters visible."""
    return printable(repr(text))


# ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _import(options: argparse.Namespace, workspace: Path) -> int:
    from mypt.tokenizers import gpt2_vocab

    data = gpt2_vocab.read_named(workspace / Path(options.file).expanduser(), field="file")
    print(printable(f"GPT-2's vocabulary is kept in {gpt2_vocab.keep(data)}"))
    return 0
