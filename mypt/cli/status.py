"""List the runs of the workspace once: what each does, how far it is, and why it ended."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

from mypt.runs.state import RunState
from mypt.text import cells, count, duration, loss, printable
from mypt.watch.inventory import Workspace, status_rows

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
        "--json", action="store_true", help="print every value of every run as JSON (unknown: null)"
    )
    parser.add_argument(
        "--plot", action="store_true", help="draw the validation losses of the latest runs below the table"
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Read the logs and the records, print, and be done; nothing is written."""
    picture = Workspace(workspace)
    picture.load()
    rows = status_rows(picture)
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    if rows:
        # Into a file or a pipe nothing is cut or broken: whoever reads it has room, or scrolls.
        width = max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
        for line in table(rows, width):
            print(line)
    else:
        print(f"No runs in {printable(str(workspace))} yet. The first one, in a minute or two and offline:")
        print("  mypt train --config_file configs/tiny_char.json")
    if options.plot and rows:
        from mypt.cli.plot import latest

        print("\n".join(["", *latest(picture)]))
    for broken in picture.broken_records:
        print(f"A run's record is broken: {printable(broken.run_id)}: {broken.problem}")
    return 0


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
        "val": _loss(row["val_loss"]),
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
