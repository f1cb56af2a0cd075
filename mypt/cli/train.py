"""Train a model: a new one, one fine-tuned from another, or the same again, which resumes it."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from mypt.check import check
from mypt.cli.dry_run import show
from mypt.errors import Problem, UserError
from mypt.housekeeping import recover
from mypt.launch.place import here
from mypt.settings import fields
from mypt.settings.checks import DATA_FIELDS, check_shares
from mypt.settings.presets import save_preset
from mypt.settings.request import Request, as_text
from mypt.settings.resolve import preset_values
from mypt.text import printable
from mypt.training.run import train

FIRST_PRESET = "tiny_char"
_MOST_PROCESSES = 1024
_NOT_SETTINGS = (
    "config_file",
    "model_name",
    "init_from_model",
    "resume_from",
    "reset_optimizer",
    "dry_run",
    "save_preset",
    "nproc",
    "max_restarts",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every setting is a flag; what is not given on the command line stays unsaid."""
    run = add_request(parser)
    run.add_argument(
        "--dry_run", action="store_true", help="show every effective value and its source, and stop"
    )
    run.add_argument(
        "--save_preset",
        metavar="NAME",
        help="save the preset with the flags given here as configs/NAME.json, and stop",
    )
    several = parser.add_argument_group("several processes")
    several.add_argument(
        "--nproc",
        metavar="{auto,N}",
        help="train in N processes on this machine that share each update: as many as there are GPUs, or on a CPU "
        "2 to 4, each with its part of the cores; auto: one a GPU",
    )
    several.add_argument(
        "--max_restarts",
        metavar="N",
        help="with --nproc: where a process dies, go on from the newest checkpoint, at most N times [0]",
    )
    add_settings(parser)


def add_request(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """The flags that say which model is trained from what; the group they stand in."""
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
    return run


def add_settings(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting, in groups."""
    for group in fields.Group:
        section = parser.add_argument_group(str(group))
        for name in fields.names():
            if fields.group(name) is group:
                add_setting(section, name)


def add_setting(section: argparse._ArgumentGroup, name: str, default: Any = None) -> None:
    """A flag for a setting, whose help tells another `default` than its own where one is given."""
    choices = fields.choices(name)
    default = fields.default(name) if default is None else default
    text = fields.help_text(name).replace("%", "%%")
    shown = "" if default is None or default == "" else f" [{as_text(default)}]"
    # Values stay text here, so that flags and forms are checked by the same rules, all at once.
    section.add_argument(
        f"--{name}",
        *fields.OTHER_FLAGS.get(name, ()),
        default=argparse.SUPPRESS,
        metavar="{" + ",".join(choices) + "}" if choices else "VALUE",
        nargs="?" if choices == ["true", "false"] else None,
        const="true" if choices == ["true", "false"] else None,
        help=text + shown,
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Train as the flags ask, or only show or keep what they ask for."""
    request = request_of(options)
    if options.save_preset is not None:
        if options.dry_run:
            raise UserError(
                Problem("was given together with dry_run, which writes nothing", field="save_preset")
            )
        return _save_preset(request, options.save_preset, workspace)
    if options.dry_run:
        return show(request, workspace)
    nproc = _processes(options)
    if nproc > 1 and here().alone:
        return _launch(request, workspace, nproc, _whole("max_restarts", options.max_restarts or "0", 0))
    return train(request, workspace, command=["mypt", *sys.argv[1:]], own_process=True)


def _processes(options: argparse.Namespace) -> int:
    """How many processes are asked for."""
    if options.nproc is None:
        if options.max_restarts is not None:
            raise UserError(
                Problem("is for several processes", field="max_restarts", remedy="name --nproc too")
            )
        return 1
    if options.nproc == "auto":
        # Only torch knows which GPUs it can use; everything else here does without it.
        import torch

        return max(1, torch.cuda.device_count())
    return _whole("nproc", options.nproc, 1)


def _whole(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= _MOST_PROCESSES:
        remedy = f"use a number from {least} to {_MOST_PROCESSES}" + (" or auto" if name == "nproc" else "")
        raise UserError(Problem("must be a whole number", field=name, value=text, remedy=remedy))
    return int(text)


def _launch(request: Request, workspace: Path, nproc: int, restarts: int) -> int:
    """Train in several processes, after what is wrong was found."""
    from mypt.launch import torchrun

    for sentence in recover(workspace):
        print(printable(f"Note: {sentence}"))
    check_shares(check(request, workspace)[0].settings, nproc)
    return torchrun.run(sys.argv[1:], nproc=nproc, restarts=restarts)


def _save_preset(request: Request, name: str, workspace: Path) -> int:
    """Keep the preset of the request, changed by its flags, as one of the workspace's own."""
    path = save_preset(workspace, name, preset_values(request, workspace))
    saved = path.relative_to(workspace / "configs").with_suffix("").as_posix()
    command = shlex.join(["mypt", "train", "--config_file", saved])
    print(printable(f"{path.relative_to(workspace).as_posix()} is saved. To train with it: {command}"))
    return 0


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
    named = (options.model_name, options.config_file, options.init_from_model)
    return all(name is None for name in named) and not about & set(given)
