"""Make a text classifier of a model that has learned to write, or go on with one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mypt.classify.request import DEFAULTS, EPOCHS, HELP, SETTINGS, ClassifierRequest
from mypt.classify.run import finetune
from mypt.cli.train import add_setting
from mypt.errors import Problem, UserError
from mypt.settings import fields

_NOT_SETTINGS = (
    *("model_name", "init_from_model", "pretrained_ckpt_path", "tokenizer_name"),
    *("data", "eval_data", "text", "label", "num_epochs", "n_head"),
)
# What the base and the texts decide where nobody says.
_DECIDED = {"block_size": "as the base model", "eval_interval": "two or three an epoch"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to begin with, the data and its columns, and the settings of training that mean something here."""
    run = parser.add_argument_group("run")
    run.add_argument("--model_name", metavar="NAME", help=HELP["model_name"])
    run.add_argument("--init_from_model", metavar="BASE", help=HELP["init_from_model"])
    run.add_argument(
        "--pretrained_ckpt_path",
        metavar="FILE",
        help="a checkpoint of another program to begin with, in its place",
    )
    run.add_argument(
        "--tokenizer_name", metavar="FILE", help="the tokenizer.json that belongs to --pretrained_ckpt_path"
    )
    run.add_argument("--n_head", metavar="N", help="its attention heads, where shapes cannot tell")
    data = parser.add_argument_group("texts")
    data.add_argument("--data", metavar="FILE", help=HELP["data"])
    data.add_argument("--eval_data", metavar="FILE", help=HELP["eval_data"])
    data.add_argument("--text", metavar="COLUMNS", help=HELP["text"])
    data.add_argument("--label", metavar="COLUMN", help=f"{HELP['label']} [label]")
    data.add_argument("--num_epochs", metavar="N", help=f"{HELP['num_epochs']} [{EPOCHS}]")
    for group in fields.Group:
        names = [name for name in SETTINGS if fields.group(name) is group]
        section = parser.add_argument_group(str(group)) if names else None
        for name in names:
            assert section is not None
            add_setting(section, name, (DEFAULTS | _DECIDED).get(name))


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Train as the flags ask."""
    given = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
    request = ClassifierRequest(
        model_name=options.model_name or "",
        init_from_model=options.init_from_model,
        data=options.data,
        eval_data=options.eval_data,
        text=None if options.text is None else tuple(name.strip() for name in options.text.split(",")),
        label=options.label,
        num_epochs=None if options.num_epochs is None else _whole(options.num_epochs, "num_epochs"),
        given=given,
    )
    command = ["mypt", *sys.argv[1:]]
    if options.pretrained_ckpt_path is None:
        for name in ("tokenizer_name", "n_head"):
            if (value := getattr(options, name)) is not None:
                message = "belongs to a checkpoint of another program"
                remedy = "name that with --pretrained_ckpt_path, or leave it away"
                raise UserError(Problem(message, field=name, value=value, remedy=remedy))
        return finetune(request, workspace, command=command, own_process=True)
    from mypt.classify.pretrained import with_pretrained

    heads = None if options.n_head is None else _whole(options.n_head, "n_head")
    asked, weights = with_pretrained(
        request, options.pretrained_ckpt_path, options.tokenizer_name, heads, workspace
    )
    return finetune(asked, workspace, command=command, weights=weights, own_process=True)


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(Problem("must be a whole number", field=name, value=text)) from None
