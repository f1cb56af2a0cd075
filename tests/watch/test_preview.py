from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from mypt.events import Eval, TrainingStart, encode
from mypt.watch import preview
from mypt.watch.run import Run

EVALS = 40_000


def long_log(path: Path) -> None:
    start = TrainingStart(
        config={"max_iters": EVALS * 10, "start_step": 0}, timestamp="2026-01-01T10:00:00.000000"
    )
    with path.open("wb") as file:
        file.write(encode(start))
        for number in range(EVALS):
            loss = 2 + 8 * math.exp(-number / EVALS * 5)
            file.write(
                encode(
                    Eval(iter=number * 10, elapsed_s=float(number), tokens_processed=number * 640, lr=1e-4,
                         val_loss=loss, train_loss=loss - 0.1, eval_duration_s=0.5, eval_sets={"general": loss + 0.1},
                         timestamp="2026-01-01T10:00:00.000000")
                )
            )  # fmt: skip


def test_a_long_log_shows_its_shape_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long_eval.jsonl"
    long_log(path)
    assert path.stat().st_size > preview.PREVIEW_FROM
    run = Run("long", tmp_path, path)
    run.read(1 << 16)
    still_reading = run.reading
    assert still_reading
    shape = run.history
    val = shape.curves["val"]
    assert 400 <= len(val) < 1000
    assert shape.max_iters == EVALS * 10
    assert shape.step > 0.99 * EVALS * 10
    steps = [point.step for point in val.points()]
    assert max(b - a for a, b in pairwise(steps)) < EVALS * 10 / 200
    assert all(abs(p.y - (2 + 8 * math.exp(-p.step / 10 / EVALS * 5))) < 1e-5 for p in val.points())
    assert len(shape.curves["eval:general"]) == len(val)

    while run.reading:
        run.read(1 << 20)
    assert run.history is not shape
    assert len(run.history.curves["val"]) == EVALS


def test_a_short_log_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "short_eval.jsonl"
    path.write_bytes(encode(Eval(iter=0, val_loss=1.0)))
    assert preview.preview(path) is None
    assert preview.preview(tmp_path / "none.jsonl") is None
