"""Give a model another name: all its checkpoints, its log and its run records go with it, fine-tunes still find it."""

from __future__ import annotations

import argparse
from pathlib import Path

from mypt import housekeeping
from mypt.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and its name from now on."""
    parser.usage = "mypt rename OLD NEW"
    parser.add_argument("old", metavar="OLD", help="a model in checkpoints/")
    parser.add_argument("new", metavar="NEW", help="its name from now on; nothing may be called so yet")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Rename, and say what went along."""
    done = housekeeping.rename(workspace, options.old, options.new)
    print(printable(f"{done.old} is called {done.new} now:", newline=False))
    for sentence in done.sentences:
        print(f"  {sentence}")
    return 0
