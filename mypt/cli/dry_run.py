"""`mypt train --dry_run`: every effective value and where it comes from, and what would happen. Writes nothing."""

from __future__ import annotations

from pathlib import Path

from mypt.check import check
from mypt.data.source import RunData, describe, vocabulary_rows
from mypt.errors import UserError, raise_for
from mypt.estimate import parameters
from mypt.runs.lock import ModelLock
from mypt.settings import fields
from mypt.settings.request import Request, as_text
from mypt.settings.resolve import survey
from mypt.settings.resolved import Resolved, warmup_steps
from mypt.text import count, whole
from mypt.training.console import Console


def show(request: Request, workspace: Path) -> int:
    """Print what `mypt train` would do. Raises `UserError` for what it would refuse, after the values where they are right."""
    console = Console()
    found = survey(request, workspace)
    try:
        run, data = check(request, workspace)
    except UserError:
        if not found.problems and found.resolved is not None:
            _values(found.resolved, None, console)
        raise
    raise_for(found.problems)
    rows = vocabulary_rows(run, data.tokenizer)
    _values(run, rows, console)
    for notice in [*run.notices, *data.notices, *_in_the_way(run)]:
        console.line(f"Note: {notice}", "strong")
    _sizes(run, data, rows, console)
    return 0


def _values(run: Resolved, rows: int | None, console: Console) -> None:
    console.line(f"{run.model_name}: {run.mode} run, nothing is written", "strong")
    shown = [e for e in run.values.values() if e.value is not None or e.source.kind != "default"]
    width = max(len(e.name) for e in shown)
    for group in fields.Group:
        console.line(f"{group}:", "quiet")
        for e in shown:
            if fields.group(e.name) is not group:
                continue
            value, source = as_text(e.value), str(e.source)
            if e.name == "vocab_size" and rows not in (None, e.value):
                value, source = str(rows), "the text's characters"
            console.line(f"  {e.name:<{width}}  {value:<22} {source}")


def _in_the_way(run: Resolved) -> list[str]:
    """Why the run would not train now, although nothing is wrong with what is asked."""
    said = []
    holder = ModelLock(run.workspace, run.model_name).holder()
    if holder is not None:
        said.append(f"{run.model_name} is being trained now, by {holder}")
    if run.checkpoint is not None and run.checkpoint.has_done(run.settings.max_iters):
        said.append(f"nothing is left to do: {run.start_step} updates are done; a larger --max_iters goes on")
    return said


def _sizes(run: Resolved, data: RunData, rows: int, console: Console) -> None:
    from dataclasses import replace

    s = run.settings
    console.line(f"Parameters: {whole(parameters(replace(run.config, vocab_size=rows)))}")
    console.line(
        f"Steps: {whole(run.start_step)} to {whole(s.max_iters)}, "
        f"{count(s.batch_size * s.block_size * s.grad_accum_steps)} tokens each, warm-up {warmup_steps(s)}"
    )
    for line in describe(data):
        console.line(f"Data {line} ({data.tokenizer.describe()})")
