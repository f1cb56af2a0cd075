"""The command line: a file a command, thin; what is slow to import is imported inside the command that needs it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from mypt.errors import MyptError, UserError
from mypt.text import printable

COMMANDS = {
    "train": "train a model, or go on with one",
    "generate": "let a model write",
    "show-configs": "list the presets, or show one",
    "inspect": "show what a checkpoint holds",
    "status": "list the runs of the workspace",
}


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong flag names the nearest right one, and nothing is printed twice."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise what argparse would print."""
        if message.startswith("unrecognized arguments: "):
            raise UserError(
                *(
                    self._unknown(word)
                    for word in message.split(": ", 1)[1].split(" ")
                    if word[:1] == "-" or True
                )
            )
        raise UserError(f"{self.prog}: {message}")

    def _unknown(self, word: str) -> str:
        import difflib

        known = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(word.partition("=")[0], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; {self.prog} --help lists the flags"
        return f"{word}: is not a flag of {self.prog}{hint}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mypt` with these arguments (by default the process's own) and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except MyptError as error:
        for line in str(error).splitlines():
            print(f"mypt: {line}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("mypt: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # `mypt status | head` is no error; the stream must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    from mypt import __version__

    top = Parser(prog="mypt", description="Train your own GPT.", allow_abbrev=False, add_help=False)
    top.add_argument("-h", "--help", action="store_true")
    top.add_argument("--version", action="store_true")
    top.add_argument("--workspace", default=".")
    cut = _command_at(arguments)
    options = top.parse_args(arguments[:cut])
    if options.version:
        print(f"mypt {__version__}")
        return 0
    if options.help or cut == len(arguments):
        print(_help())
        return 0 if options.help else 2
    name, rest = arguments[cut], arguments[cut + 1 :]
    if name not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(COMMANDS)}"
        raise UserError(f"{printable(name)}: no such command; {hint}")
    workspace = Path(options.workspace)
    if not workspace.is_dir():
        raise UserError(f"--workspace {options.workspace}: no such folder; make it first, or name another")
    module = import_module(f"mypt.cli.{name.replace('-', '_')}")
    parser = Parser(prog=f"mypt {name}", description=module.__doc__, allow_abbrev=False)
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(_with_underscores(rest)), workspace.resolve())
    return code


def _command_at(arguments: list[str]) -> int:
    """Where the command's name stands: the first word that is neither an option nor the workspace's value."""
    skip = False
    for place, word in enumerate(arguments):
        if skip:
            skip = False
        elif word == "--workspace":
            skip = True
        elif not word.startswith("-"):
            return place
    return len(arguments)


def _with_underscores(arguments: list[str]) -> list[str]:
    """`--max-iters` is `--max_iters`; what follows `--` and values stay as they are."""
    found: list[str] = []
    for place, word in enumerate(arguments):
        if word == "--":
            return found + arguments[place:]
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            word = "--" + flag[2:].replace("-", "_") + equals + value
        found.append(word)
    return found


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mypt [--workspace DIR] COMMAND [flags]",
            "",
            "Train your own GPT. The workspace is the current folder unless named.",
            "",
            *lines,
            "",
            "mypt COMMAND --help says more; mypt-tui shows everything in one terminal.",
            "The first model, in a minute or two and offline: mypt train --config_file configs/tiny_char.json",
        ]
    )
