"""Train a model: a new one, one fine-tuned from another, or the same again, which resumes it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mypt.errors import Problem, UserError
from mypt.settings import fields
from mypt.settings.resolve import DATA_FIELDS, Request, as_text
from mypt.training.run import train

FIRST_PRESET = "tiny_char"
_NOT_SETTINGS = ("config_file", "model_name", "init_from_model", "resume_from", "reset_optimizer", "dry_run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every setting is a flag; what is not given on the command line stays unsaid."""
    run = parser.add_argument_group("run")
    run.add_argument("--config_file", metavar="PRESET", help="a preset: a file, or a name such as 150M")
    run.add_argument(
        "--model_name", metavar="NAME", help="names the checkpoint; the preset's name if not given"
    )
    run.add_argument("--init_from_model", metavar="BASE", help="fine-tune from this checkpoint")
    run.add_argument(
        "--resume_from", choices=("last", "gold"), default="last", help="which checkpoint to resume"
    )
    run.add_argument(
        "--reset_optimizer", action="store_true", help="resume the weights, but start AdamW anew"
    )
    run.add_argument(
        "--dry_run", action="store_true", help="show every effective value and its source, and stop"
    )
    for group in fields.Group:
        section = parser.add_argument_group(str(group))
        for name in fields.names():
            if fields.group(name) is group:
                _add_setting(section, name)


def _add_setting(section: argparse._ArgumentGroup, name: str) -> None:
    choices = fields.choices(name)
    default = fields.default(name)
    text = fields.help_text(name).replace("%", "%%")
    shown = "" if default is None or default == "" else f" [{as_text(default)}]"
    # Values stay text here, so that flags and forms are checked by the same rules, all at once.
    section.add_argument(
        f"--{name}",
        default=argparse.SUPPRESS,
        metavar="{" + ",".join(choices) + "}" if choices else "VALUE",
        nargs="?" if choices == ["true", "false"] else None,
        const="true" if choices == ["true", "false"] else None,
        help=text + shown,
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Train as the flags ask."""
    command = ["mypt", *sys.argv[1:]]
    return train(request_of(options), workspace, command=command, dry_run=options.dry_run)


def request_of(options: argparse.Namespace) -> Request:
    """What the flags ask for; settings that were not given are not named."""
    if options.model_name == "":
        raise UserError(
            Problem(
                "a model needs a name", field="model_name", value="", remedy="name it, or leave the flag away"
            )
        )
    given = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
    preset = options.config_file
    if _names_nothing(options, given):
        preset = FIRST_PRESET
        said = f"nothing was named to train: the preset {preset} on built-in stories (see mypt train --help)"
        print(f"mypt: {said}", file=sys.stderr)
    return Request(
        model_name=options.model_name or "",
        config_file=preset,
        init_from_model=options.init_from_model,
        resume_from=options.resume_from,
        reset_optimizer=options.reset_optimizer,
        given=given,
    )


def _names_nothing(options: argparse.Namespace, given: dict[str, str]) -> bool:
    """Whether neither a model, a preset, a shape nor data was named: a first try, which shall not take a day."""
    shape = {n for n in fields.names() if fields.rule(n) in (fields.Rule.SHAPE, fields.Rule.CONTEXT)}
    about = shape | set(DATA_FIELDS) | {"tokenization", "batch_size", "dropout"}
    return not (options.model_name or options.config_file or options.init_from_model or about & set(given))
