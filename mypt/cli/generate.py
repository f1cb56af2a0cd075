"""Let a model write: text streams to standard output as it is drawn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mypt import bundle, prompts
from mypt.bundle import BundleInfo
from mypt.classify.spec import refuse_classifier
from mypt.errors import Problem, UserError
from mypt.prompts import Prompt
from mypt.settings.paths import in_workspace
from mypt.text import printable, whole
from mypt.tokenizers import Tokenizer, from_dict

_BETWEEN = "-" * 15 + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, from where, how far and how boldly."""
    parser.add_argument(
        "--model_name",
        required=True,
        metavar="NAME",
        help="a checkpoint: dante, dante_gold, dante_fp16, a path",
    )
    parser.add_argument("--prompt", help="what the text goes on from [a line break]")
    parser.add_argument(
        "--prompt_file", metavar="FILE", help="read the prompt from this file; - is standard input"
    )
    parser.add_argument(
        "--chat",
        nargs="?",
        choices=("auto", "true", "false"),
        default="auto",
        const="true",
        help="the prompt is what a user says, and the model answers; auto: where it was trained to [auto]",
    )
    parser.add_argument("--system", metavar="TEXT", help="with --chat: what the model is told before")
    parser.add_argument("--max_new_tokens", type=int, default=300, help="tokens to write [300]")
    parser.add_argument("--num_samples", type=int, default=1, help="texts to write, one after the other [1]")
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
    parser.add_argument(
        "--no_cache",
        action="store_true",
        help="compute every token from the whole text: slower, the same text",
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Load the checkpoint and write."""
    info = bundle.find(workspace / "checkpoints", in_workspace(options.model_name, workspace))
    refuse_classifier(info)
    tokenizer = from_dict(info.tokenizer, where=f"{info.name}/tokenizer.json")
    if options.num_samples < 1:
        raise UserError(Problem("must be at least 1", field="num_samples", value=options.num_samples))
    tokenizer.check_ready()
    text = _text(options, workspace)
    prompt = _prompt(options, text, info, tokenizer)
    # Only now: torch takes a second to import, which bad input need not wait for.
    from mypt.api.bundles import open_bundle
    from mypt.training.numerics import pick_device

    model = open_bundle(info, tokenizer, device=pick_device(options.device))
    said_before = "" if prompt.answer else text
    for number in range(options.num_samples):
        pieces = model.stream(
            prompt,
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            repetition_penalty=options.repetition_penalty,
            # Further samples are other ones, and each is the same again with the same seed.
            seed=None if options.seed is None else options.seed + number,
            use_cache=not options.no_cache,
        )
        _write((_BETWEEN if number else "") + said_before)
        for piece in pieces:
            _write(piece)
        _write("\n")
    return 0


def _text(options: argparse.Namespace, workspace: Path) -> str:
    """What the prompt says, from the flag, a file or standard input (without the last line's end)."""
    if options.prompt_file is None:
        return options.prompt or ""
    name = options.prompt_file
    if options.prompt is not None:
        message = "was given together with prompt"
        raise UserError(Problem(message, field="prompt_file", value=name, remedy="name one of the two"))
    try:
        data = sys.stdin.buffer.read() if name == "-" else (workspace / name).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise UserError(Problem(reason, field="prompt_file", value=name)) from None
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        raise UserError(Problem(reason, field="prompt_file", value=name)) from None
    # Editors and `echo` end the last line, and a text goes on behind it.
    return text.replace("\r\n", "\n").removesuffix("\n")


def _prompt(options: argparse.Namespace, text: str, info: BundleInfo, tokenizer: Tokenizer) -> Prompt:
    """The tokens to go on from; says on standard error what a person might not expect of them."""
    chat = options.chat == "true" or (
        options.chat == "auto" and prompts.is_chat_model(info.config, tokenizer)
    )
    if options.system is not None and not chat:
        remedy = "add --chat" if options.chat == "auto" else "leave --chat false away"
        raise UserError(
            Problem(
                "is only told to a model that answers", field="system", value=options.system, remedy=remedy
            )
        )
    if not chat:
        begin = prompts.beginning(info.config, tokenizer)
        prompt = prompts.plain(tokenizer, text, model=info.name, begin=begin)
    else:
        prompt = prompts.chat(tokenizer, text, system=options.system or "", model=info.name)
        if options.chat == "auto":
            _note(
                f"{info.name} was trained on conversations and answers; --chat false takes the prompt as it is"
            )
    block = info.config.get("block_size")
    if isinstance(block, int) and len(prompt.ids) > block:
        _note(
            f"the prompt has {whole(len(prompt.ids))} tokens, of which the model sees the last {whole(block)}"
        )
    return prompt


def _note(sentence: str) -> None:
    print(printable(f"mypt: {sentence}"), file=sys.stderr)


def _write(text: str) -> None:
    # On a terminal a model's control characters must not act; a file gets the text as it is.
    shown = printable(text) if sys.stdout.isatty() else text
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(shown.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
