"""Remove checkpoints: a model with all its own, or one of them (dante_gold). Logs stay. Never one that is trained."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mypt import housekeeping
from mypt.bundle import Kind
from mypt.errors import Problem, UserError
from mypt.housekeeping import Deletion
from mypt.text import printable, size

_YES = frozenset({"y", "yes"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which, and whether to ask."""
    parser.usage = "mypt delete NAME… [--only KIND] [--yes]"
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a model (all its checkpoints), or one checkpoint (dante_gold)",
    )
    parser.add_argument(
        "--only", action="append", choices=[str(kind) for kind in Kind], help="of a model, this kind alone"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Say what it would remove, ask, and remove it."""
    only = [Kind(kind) for kind in options.only or ()]
    deletion = housekeeping.look(workspace, options.names, only)
    if not options.yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            remedy = "add --yes, or run it in a terminal, where it asks"
            raise UserError(Problem(f"{_what(deletion)} would be deleted for good", remedy=remedy))
        for line in lines(deletion):
            print(line)
        if input(f"Delete {_what(deletion)} for good? [y/N] ").strip().lower() not in _YES:
            print("Nothing was deleted.")
            return 0
    done = housekeeping.delete(workspace, options.names, only)
    print(f"Deleted {_what(done)}: {', '.join(printable(part.name, newline=False) for part in done.parts)}")
    return 0


def lines(deletion: Deletion) -> list[str]:
    """Each checkpoint with its size, and which fine-tunes lose the model that they began with."""
    width = max(len(part.name) for part in deletion.parts)
    said = [
        f"  {printable(part.name, newline=False):<{width}}  {size(part.size):>8}" for part in deletion.parts
    ]
    if deletion.fine_tunes:
        names = ", ".join(printable(name, newline=False) for name in deletion.fine_tunes)
        said.append(f"  fine-tuned from it, and staying: {names}")
    return said


def _what(deletion: Deletion) -> str:
    number = len(deletion.parts)
    return f"{number} checkpoint{'s' * (number != 1)} ({size(deletion.size)})"
