"""What happened in a run, apart from its curves: marks on a chart and lines in a list, with words for people."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeGuard

from mypt.events import (
    Eval,
    GoldCheckpoint,
    Sample,
    TrainingComplete,
    TrainingStart,
    TrainingStopped,
)
from mypt.text import count, duration, loss, printable
from mypt.watch.lines import EvalRow, eval_sets

MarkKind = Literal[
    "start",
    "resume",
    "eval",
    "gold",
    "blocked",
    "phase",
    "notice",
    "sample",
    "nan",
    "stopped",
    "complete",
    "other",
]

# A log may be hostile: no text of it is kept at a length that nobody could read.
_LONGEST = 20_000
_LONGEST_LINE = 200


class Mark(NamedTuple):
    """One thing that happened after `step` updates, at `tokens` and `time` (seconds) on the other two axes.

    `timestamp` is the log's own (local ISO), `value` a loss where one belongs to it (NaN is possible), `text` says
    it in words on one line; for "phase" it is the phase's name, for "blocked" the reason. Printable, all of it.
    """

    kind: MarkKind
    step: int
    tokens: float
    time: float
    timestamp: str
    value: float | None
    text: str


class SampleText(NamedTuple):
    """Text that the model wrote after `step` updates, going on from `prompt`. Printable, newlines kept."""

    step: int
    prompt: str
    text: str
    timestamp: str


def one_line(text: str, limit: int = _LONGEST_LINE) -> str:
    """`text` from a log on one line, printable, not longer than a person reads."""
    line = printable(" ".join(text[: 4 * limit].split()), newline=False)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def long_text(text: str) -> str:
    """`text` from a log, printable, cut where no person reads any more."""
    return printable(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def start_words(event: TrainingStart) -> str:
    """What a first start is: its size and its length, as far as they are known."""
    parts = []
    params, steps = event.model.get("total_params"), event.config.get("max_iters")
    if is_number(params):
        parts.append(f"{count(params)} parameters")
    if is_number(steps):
        parts.append(f"{count(steps)} steps")
    return "training starts" + (f": {', '.join(parts)}" if parts else "")


def eval_words(event: Eval | EvalRow) -> str:
    """The losses of one evaluation."""
    parts = [f"val {loss(event.val_loss)}"]
    if event.train_loss is not None:
        parts.append(f"train eval {loss(event.train_loss)}")
    parts += [f"{one_line(name, 40)} {loss(value)}" for name, value in list(eval_sets(event).items())[:8]]
    return "  ".join(parts)


def gold_words(event: GoldCheckpoint, before: float | None) -> str:
    """The new best, and the one before it where there was one."""
    best = event.prev_best if event.prev_best is not None else before
    return f"gold {loss(event.val_loss)}" + (f" (was {loss(best)})" if best is not None else "")


def sample_words(event: Sample) -> str:
    """The beginning of what the model wrote."""
    return one_line(event.prompt[-60:] + event.text, 100)


def stopped_words(event: TrainingStopped) -> str:
    """Why a run stopped."""
    reasons = {
        "signal": "stopped by a signal",
        "request": "stopped on request",
        "nan": "stopped at a loss that is not a number",
        "error": "failed",
    }
    words = reasons.get(
        event.reason, f"stopped ({one_line(event.reason, 40)})" if event.reason else "stopped"
    )
    if event.reason == "signal" and event.message.startswith("SIG"):
        return f"stopped by {one_line(event.message)}"
    return f"{words}: {one_line(event.message)}" if event.message else words


def complete_words(event: TrainingComplete) -> str:
    """The end of a run that reached its last step."""
    took = f" in {duration(event.total_elapsed_s)}" if event.total_elapsed_s is not None else ""
    final = f", val {loss(event.final_val_loss)}" if event.final_val_loss is not None else ""
    return f"complete{took}{final}"


_MOST = 10**300


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value from a file is a finite number (JSON's true is none)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # A whole number of a file may be beyond every float.
    return -_MOST < value < _MOST
