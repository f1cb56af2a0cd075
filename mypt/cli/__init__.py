"""The command line: a file a command, thin; what is slow to import is imported inside the command that needs it."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

from mypt import disk
from mypt.cli.stops import Stopped, ended_by_signals, say
from mypt.errors import MyptError, UserError, cut
from mypt.memory import asked_for, check_room_for_torch, in_all, lacked
from mypt.text import printable
from mypt.training.console import plain

COMMANDS = {
    "train": "train a model, or go on with one",
    "submit": "hand a training to SLURM",
    "prepare": "make a dataset from texts or conversations",
    "tokenizer": "train a tokenizer on your texts, or show one",
    "generate": "let a model write",
    "finetune-classifier": "make a text classifier of a model, or go on with one",
    "classify": "let a classifier judge texts",
    "import": "bring a checkpoint of another program into the workspace",
    "show-configs": "list the presets, or show one",
    "inspect": "show what a checkpoint holds",
    "export": "write a checkpoint for other programs, or a light copy",
    "status": "list the runs of the workspace",
    "plot": "draw the curves of runs",
    "compare": "put checkpoints and runs side by side",
    "rename": "give a model another name",
    "delete": "remove checkpoints that are not wanted any more",
}

_WITH_TORCH = ("train", "generate", "finetune-classifier", "classify", "import", "export")
_RESERVE = 4 << 20


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong flag names the nearest right one, and nothing is printed twice."""

    _mixing = False

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise what argparse would print; of a value of a wrong kind in the words that settings have for it."""
        wrong = re.fullmatch(r"argument (\S+): invalid (int|float) value: (.*)", message, re.DOTALL)
        if wrong is not None:
            flag, kind, value = wrong.groups()
            wanted = "a whole number" if kind == "int" else "a number"
            message = f"{flag.partition('/')[0]}: must be {wanted} (got {value})"
        raise UserError(f"{self.prog}: {message}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but inputs (any number of them) may stand anywhere between the flags."""
        if self._mixing or not any(action.nargs == "*" for action in self._get_positional_actions()):
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """`parse_args`, naming every flag that is not known. What stands behind one is taken for its value."""
        options: argparse.Namespace
        options, rest = self.parse_known_args(arguments)
        if rest:
            raise UserError(
                *(self._unknown(word) for word in rest if word.startswith("-") or rest[0] is word)
            )
        return options

    def _unknown(self, word: str) -> str:
        import difflib

        known = list(self._all_flags())
        near = difflib.get_close_matches(word.partition("=")[0], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; {self.prog} --help lists the flags"
        return f"{word}: is not a flag of {self.prog}{hint}"

    def _all_flags(self) -> Iterator[str]:
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    yield from inner._all_flags()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mypt` with these arguments (by default the process's own) and return the exit status."""
    # Signals are a program's own affair where it calls this, and ours where we are the program.
    with ended_by_signals() if argv is None else contextlib.nullcontext():
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(arguments: list[str]) -> int:
    _share_the_cores()
    _spell_what_cannot_be_shown()
    code, reserve = 0, bytearray()
    try:
        # Let go of where memory runs out, so that there is some to say so with, and to end in order.
        reserve = bytearray(_RESERVE)
        code = _run(arguments)
    except MyptError as error:
        reserve.clear()
        for line in printable(str(error)).splitlines():
            print(f"mypt: {line}", file=sys.stderr)
        code = error.exit_status
    except KeyboardInterrupt:
        print("mypt: interrupted", file=sys.stderr)
        code = 128 + signal.SIGINT
    except BrokenPipeError:
        pass  # `mypt status | head` is no error
    except Stopped as stop:
        say(stop)
        code = stop.exit_status
    except (MemoryError, RuntimeError, OSError, ImportError) as error:
        reserve.clear()
        if lack := lacked(error):
            more = f": {asked} more could not be had" if (asked := asked_for(error)) else ""
            said, code = f"out of {lack} ({in_all()}){more}. {_remedy(arguments)}", 1
        elif isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            said, code = f"{cut(str(error.filename))}: the name is too long", 2
        elif isinstance(error, OSError) and disk.is_of_disk(error):
            said, code = disk.told(error), 1
        else:
            raise
        print(f"mypt: {printable(said, newline=False)}", file=sys.stderr)
    try:
        # Closed by who started us (`>&-`, some timers), there is none.
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        _let_go_of_stdout()
    return code


def _remedy(arguments: list[str]) -> str:
    """What to do where memory ran out in a place that knows no better."""
    command = next(iter(arguments[_command_at(arguments) :]), "")
    if command == "prepare":
        return "Lower --num_proc, or close other programs"
    if command in ("train", "finetune-classifier"):
        text = "make a dataset of a long text with mypt prepare, which is not read whole"
        return f"Lower batch_size or block_size, choose a smaller model, or {text}"
    return "Close other programs, or take a smaller model or file"


def _spell_what_cannot_be_shown() -> None:
    """Signs that the terminal's encoding lacks are spelled in ASCII, and never an error."""

    def spelled(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return plain(error.object[error.start : error.end]), error.end

    codecs.register_error("mypt.plain", spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="mypt.plain")


def _let_go_of_stdout() -> None:
    """Nobody reads any longer: what is still in the buffer must not be an error at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _share_the_cores() -> None:
    """Let OpenMP's threads wait a little by spinning and then sleep; must come before torch is loaded.

    Spinning for longer gains nothing on an idle machine, and beside another program it costs several times the speed.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _run(arguments: list[str]) -> int:
    from mypt import __version__

    top = Parser(prog="mypt", description="Train your own GPT.", allow_abbrev=False, add_help=False)
    top.add_argument("-h", "--help", action="store_true")
    top.add_argument("--version", action="store_true")
    top.add_argument("--workspace", default=".")
    cut = _command_at(arguments)
    options = top.parse(arguments[:cut])
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
    if name in _WITH_TORCH:
        check_room_for_torch()
    workspace = Path(options.workspace)
    if not workspace.is_dir():
        raise UserError(f"--workspace {options.workspace}: no such folder; make it first, or name another")
    # `import` is a word of Python's, so its module cannot be called so.
    module = import_module(f"mypt.cli.{name.replace('-', '_')}{'_' * iskeyword(name)}")
    parser = Parser(
        prog=f"mypt {name}", usage=f"mypt {name} [flags]", description=module.__doc__, allow_abbrev=False
    )
    module.add_arguments(parser)
    code: int = module.run(parser.parse(_with_underscores(rest)), workspace.resolve())
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
