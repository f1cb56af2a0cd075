"""Columns and histories for drawings."""

from __future__ import annotations

from collections.abc import Iterable

from mypt.events import Eval, GoldBlocked, GoldCheckpoint, PhaseSwitch, Train, TrainingStart
from mypt.plotting.drawing import Line
from mypt.watch.column import Column
from mypt.watch.history import RunHistory

STAMP = "2026-02-09T14:30:00"


def column(points: Iterable[tuple[int, float]]) -> Column:
    """Points at 100 tokens and 2 seconds a step."""
    made = Column()
    made.extend((step, 100.0 * step, 2.0 * step, y) for step, y in points)
    return made


def line(*ys: float, label: str = "val", color: str = "series-1") -> Line:
    """A curve with a point every ten steps."""
    return Line(label, color, column((10 * n, y) for n, y in enumerate(ys)))


def history(shift: float = 0.0, sets: tuple[str, ...] = ("general",), trains: bool = True) -> RunHistory:
    """A run of 100 steps and two phases, with an eval set, training losses, golds, a refused one and a resume."""
    made = RunHistory()
    made.feed([TrainingStart(config={"max_iters": 100, "tokens_per_step": 64}, timestamp=STAMP)])
    for step in range(0, 101, 10):
        loss = shift + 4 - 3 * step / 100
        place = {"iter": step, "elapsed_s": 2.0 * step, "tokens_processed": 64 * step}
        if step and trains:
            made.feed([Train(**place, train_loss=loss - 0.1, lr=1e-3, timestamp=STAMP)])  # type: ignore[arg-type]
        named = dict.fromkeys(sets, loss + 0.25)
        made.feed([Eval(**place, val_loss=loss, eval_sets=named, timestamp=STAMP)])  # type: ignore[arg-type]
        if step == 50:
            made.feed([PhaseSwitch(iter=50, new_phase="two", elapsed_s=100.0, timestamp=STAMP)])
        if step in (40, 90):
            made.feed([GoldCheckpoint(iter=step, val_loss=loss, timestamp=STAMP)])
        if step == 70:
            reason = "trend: 3 consecutive val rises"
            made.feed([GoldBlocked(iter=70, val_loss=loss, reason=reason, timestamp=STAMP)])
        if step == 80:
            again = {"max_iters": 100, "start_step": 80, "resumed": True, "tokens_per_step": 64}
            made.feed([TrainingStart(config=again, timestamp=STAMP)])
    return made
