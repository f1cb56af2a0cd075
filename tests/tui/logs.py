"""Logs of runs for the tests of the dashboard, written by the real writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mypt import events
from mypt.events import LogWriter


def log_path(workspace: Path, name: str) -> Path:
    """Where the run of that name logs."""
    return workspace / "logs" / "train" / f"{name}_eval.jsonl"


def write_run(workspace: Path, name: str, *, evals: int = 4, total: int = 100, complete: bool = True) -> Path:
    """A run with an evaluation every ten steps, gold each time, and a sample."""
    path = log_path(workspace, name)
    with LogWriter(path) as log:
        log.write(
            events.TrainingStart(
                config={"max_iters": total, "start_step": 0, "tokens_per_step": 64, "eval_interval": 10},
                model={"total_params": 12345},
            )
        )
        for number in range(evals):
            step, loss = 10 * number, 4.0 / (1 + number)
            common: dict[str, Any] = {
                "iter": step,
                "elapsed_s": float(number),
                "tokens_processed": 64 * step,
                "lr": 1e-3,
            }
            log.write(events.Train(**common, train_loss=loss - 0.1, grad_norm=0.5, tokens_per_sec=640.0))
            log.write(events.Eval(**common, val_loss=loss, train_loss=loss - 0.1, progress_pct=0.0))
            if number:
                log.write(events.GoldCheckpoint(iter=step, val_loss=loss))
        log.write(events.Sample(iter=10 * evals - 10, prompt="Once", text=" there was a frog"))
        if complete:
            log.write(events.TrainingComplete(total_steps=total, final_val_loss=1.0, best_val_loss=1.0))
    return path
