"""Draw the curves of runs in the shell, or write them as SVG or CSV."""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mypt import disk
from mypt.errors import Problem, UserError
from mypt.files import why_no_file
from mypt.fsio import write_atomic
from mypt.names import why_no_name
from mypt.plotting.choice import Chosen, choose, named_curves, notes, summary
from mypt.plotting.drawing import View
from mypt.plotting.palette import SIZE
from mypt.plotting.shell import LEAST, MOST, chart
from mypt.text import cells, printable
from mypt.training.console import plain
from mypt.watch.inventory import Workspace
from mypt.watch.renames import log_of
from mypt.watch.run import Run
from mypt.watch.smooth import HEAVIEST

_SIZE = (100, 30)
_MOST_RUNS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, which curves, and where they go."""
    parser.usage = "mypt plot [RUN …] [flags]"
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a model's name, a log file, or a pattern of names such as 'dante*'; the latest run if there is none",
    )
    parser.add_argument(
        "--x",
        choices=("step", "tokens", "time", "clock"),
        default="step",
        help="along which axis; time is that of training, clock (of one run) that on the wall [step]",
    )
    parser.add_argument("--log_y", action="store_true", help="logarithmic y")
    parser.add_argument(
        "--smooth",
        metavar="W",
        default="0",
        help="average with this weight, from 0 to 0.999, as TensorBoard does [0]",
    )
    parser.add_argument(
        "--curves",
        metavar="NAMES",
        help="which ones, with commas: val, batch, train_eval, an eval set, lr, grad_norm, tokens_per_sec, … [of one run all losses, of several val; in CSV all]",
    )
    parser.add_argument(
        "--window",
        metavar="FROM:TO",
        help="only this stretch of the axis: steps, tokens or seconds; 500: is allowed",
    )
    parser.add_argument("--size", metavar="WxH", help="columns and rows [those of the terminal, else 100x30]")
    parser.add_argument("--ascii", action="store_true", help="nothing but ASCII")
    parser.add_argument("--svg", metavar="FILE", help="write a picture for a browser instead (- prints it)")
    parser.add_argument("--csv", metavar="FILE", help="write the numbers instead (- prints them)")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Read the logs that are asked for and no others, draw or write, and be done."""
    smooth, size = _weight(options.smooth), _size(options.size)
    window = _window(options.window)
    wanted = [name.strip() for name in (options.curves or "").split(",") if name.strip()]
    runs = _find(options.runs, workspace)
    for found in runs:
        read_whole(found)
    if options.x == "clock" and len(runs) > 1:
        raise UserError(
            Problem("is for one run", field="--x", value="clock", remedy="compare runs along time")
        )
    view = View(options.x, options.log_y, window, runs[0].history.clock)
    histories = {found.label: found.history for found in runs}
    chosen = choose(histories, wanted, smooth)
    if not chosen.lines:
        names = ", ".join(printable(found.label, newline=False) for found in runs)
        raise UserError(f"{names}: nothing was measured yet")
    if options.svg or options.csv:
        if options.svg:
            from mypt.plotting.svg import svg

            title = ", ".join(chosen.columns) if len(chosen.columns) == 1 else ""
            _write(options.svg, "--svg", [svg(chosen.lines, chosen.signs, view, title=title)])
        if options.csv:
            from mypt.plotting.tabular import csv_lines

            # A table has room for all of them.
            every = {label: named_curves(history) for label, history in histories.items()}
            _write(
                options.csv, "--csv", csv_lines(chosen.columns if wanted else every, view.axis, view.window)
            )
        return 0
    for line in drawn(chosen, view, size, ascii_only=options.ascii):
        print(line)
    return 0


def drawn(
    chosen: Chosen, view: View, size: tuple[int, int] | None, *, ascii_only: bool = False, table: bool = True
) -> list[str]:
    """The chart and its table for this process's output: as large as the terminal, in colour where it shows colours."""
    terminal = sys.stdout.isatty()
    if size is None:
        there = shutil.get_terminal_size(_SIZE) if terminal else _SIZE
        # The table, and the prompt that comes after it, have their rows too.
        left = there[1] - 2 - len(summary(chosen)) - len(notes(chosen)) if terminal else there[1]
        size = max(there[0], LEAST[0]), max(left, 12)
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    ascii_only = ascii_only or not encoding.startswith("utf")
    lines = chart(
        chosen.lines,
        chosen.signs,
        view,
        width=size[0],
        height=size[1],
        colours=terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb",
        light=_is_light(),
        ascii_only=ascii_only,
    )
    if not table:
        return lines
    below = [*_table(summary(chosen), size[0]), *notes(chosen)]
    return [*lines, "", *(plain(line) if ascii_only else line for line in below)]


