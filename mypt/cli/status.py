"""List the runs of the workspace once: what each does, how far it is, and why it ended."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
import unicodedata
from pathlib import Path
from typing import Any

from mypt.runs.state import RunState
from mypt.text import count, duration, loss, printable
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
# Heads with the width of their columns; what is left of the line is the name's.
_COLUMNS = {"state": 11, "step": 12, "%": 4, "val": 6, "best": 7, "tok/s": 5, "ETA": 7, "age": 4}
_TEXTS = frozenset({"name", "state"})
_NARROWEST = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A table for people, or JSON for programs."""
    parser.add_argument(
        "--json", action="store_true", help="print every value of every run as JSON (unknown: null)"
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
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NARROWEST
        for line in table(rows, max(width, _NARROWEST)):
            print(line)
    else:
        print(f"No runs in {printable(str(workspace))} yet. The first one, in a minute or two and offline:")
        print("  mypt train --config_file configs/tiny_char.json")
    for broken in picture.broken_records:
        print(f"A run's record is broken: {printable(broken.run_id)}: {broken.problem}")
    return 0


def table(rows: list[dict[str, Any]], width: int) -> list[str]:
    """The lines of the table for `status_rows`, none wider than `width` characters."""
    room = width - sum(_COLUMNS.values()) - len(_COLUMNS)
    longest = max(_cells(printable(row["label"], newline=False)) for row in rows)
    columns = {"name": max(min(longest, room), 4), **_COLUMNS}
    lines = [_line({head: head for head in columns}, columns)]
    for row in rows:
        lines.append(_line(_texts(row), columns))
        lines += _why(row, width)
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
    cells = []
    for head, width in columns.items():
        text = _fit(texts[head], width)
        padding = " " * (width - _cells(text))
        cells.append(text + padding if head in _TEXTS else padding + text)
    return " ".join(cells).rstrip()


def _why(row: dict[str, Any], width: int) -> list[str]:
    """What a person should know of a run that neither goes on nor has reached its end, below its line."""
    if row["state"] in (RunState.RUNNING.value, RunState.FINISHED.value, RunState.STARTING.value):
        return []
    text = printable(row["why"], newline=False)
    return textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _fit(text: str, width: int) -> str:
    if _cells(text) <= width:
        return text
    while _cells(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _cells(text: str) -> int:
    """Columns of a terminal that `text` takes: ideographs take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
