"""Put checkpoints and runs side by side: results, settings with where they came from, and what differs."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from mypt import bundle, diff
from mypt.diff import DETAILS, Side
from mypt.errors import Problem, UserError
from mypt.settings.paths import in_workspace
from mypt.text import printable
from mypt.watch.inventory import Workspace
from mypt.watch.of_model import Runs
from mypt.watch.run import Run

_RUN = "run:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which, and how it is printed."""
    parser.usage = "mypt compare NAME NAME … [flags]"
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a checkpoint (dante, dante_gold, a path), or a run: its name where there is no such checkpoint, "
        "run:NAME, or the path of its log",
    )
    parser.add_argument("--format", choices=["text", "md", "csv", "json"], default="text")
    parser.add_argument(
        "--only_differences", action="store_true", help="leave out what is the same everywhere"
    )
    parser.add_argument("--details", action="store_true", help="also files, versions and bookkeeping")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Print the comparison; nothing is written."""
    if len(options.names) < 2:
        raise UserError(Problem("needs two or more names", where="mypt compare", value=options.names[0]))
    picture = Workspace(workspace)
    picture.scan()
    sides = [_side(name, picture) for name in options.names]
    rows = [
        row
        for row in diff.compare(sides)
        if (row.differs or not options.only_differences) and (options.details or row.group != DETAILS)
    ]
    if options.format == "text":
        width = max(shutil.get_terminal_size().columns, 80) if sys.stdout.isatty() else None
        print("\n".join(diff.to_text(rows, sides, width)))
    else:
        write = {"md": diff.to_markdown, "csv": diff.to_csv, "json": diff.to_json}[options.format]
        print(write(rows, sides).rstrip("\n"))
    return 0


def _side(name: str, picture: Workspace) -> Side:
    checkpoints = picture.path / "checkpoints"
    wanted = name.removeprefix(_RUN)
    runs = picture.find(wanted)
    if not name.startswith(_RUN):
        named = in_workspace(name, picture.path)
        by_path = bundle.is_path(named) and Path(named).is_dir()
        if by_path or (checkpoints / name).is_dir() or not runs:
            return _side_of_checkpoint(named, picture, runs)
    if not runs:
        there = ", ".join(printable(run.label, newline=False) for run in picture.runs)
        raise UserError(
            Problem("no such run", field="NAME", value=wanted, remedy=f"there are: {there or 'none'}")
        )
    found = runs[0]
    _read(found)
    own = bundle.read_info(checkpoints / found.name) if (checkpoints / found.name).is_dir() else None
    mine = own if own is not None and Runs(picture.runs).of(found.name) is found else None
    return diff.side_of_run(found, mine, diff.preset_values(picture.path, diff.preset_of(found)))


def _side_of_checkpoint(named: str, picture: Workspace, runs: list[Run]) -> Side:
    try:
        info = bundle.find(picture.path / "checkpoints", named)
    except UserError as error:
        if any(problem.field == "model_name" for problem in error.problems):
            labels = [printable(run.label, newline=False) for run in picture.runs]
            names = sorted(i.name for i in bundle.list_bundles(picture.path / "checkpoints"))
            remedy = f"checkpoints: {', '.join(names) or 'none'}; runs: {', '.join(labels) or 'none'}"
            raise UserError(
                Problem("no such checkpoint or run", field="NAME", value=named, remedy=remedy)
            ) from None
        raise
    trained = Runs(picture.runs).of(info.model_name)
    if trained is not None:
        _read(trained)
    found = diff.reached(info, trained.history if trained else None)
    return diff.side_of(info, val_loss=found.loss)


def _read(run: Run) -> None:
    """All of one log: that of a run which is not compared may be long."""
    run.read(1 << 20)
    while run.reading:
        run.read(1 << 20)
    run.read(1 << 20, final=True)
    run.evaluate()
