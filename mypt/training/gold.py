"""Which evaluation gives the gold checkpoint: pure functions of the history, which a small state sums up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mypt.settings.fields import Guards


@dataclass(frozen=True, slots=True)
class GoldState:
    """What the decisions so far leave behind; saved with the checkpoint and kept across a resume.

    `best` is the loss of the last accepted gold in this phase, at `best_step`; `previous` and `rises` follow the
    validation loss; `first` has each eval set's first value. `gold_step` is the step of the bundle on disk.
    """

    best: float | None = None
    best_step: int | None = None
    gold_step: int | None = None
    previous: float | None = None
    rises: int = 0
    first: Mapping[str, float] = field(default_factory=dict)
    lowest: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `training_state.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> GoldState:
        """The state that was saved; an empty one where there is none or it cannot be read."""
        if not isinstance(value, dict):
            return cls()
        first = value.get("first")
        sets = first if isinstance(first, dict) else {}
        return cls(
            best=_number(value.get("best")),
            best_step=_step(value.get("best_step")),
            gold_step=_step(value.get("gold_step")),
            previous=_number(value.get("previous")),
            rises=_step(value.get("rises")) or 0,
            first={str(k): float(v) for k, v in sets.items() if _number(v) is not None},
            lowest=_number(value.get("lowest")),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What an evaluation means for gold: accepted, blocked with a reason, or neither (it was no new best)."""

    accepted: bool = False
    reason: str = ""
    prev_best: float | None = None

    @property
    def blocked(self) -> bool:
        """Whether it would have been gold but for a guard."""
        return bool(self.reason)


def decide(
    state: GoldState,
    *,
    step: int,
    val_loss: float,
    train_loss: float | None,
    eval_sets: Mapping[str, float],
    guards: Guards,
) -> tuple[GoldState, Decision]:
    """Judge one evaluation: the state after it, and the decision.

    The evaluation before the first update sets the eval sets' first values and is never gold. A loss that is not
    finite is never gold either, and interrupts the count of rises.
    """
    first = dict(state.first)
    for name, value in eval_sets.items():
        if math.isfinite(value):
            first.setdefault(name, value)
    finite = math.isfinite(val_loss)
    rose = finite and state.previous is not None and val_loss > state.previous
    after = replace(
        state,
        first=first,
        previous=val_loss if finite else state.previous,
        rises=state.rises + 1 if rose else 0,
        lowest=val_loss if finite and (state.lowest is None or val_loss < state.lowest) else state.lowest,
    )
    if step == 0 or not finite or (state.best is not None and val_loss >= state.best):
        return after, Decision()
    reason = blocked_by(state, val_loss, train_loss, eval_sets, guards)
    if reason:
        return after, Decision(reason=reason, prev_best=state.best)
    accepted = replace(after, best=val_loss, best_step=step, gold_step=step)
    return accepted, Decision(accepted=True, prev_best=state.best)


def blocked_by(
    state: GoldState,
    val_loss: float,
    train_loss: float | None,
    eval_sets: Mapping[str, float],
    guards: Guards,
) -> str:
    """The first guard's reason against taking this evaluation as gold, or an empty string."""
    limit = guards.overfit_ratio
    if limit is not None and train_loss is not None and math.isfinite(train_loss) and train_loss > 0:
        ratio = val_loss / train_loss
        if ratio > limit:
            return f"overfit: val/train={ratio:.1f}x, threshold={limit:.1f}x"
    if guards.consecutive_rises is not None and state.rises >= guards.consecutive_rises:
        return f"trend: {state.rises} consecutive val rises"
    if guards.eval_regression is not None:
        for name, value in eval_sets.items():
            start = state.first.get(name)
            if start is None or not math.isfinite(value) or start <= 0:
                continue
            growth = value / start - 1
            if growth > guards.eval_regression:
                return (
                    f"eval regression: {name} {start:.4f}→{value:.4f} "
                    f"({growth:+.0%}, threshold={guards.eval_regression:.0%})"
                )
    return ""


def new_phase(state: GoldState) -> GoldState:
    """At a phase switch the validation data changes: best and trend begin anew, the eval sets' first values stay."""
    return replace(state, best=None, best_step=None, previous=None, rises=0)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _step(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
