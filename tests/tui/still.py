"""A workspace in which nothing depends on the day, the machine or the folder: for pictures that are compared."""

from __future__ import annotations

import json
import os
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest

from mypt import bundle

NOW = 1_767_275_100.0
"""2026-01-01 13:45 UTC: what every clock says."""

_CONFIG = {
    "batch_size": 16, "block_size": 64, "vocab_size": 96, "n_embd": 64, "n_head": 4, "n_layer": 2, "dropout": 0.1,
    "bias": False, "tie_weights": True,
}  # fmt: skip


def still(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stop the clock, give everybody the same machine, and return `~/poems` with three runs and two models in it."""
    workspace = folder / "poems"
    for name, value in {"HOME": folder, "TZ": "UTC", "MYPT_CONFIG_DIR": folder / "config"}.items():
        monkeypatch.setenv(name, str(value))
    if hasattr(time, "tzset"):
        time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    memory = namedtuple("memory", "total available percent used free")
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: memory(16 * 10**9, 12 * 10**9, 25.0, 4 * 10**9, 12 * 10**9)
    )
    monkeypatch.setattr("tui.screens.launch.machine._ask_nvidia", list)
    _log(workspace, "dante", hour=10, steps=1000, blocked=600)
    _log(workspace, "dante_sft", hour=11, steps=400, start=2.2)
    _log(workspace, "broken", hour=12, steps=200, ends="nan")
    _bundle(workspace, "dante", 1000, None)
    _bundle(workspace, "dante_gold", 900, None)
    _bundle(workspace, "dante_sft", 400, "dante", dropout=0.2, learning_rate=3e-5)
    for path in sorted(workspace.rglob("*")):
        os.utime(path, (NOW - 3600, NOW - 3600))
    return workspace


def _log(
    workspace: Path,
    name: str,
    *,
    hour: int,
    steps: int,
    start: float = 4.0,
    blocked: int = -1,
    ends: str = "",
) -> None:
    def stamp(step: int) -> str:
        seconds = step // 2
        return f"2026-01-01T{hour:02d}:{seconds // 60:02d}:{seconds % 60:02d}"

    config = {"max_iters": steps, "start_step": 0, "tokens_per_step": 1024, "eval_interval": 50}
    events: list[dict[str, Any]] = [
        {
            "event": "training_start",
            "timestamp": stamp(0),
            "config": config,
            "model": {"total_params": 104_512},
        }
    ]
    best = None
    for step in range(0, steps + 1, 50):
        loss = round(1.2 + (start - 1.2) * 0.8 ** (step / 50), 6)
        common = {
            "iter": step,
            "timestamp": stamp(step),
            "elapsed_s": step / 2,
            "tokens_processed": 1024 * step,
        }
        common["lr"] = round(3e-4 * (1 - 0.9 * step / steps), 8)
        events.append({"event": "eval", **common, "val_loss": loss, "train_loss": round(loss - 0.05, 6)})
        if step == blocked:
            why = {"val_loss": loss, "best_val_loss": best, "reason": "trend: 2 consecutive val rises"}
            events.append({"event": "gold_blocked", "iter": step, "timestamp": stamp(step), **why})
        elif step:
            gold = {"val_loss": loss, "prev_best": best}
            events.append({"event": "gold_checkpoint", "iter": step, "timestamp": stamp(step), **gold})
            best = loss
    text = {"prompt": "Nel mezzo", "text": " del cammin di nostra vita\nmi ritrovai per una selva oscura"}
    events.append({"event": "sample", "iter": steps, "timestamp": stamp(steps), **text})
    if ends:
        why = {"reason": ends, "message": f"the loss is nan at step {steps + 1}"}
        events.append({"event": "training_stopped", "iter": steps, "timestamp": stamp(steps), **why})
    else:
        total = {"total_steps": steps, "total_tokens": 1024 * steps, "total_elapsed_s": steps / 2}
        events.append(
            {"event": "training_complete", "timestamp": stamp(steps), **total, "final_val_loss": best}
        )
    path = workspace / "logs" / "train" / f"{name}_eval.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def _bundle(
    workspace: Path,
    name: str,
    step: int,
    base: str | None,
    *,
    dropout: float = 0.1,
    learning_rate: float = 3e-4,
) -> None:
    training = {"max_iters": 1000, "learning_rate": learning_rate, "eval_interval": 50, "seed": 1337}
    state: dict[str, Any] = {"step": step, "training_config": training, "progress": {"val_loss": 1.25}}
    if base:
        state["base"] = {"name": base, "step": 1000}
    with bundle.writing(workspace / "checkpoints" / name) as staging:
        (staging / "config.json").write_text(json.dumps(_CONFIG | {"dropout": dropout}))
        (staging / "training_state.json").write_text(json.dumps(state))
        (staging / "tokenizer.json").write_text(json.dumps({"token_kind": "char", "chars": list("\n abcde")}))
        (staging / "model.pt").write_bytes(b"w" * 420_000)
