"""A workspace where much goes on: runs that log by the real writer, on a clock that is let run fast."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mypt import bundle, events
from mypt.events import LogWriter
from tests.tui.logs import log_path

_BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
_EVAL_EVERY, _SAMPLE_EVERY, _RESUME_EVERY = 60, 300, 1200
TOKENS = 4096


class Trainings:
    """So many runs at once. Each logs an update a second, evaluates, samples, and is resumed now and then."""

    def __init__(self, workspace: Path, runs: int) -> None:
        self.step = 0
        self.lines = 0
        self._writers = [LogWriter(log_path(workspace, f"busy{number:02}")) for number in range(runs)]
        for writer in self._writers:
            self._start(writer)

    def second(self) -> None:
        """Let one second pass for all."""
        self.step += 1
        for number, writer in enumerate(self._writers):
            self._second(writer, number)

    def _second(self, writer: LogWriter, number: int) -> None:
        step = self.step
        stamp = (_BEGAN + timedelta(seconds=step)).isoformat()
        loss = 4.0 / (1 + step / 500) + number / 100
        common: dict[str, Any] = {
            "iter": step,
            "timestamp": stamp,
            "elapsed_s": float(step),
            "tokens_processed": TOKENS * step,
            "lr": 1e-3,
        }
        self._write(
            writer, events.Train(**common, train_loss=loss, grad_norm=0.5, tokens_per_sec=float(TOKENS))
        )
        if step % _EVAL_EVERY == 0:
            self._write(writer, events.Eval(**common, val_loss=loss, train_loss=loss, progress_pct=0.0))
            self._write(writer, events.GoldCheckpoint(iter=step, timestamp=stamp, val_loss=loss))
        if step % _SAMPLE_EVERY == 0:
            self._write(writer, events.Sample(iter=step, timestamp=stamp, prompt="Once", text=" a frog" * 40))
        if step % _RESUME_EVERY == 0:
            self._write(writer, events.TrainingStopped(iter=step, timestamp=stamp, reason="signal"))
            self._start(writer)

    def _start(self, writer: LogWriter) -> None:
        stamp = (_BEGAN + timedelta(seconds=self.step)).isoformat()
        config = {"max_iters": 10**7, "start_step": self.step, "tokens_per_step": TOKENS}
        self._write(writer, events.TrainingStart(timestamp=stamp, config=config | {"resumed": self.step > 0}))

    def _write(self, writer: LogWriter, event: Any) -> None:
        writer.write(event)
        self.lines += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.close()


def write_bundle(checkpoints: Path, name: str, step: int, goal: int | None = None) -> None:
    """A bundle by the real writer, with bytes in place of its weights: nobody opens these to list it."""
    config = {
        "batch_size": 8, "block_size": 64, "vocab_size": 64, "n_embd": 32, "n_head": 2, "n_layer": 2,
        "dropout": 0.0, "bias": False, "tie_weights": True,
    }  # fmt: skip
    state = {"step": step, "optimizer_file": "optimizer.pt", "training_config": {"max_iters": goal or step}}
    with bundle.writing(checkpoints / name) as folder:
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "training_state.json").write_text(json.dumps(state))
        (folder / "tokenizer.json").write_text('{"token_kind": "gpt2"}')
        for weights in ("model.pt", "optimizer.pt"):
            (folder / weights).write_bytes(b"\0" * 256)
