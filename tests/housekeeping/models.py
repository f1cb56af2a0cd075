"""Models as a trainer leaves them, small: bundles, a log, a run record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.bundle import Kind, directory_name
from mypt.events import Eval, LogWriter
from mypt.runs import record
from mypt.runs.directory import ExitRecord, write_exit
from mypt.runs.record import RunRecord

CONFIG = {
    "batch_size": 2,
    "block_size": 8,
    "vocab_size": 4,
    "n_embd": 8,
    "n_head": 2,
    "n_layer": 1,
    "dropout": 0.1,
    "bias": False,
}
BEGAN = "2026-01-02T03:04:05"


def save(
    place: Path,
    name: str,
    *,
    base: str | None = None,
    began: str | None = BEGAN,
    weights: int = 1000,
    **settings: Any,
) -> Path:
    """One bundle, whole but for its weights, which nobody reads here."""
    state: dict[str, Any] = {
        "step": 5,
        "training_config": {"max_iters": 10, **settings},
        "progress": {"val_loss": 2.5} | ({"started_at": began} if began else {}),
    }
    if base:
        state["base"] = {"name": base, "step": 3}
    target = place / "checkpoints" / name
    with bundle.writing(target) as staging:
        (staging / "config.json").write_text(json.dumps(CONFIG))
        (staging / "training_state.json").write_text(json.dumps(state))
        (staging / "tokenizer.json").write_text(json.dumps({"token_kind": "gpt2"}))
        (staging / "model.pt").write_bytes(b"w" * weights)
    return target


def log(place: Path, name: str) -> Path:
    """A log with two evaluations."""
    path = place / "logs" / "train" / f"{name}_eval.jsonl"
    with LogWriter(path) as writer:
        for step in (0, 5):
            writer.write(Eval(iter=step, val_loss=3.0 - step / 10))
    return path


def ended(place: Path, name: str, *words: str) -> RunRecord:
    """The record of a run that is over."""
    made = record.create(
        place,
        model_name=name,
        log_file=f"logs/train/{name}_eval.jsonl",
        command=["mypt", "train", "--model_name", name, *words],
        origin="shell",
    )
    write_exit(made.directory(place), ExitRecord(code=0))
    return made


def model(place: Path, name: str, **about: Any) -> None:
    """A model with all three bundles, its log and its run record."""
    for kind in Kind:
        save(place, directory_name(name, kind), **about)
    log(place, name)
    ended(place, name)


def names(place: Path) -> list[str]:
    """The bundles that are listed; each of them must be whole."""
    found = bundle.list_bundles(place / "checkpoints")
    assert [info.problem for info in found] == [""] * len(found)
    return [info.name for info in found]


def in_checkpoints(place: Path) -> list[str]:
    """Everything that lies there, hidden or not."""
    return sorted(path.name for path in (place / "checkpoints").iterdir())