def latest(runs: Sequence[Run]) -> list[str]:
    """The chart of the first of these runs, as many as there are colours."""
    measured = [run for run in runs if "val" in run.history.curves][:SIZE]
    if not measured:
        return ["no run has a validation loss yet"]
    chosen = choose({run.label: run.history for run in measured}, ["val"])
    height = 20 if not sys.stdout.isatty() else min(20, max(shutil.get_terminal_size(_SIZE).lines // 2, 12))
    width = shutil.get_terminal_size(_SIZE).columns if sys.stdout.isatty() else _SIZE[0]
    lines = drawn(chosen, View(), (width, height), table=False)
    more = len(runs) - len(measured)
    return [*lines, f"{more} more in the table above; mypt plot NAME draws any"] if more else lines


def read_whole(run: Run) -> None:
    """Read a run's log to its end, an unfinished last line included."""
    run.read(1 << 20)
    while run.reading:
        run.read(1 << 20)
    run.read(1 << 20, final=True)


def _find(names: Sequence[str], workspace: Path) -> list[Run]:
    picture = Workspace(workspace)
    picture.scan()
    there = picture.runs
    if not names:
        if not there:
            raise UserError(
                f"no runs in {workspace} yet; mypt train --config_file configs/tiny_char.json makes one"
            )
        return [max(there, key=lambda run: run.found_at)]
    found: dict[str, Run] = {}
    problems = []
    for name in names:
        runs = _named(name, picture, workspace)
        if not runs:
            problems.append(_unknown(name, there, workspace))
        found.update((run.key, run) for run in runs)
    if problems:
        raise UserError(*problems)
    if len(found) > _MOST_RUNS:
        raise UserError(
            f"{len(found)} runs in one chart are too many to tell apart; name at most {_MOST_RUNS}"
        )
    return list(found.values())


def _named(name: str, picture: Workspace, workspace: Path) -> list[Run]:
    runs = picture.find(name) or picture.find(str(workspace / name))
    if runs:
        return runs
    path = workspace / name
    if "\0" not in name and path.is_file() and not why_no_file(path):
        run = Run(str(path), workspace, path.resolve())
        run.label = run.name
        return [run]
    if any(sign in name for sign in "*?["):
        return [
            run
            for run in picture.runs
            if fnmatch.fnmatchcase(run.label, name) or fnmatch.fnmatchcase(run.name, name)
        ]
    return []


def _unknown(name: str, there: Sequence[Run], workspace: Path) -> Problem:
    labels = list(dict.fromkeys(run.label for run in there))
    path = workspace / name
    if "\0" not in name and path.is_dir():
        return Problem("is a folder; name a run or a log file", field=name)
    if not why_no_name(name):
        # Where a model has its log unless another one is named: what lies there is no log that could be listed.
        log = workspace / log_of(name)
        if os.path.lexists(log) and (why := why_no_file(log)):
            return Problem(
                f"is no log: it {why}", where=log_of(name), remedy="move it away, or name another run"
            )
    near = difflib.get_close_matches(name, labels, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]}?" if near else ""
    if not near:
        first = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
        remedy = f"there are: {first}" if labels else "there are no runs here yet"
    return Problem("no such run or log file", field=name, remedy=remedy)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= HEAVIEST:
        raise UserError(
            Problem(
                f"must be a number from 0 to {HEAVIEST}",
                field="--smooth",
                value=text,
                remedy="0.6 and 0.9 are usual",
            )
        )
    return weight


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().replace("×", "x").partition("x")
    if width.isdecimal() and height.isdecimal() and len(text) < 12:
        size = int(width), int(height)
        if all(low <= n <= high for n, low, high in zip(size, LEAST, MOST, strict=True)):
            return size
    least, most = ("x".join(map(str, limit)) for limit in (LEAST, MOST))
    raise UserError(
        Problem(
            f"must be columns x rows, from {least} to {most}",
            field="--size",
            value=text,
            remedy="such as 100x30",
        )
    )


def _window(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        window = float(first or 0), float(last or "inf")
        if colon and window[0] < window[1]:
            return window
    except ValueError:
        pass
    raise UserError(
        Problem(
            "must be two numbers that rise, FROM:TO",
            field="--window",
            value=text,
            remedy="such as 500:2000 or 500:",
        )
    )


def _write(target: str, flag: str, parts: Iterable[str]) -> None:
    if target == "-":
        for part in parts:
            sys.stdout.write(part)
        return
    path = Path(target)
    if path.is_dir() or not path.parent.is_dir():
        why = "is a folder" if path.is_dir() else "its folder is not there"
        raise UserError(Problem(f"cannot be written: {why}", field=flag, value=target, remedy="name a file"))
    try:
        write_atomic(path, "".join(parts))
    except OSError as error:
        if error.errno in disk.FULL:
            raise
        raise UserError(Problem(f"cannot be written: {error.strerror}", field=flag, value=target)) from None
    print(f"written: {printable(target, newline=False)}")


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns as wide as what is in them, empty ones left out; the first is cut where a line would be too long."""
    used = [n for n in range(len(rows[0])) if any(row[n] for row in rows[1:])]
    wide = {n: max(cells(row[n]) for row in rows) for n in used}
    wide[0] = min(wide[0], max(width - sum(wide.values()) + wide[0] - 2 * len(used), 12))
    lines = []
    for row in rows:
        parts = []
        for n in used:
            text = row[n]
            while cells(text) > wide[n]:
                text = text[:-2] + "…"
            padding = " " * (wide[n] - cells(text))
            parts.append(text + padding if n in (0, len(row) - 1) else padding + text)
        lines.append("  ".join(parts).rstrip())
    return lines


def _is_light() -> bool:
    """Whether the terminal says (as some do) that its ground is light."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
