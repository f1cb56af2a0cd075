"""The present of every run in plain values, for `mypt status` and for programs that read its JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mypt.fsio import finite
from mypt.runs.directory import read_exit
from mypt.watch.inventory import Workspace, in_line
from mypt.watch.run import Run

_SPARK = 12


def status_rows(workspace: Workspace, runs: Sequence[Run] | None = None) -> list[dict[str, Any]]:
    """One row of plain JSON values a run (of `runs`, else of all, the youngest first).

    Numbers that are not finite are null, and `nonfinite` names them, as in a log: `{"val_loss": "nan"}`, an eval set as
    `evals.general`.

    Keys: those of `RunSummary`, and key, name, label, state, why, log, console, run_id, origin, attempts, age_s,
    reading, settings (of the log and the record), sparkline, evals (the latest loss of every eval set), last_lines
    (what a failed run printed last), queue_position (1 is next), slurm_job (its number), pid and host (of the trainer, else of its supervisor), created_at,
    command, exit_code, exit_signal and exit_reason. `eta_s` counts from now, and is null unless the run is running and has steps left.
    """
    waiting = in_line(workspace.runs)
    rows = []
    for run in workspace.runs if runs is None else runs:
        record = run.record
        process = (record.trainer or record.supervisor) if record else None
        end = read_exit(run.directory) if run.directory else None
        row: dict[str, Any] = {
            "key": run.key,
            "name": run.name,
            "label": run.label,
            "state": run.state.value,
            "why": run.sentence,
            **dataclasses.asdict(run.summary),
            "eta_s": run.eta_s,
            "age_s": run.age_s,
            "queue_position": waiting.index(run) + 1 if run in waiting else None,
            "pid": process.pid if process else None,
            "host": process.host if process else None,
            "exit_code": end.code if end else None,
            "exit_signal": end.signal if end else None,
            "exit_reason": end.reason if end else None,
            "log": str(run.log_path),
            "console": str(run.console_path) if run.console_path else None,
            "run_id": record.run_id if record else None,
            "origin": record.origin if record else None,
            "slurm_job": record.job if record else None,
            "created_at": record.created_at if record else None,
            "command": list(record.command) if record else None,
            "attempts": len(run.attempts),
            "reading": run.reading,
            "settings": {**(record.settings if record else {}), **run.history.config, **run.history.settings},
            "sparkline": run.sparkline(_SPARK),
            "evals": _evals(run),
            "last_lines": list(run.last_lines),
        }
        told = {name: finite(value) for name, value in row.items()}
        rows.append({**told, "nonfinite": _nonfinite(row)})
    return rows


def _nonfinite(row: Mapping[str, Any]) -> dict[str, str]:
    numbers = {**row, **{f"evals.{name}": value for name, value in row["evals"].items()}}
    return {
        name: str(value)
        for name, value in numbers.items()
        if isinstance(value, float) and not math.isfinite(value)
    }


def _evals(run: Run) -> dict[str, float | None]:
    names = [name for name in run.history.curves if name.startswith("eval:")]
    return {name.removeprefix("eval:"): run.history.latest(name) for name in names}
