"""List the runs of the workspace: what each does, how far it is, and why it ended."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt.cli.stops import Stopped, stopped_by_signals
from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.text import cells, count, duration, loss, printable
from mypt.watch.inventory import Workspace, with_the_queue_in_line
from mypt.watch.status import status_rows

if TYPE_CHECKING:
    from mypt.watch.query import Query
    from mypt.watch.run import Run

_SIGNS = {
    RunState.QUEUED: "◷",
    RunState.STARTING: "◌",
    RunState.RUNNING: "●",
    RunState.FINISHED: "✓",
    RunState.STOPPED: "■",
    RunState.FAILED: "✗",
    RunState.STALLED: "◍",
    RunState.LAST_SEEN: "○",
}
_COLUMNS = ("state", "step", "%", "val", "best", "tok/s", "ETA", "age")
_TEXTS = frozenset({"name", "state"})
_NARROWEST = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A table for people, or JSON for programs."""
    parser.add_argument(
        "--filter",
        default="",
        metavar="WORDS",
        help="only runs that match: 'learning_rate>=1e-4 state:running dante -base:none'",
    )
    parser.add_argument(
        "--sort",
        default="started",
        metavar="NAME",
        help="by a result or a setting: val, best, state, age, learning_rate … [started: youngest first]",
    )
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=2.0,
        metavar="SECONDS",
        help="print it again every so often [2], until Ctrl-C",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print every value of every run as JSON (unknown: null; no finite number: null, and in nonfinite)",
    )
    parser.add_argument(
        "--plot", action="store_true", help="draw the validation losses of the first runs below the table"
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Read the logs and the records, print, and be done; nothing is written."""
    picture = Workspace(workspace)
    picture.load()
    choice = _Choice(options, picture.runs)
    if options.watch is not None:
        return _watch(picture, workspace, choice, max(0.2, options.watch))
    if options.json:
        print(json.dumps(status_rows(picture, choice.of(picture.runs)), indent=2))
        return 0
    _print(picture, workspace, choice)
    return 0


class _Choice:
    """Which runs are listed, in which order. Raises UserError for what cannot be understood."""

    def __init__(self, options: argparse.Namespace, runs: list[Run]) -> None:
        self.filter, self.plot = options.filter.strip(), options.plot
        self._query: Query | None = None
        self._order = None
        if options.watch is not None and options.json:
            raise UserError("--watch: prints for people; for programs, call `mypt status --json` again")
        if not self.filter and options.sort == "started" and not options.reverse:
            return
        from mypt.watch import facts, order, query

        names = facts.names_in(runs)
        try:
            self._query = query.parse(options.filter, names)
        except query.QueryError as error:
            raise UserError(f"--filter: {error}") from None
        try:
            self._order = order.parse(options.sort, names)
        except UserError as error:
            raise UserError(f"--sort: {error}") from None
        if options.reverse:
            self._order = self._order.turned

    def of(self, runs: list[Run]) -> list[Run]:
        """Those of `runs` that are meant, in order."""
        if self._query is None or self._order is None:
            return with_the_queue_in_line(runs)
        from mypt.watch import facts, order

        found = [run for run in runs if self._query.holds(facts.looks_at(run))]
        return order.runs_in_order(found, self._order)


def _watch(picture: Workspace, workspace: Path, choice: _Choice, every_s: float) -> int:
    """Print again and again, until interrupted."""
    terminal = sys.stdout.isatty()
    try:
        with stopped_by_signals():
            while True:
                if terminal:
                    # Home, and clear below: what stands there does not flicker as with a cleared screen.
                    print("\x1b[H\x1b[J", end="")
                _print(picture, workspace, choice)
                print(
                    f"{time.strftime('%H:%M:%S')}, every {every_s:g} s, Ctrl-C ends" if terminal else "",
                    flush=True,
                )
                until = time.monotonic() + every_s
                while picture.poll(0.2).more or time.monotonic() < until:
                    time.sleep(min(0.1, every_s))
    except Stopped as stop:
        if stop.number != signal.SIGINT:
            raise
    return 0


def _print(picture: Workspace, workspace: Path, choice: _Choice) -> None:
    listed = choice.of(picture.runs)
    rows = status_rows(picture, listed)
    if rows:
        # Into a file or a pipe nothing is cut or broken: whoever reads it has room, or scrolls.
        width = max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
        for line in table(rows, width):
            print(line)
    elif picture.runs:
        shown = printable(choice.filter, newline=False)
        print(f"None of {len(picture.runs)} runs matches {shown}; without --filter all are listed")
    elif closed := [name for name in _FOLDERS if not _is_open(workspace / name)]:
        print(f"No run can be seen in {printable(str(workspace))}: {', '.join(closed)} may not be read")
        print("  Their owner can allow it: chmod -R a+rX, and umask 022 for what comes")
    else:
        print(f"No runs in {printable(str(workspace))} yet. The first one, in a minute or two and offline:")
        print("  mypt train --config_file configs/tiny_char.json")
    if choice.plot and rows:
        from mypt.cli.plot import latest

        print("\n".join(["", *latest(listed)]))
    for broken in picture.broken_records:
        print(f"A run's record is broken: {printable(broken.run_id)}: {broken.problem}")


_FOLDERS = ("logs", "checkpoints", ".mypt")


def _is_open(folder: Path) -> bool:
    return not folder.exists() or os.access(folder, os.R_OK | os.X_OK)


def table(rows: list[dict[str, Any]], width: int | None) -> list[str]:
    """The lines of the table for `status_rows`, none wider than `width` (None: as wide as they come).

    Columns are as wide as what is in them. A name that leaves no room for the rest has a line of its own.
    """
    texts = [_texts(row) for row in rows]
    columns = {head: max(cells(text[head]) for text in [*texts, {head: head}]) for head in _COLUMNS}
    names = max(cells(text["name"]) for text in texts)
    room = names if width is None else width - sum(columns.values()) - len(columns)
    columns = {"name": max(min(names, room), len("name")), **columns}
    lines = [_line({head: head for head in columns}, columns)]
    for row, text in zip(rows, texts, strict=True):
        if cells(text["name"]) > columns["name"]:
            lines += _broken(text["name"], width or names)
            text = {**text, "name": ""}
        lines.append(_line(text, columns))
        lines += _why(row, width)
    return lines


def _broken(text: str, width: int) -> list[str]:
    """A text over as many lines as it needs."""
    lines = [""]
    for char in text:
        if cells(lines[-1] + char) > width:
            lines.append("")
        lines[-1] += char
    return lines


def _texts(row: dict[str, Any]) -> dict[str, str]:
    state = RunState(row["state"])
    total = row["max_iters"]
    best = row["gold_val"] if row["gold_val"] is not None else row["best_val"]
    return {
        "name": printable(row["label"], newline=False),
        "state": f"{_SIGNS[state]} {state.value.replace('_', ' ')}",
        "step": count(row["step"]) + (f"/{count(total)}" if total else ""),
        "%": "" if row["progress"] is None else f"{100 * row['progress']:.0f}%",
        "val": row["nonfinite"].get("val_loss") or _loss(row["val_loss"]),
        "best": ("★" if row["gold_val"] is not None else "") + _loss(best),
        "tok/s": "" if row["tokens_per_sec"] is None else count(row["tokens_per_sec"]),
        "ETA": "" if row["eta_s"] is None else duration(row["eta_s"]),
        "age": "" if row["age_s"] is None else duration(row["age_s"]).split()[0],
    }


def _loss(value: float | None) -> str:
    return "" if value is None else loss(value) if value < 10 else f"{value:.4g}"


def _line(texts: dict[str, str], columns: dict[str, int]) -> str:
    parts = []
    for head, width in columns.items():
        padding = " " * (width - cells(texts[head]))
        parts.append(texts[head] + padding if head in _TEXTS else padding + texts[head])
    return " ".join(parts).rstrip()


def _why(row: dict[str, Any], width: int | None) -> list[str]:
    """What a person should know of a run that is not plain from its line: below it, indented."""
    said = []
    if row["state"] not in (RunState.RUNNING.value, RunState.FINISHED.value, RunState.STARTING.value):
        said.append(row["why"] + _place(row["queue_position"]))
    if row["bad_lines"]:
        lines = "line" if row["bad_lines"] == 1 else "lines"
        said.append(f"{row['bad_lines']} {lines} of its log could not be read")
    wide = width or sys.maxsize
    return [
        line
        for text in said
        for line in textwrap.wrap(
            printable(text, newline=False),
            wide,
            initial_indent="    ",
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
    ]


def _place(position: int | None) -> str:
    if position is None:
        return ""
    return "; next in the queue" if position == 1 else f"; number {position} in the queue"
