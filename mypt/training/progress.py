"""Where a run stands: what every checkpoint carries of it, and how it is read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mypt.bundle import STATE
from mypt.errors import Problem, raise_for
from mypt.training.gold import GoldState
from mypt.training.spikes import RecentLoss


@dataclass
class Progress:
    """Where a run stands, over every resume; saved with each checkpoint.

    `last_eval` and `last_sample` are the updates after which that was done last: what a stop cut short is owed.
    `val_step` is the update after which `val_loss` was measured. `untimed` are the updates that `elapsed_s` knows nothing of, in a checkpoint that another program began.
    `recent_loss`, `skipped` (fp16 updates in a row that overflowed) and `broken_sets` (eval sets whose last loss was
    no finite number) are what was noticed of its health, so that nothing is told twice.
    """

    iter: int = 0
    tokens: int = 0
    elapsed_s: float = 0.0
    started_at: str = ""
    last_eval: int | None = None
    phase: str | None = None
    gold: GoldState = field(default_factory=GoldState)
    train_loss: float | None = None
    val_loss: float | None = None
    val_step: int | None = None
    eval_sequences: int = 0
    last_sample: int | None = None
    untimed: int = 0
    recent_loss: RecentLoss = field(default_factory=RecentLoss)
    skipped: int = 0
    broken_sets: tuple[str, ...] = ()

    def rates(self) -> tuple[float, float]:
        """Updates and tokens a second over the whole run, as far as it was timed."""
        steps = (self.iter - self.untimed) / max(self.elapsed_s, 1e-9)
        return steps, steps * self.tokens / max(self.iter, 1)

    def to_state(self) -> dict[str, Any]:
        """Its part of `training_state.json`: plain values, none of which is not a number."""
        return {
            "step": self.iter,
            "gold": self.gold.to_json(),
            "progress": {
                "tokens_processed": self.tokens,
                "elapsed_s": self.elapsed_s,
                "started_at": self.started_at,
                "last_eval": self.last_eval,
                "phase": self.phase,
                "eval_sequences": self.eval_sequences,
                "train_loss": _finite(self.train_loss),
                "val_loss": _finite(self.val_loss),
                "val_step": self.val_step,
                "last_sample": self.last_sample,
                "untimed": self.untimed,
                "skipped": self.skipped,
                "broken_sets": list(self.broken_sets),
            },
            "recent_loss": self.recent_loss.to_json(),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], *, step: int, tokens_per_step: int, where: str = STATE
    ) -> Progress:
        """What a checkpoint's `training_state.json` says; `step` and the token count of one without our fields.

        Raises `UserError` with all that cannot be, in the file that is called `where`.
        """
        found = state.get("progress")
        saved: dict[str, Any] = found if isinstance(found, dict) else {}
        wrong = [
            Problem(wanted, where=where, field=f"progress.{name}", value=value, remedy=_REMEDY)
            for name, value in saved.items()
            for wanted in [_why_not(name, value)]
            if wanted
        ]
        raise_for(wrong)
        return cls(
            iter=step,
            tokens=saved.get("tokens_processed") or step * tokens_per_step,
            elapsed_s=float(saved.get("elapsed_s") or 0.0),
            started_at=saved.get("started_at") or "",
            last_eval=saved.get("last_eval", step),
            phase=saved.get("phase"),
            gold=GoldState.from_json(state.get("gold")),
            train_loss=saved.get("train_loss"),
            val_loss=saved.get("val_loss"),
            val_step=saved.get("val_step", saved.get("last_eval")),
            eval_sequences=saved.get("eval_sequences") or 0,
            last_sample=saved.get("last_sample", step),
            untimed=saved.get("untimed") or 0 if "elapsed_s" in saved else step,
            recent_loss=RecentLoss.from_json(state.get("recent_loss")),
            skipped=saved.get("skipped") or 0,
            broken_sets=tuple(saved.get("broken_sets") or ()),
        )


_REMEDY = "restore the file as it was saved, or take it from a copy"
_WHOLES = ("tokens_processed", "last_eval", "val_step", "eval_sequences", "last_sample", "untimed", "skipped")
_NUMBERS = ("elapsed_s", "train_loss", "val_loss")
_TEXTS = ("started_at", "phase")
_LARGEST = 1e18


def _why_not(name: str, value: object) -> str:
    """What the field `name` must be, where it is not; null is what is not known yet."""
    if value is None:
        return ""
    # JSON has numbers of a thousand digits, and Python's has infinity.
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    number = value if is_number and isinstance(value, int | float) else None
    if name in _WHOLES and not (isinstance(number, int) and number >= 0):
        return "must be a whole number, 0 or more"
    if name in _NUMBERS and (number is None or (name == "elapsed_s" and number < 0)):
        return "must be a number" + (", 0 or more" if name == "elapsed_s" else "")
    if name in _TEXTS and not isinstance(value, str):
        return "must be a text"
    if name == "broken_sets" and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
        return "must be a list of names"
    return ""


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
