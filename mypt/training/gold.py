"""Which evaluation gives the gold checkpoint: pure functions of the history, which a small state sums up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mypt.settings.fields import Guards


@dataclass(frozen=True, slots=True)
class Ahead:
    """A gold on disk that is later than where the run resumes: a kill came between it and the next checkpoint."""

    step: int
    val_loss: float
    phase: str | None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class GoldState:
    """What the decisions so far leave behind; saved with the checkpoint and kept across a resume.

    `best` is the loss of the last accepted gold in this phase, at `best_step`; `previous` and `rises` follow the
    validation loss; `first` has each eval set's first value. `gold_step` is the step of the bundle on disk, which
    is `ahead` where the run has not come to it again. `score` is that of the last accepted gold, where scores decide.
    """

    best: float | None = None
    best_step: int | None = None
    gold_step: int | None = None
    previous: float | None = None
    rises: int = 0
    first: Mapping[str, float] = field(default_factory=dict)
    lowest: float | None = None
    ahead: Ahead | None = None
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `training_state.json`."""
        values = asdict(self)
        if self.score is None:
            del values["score"]
        return values

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
            ahead=_ahead(value.get("ahead")),
            score=_number(value.get("score")),
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
    phase: str | None = None,
    score: float | None = None,
) -> tuple[GoldState, Decision]:
    """Judge one evaluation: the state after it, and the decision.

    With a `score` the higher one is better, of equal ones that with the lower `val_loss`, and no guard speaks: they
    know losses only.

    The evaluation before the first update sets the eval sets' first values and is never gold. A loss that is not
    finite is never gold either, and interrupts the count of rises. A gold `ahead` of the same `phase` is only
    replaced by a better one, or by itself: where nothing was changed, training again comes to it again.
    """
    state = _come_to(state, step, val_loss, phase)
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
    if step == 0 or not finite or not _better(val_loss, score, state.best, state.score):
        return after, Decision()
    ahead = state.ahead
    if (
        ahead is not None
        and ahead.phase == phase
        and not _better(val_loss, score, ahead.val_loss, ahead.score)
    ):
        return after, Decision()
    reason = blocked_by(state, val_loss, train_loss, eval_sets, guards) if score is None else ""
    if reason:
        return after, Decision(reason=reason, prev_best=state.best)
    accepted = replace(after, best=val_loss, best_step=step, gold_step=step, ahead=None, score=score)
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
            return f"overfit: val/train={ratio:.1f}x, threshold={_decimals(limit, 1)}x"
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
                    f"({growth:+.0%}, threshold={_decimals(100 * guards.eval_regression, 0)}%)"
                )
    return ""


def new_phase(state: GoldState) -> GoldState:
    """At a phase switch the validation data changes: best and trend begin anew, the eval sets' first values stay."""
    return replace(state, best=None, best_step=None, previous=None, rises=0, score=None)


def carried(state: GoldState, on_disk: GoldState, *, step: int, phase: str | None) -> GoldState:
    """`state` of the checkpoint of `step` that a run resumes from, when the gold bundle of the same run is `on_disk`.

    `phase` is that of the gold. Should it be later than the checkpoint, then training on with other settings must not
    replace it by a worse one; should it be gone or earlier, the checkpoint has all there is to know.
    """
    if on_disk.best is None or on_disk.best_step is None or on_disk.best_step <= step:
        return state
    ahead = Ahead(on_disk.best_step, on_disk.best, phase, on_disk.score)
    return replace(state, ahead=ahead, gold_step=ahead.step)


def _come_to(state: GoldState, step: int, val_loss: float, phase: str | None) -> GoldState:
    """The state in which an evaluation after `step` updates is judged, as far as a gold `ahead` is concerned."""
    ahead = state.ahead
    if ahead is None or ahead.phase != phase or step < ahead.step:
        return state
    if step == ahead.step and val_loss == ahead.val_loss:
        # The same run once more: everything goes as it went.
        return replace(state, ahead=None)
    return replace(state, best=ahead.val_loss, best_step=ahead.step, ahead=None, score=ahead.score)


def _better(loss: float, score: float | None, best: float | None, best_score: float | None) -> bool:
    """Whether an evaluation is better than the best so far (None: there is none)."""
    if best is None:
        return True
    if score is None or best_score is None or score == best_score:
        return loss < best
    return score > best_score


def _decimals(value: float, digits: int) -> str:
    """A threshold with `digits` after the point, or with more where it has more."""
    text = f"{value:.{digits}f}"
    return text if math.isclose(float(text), value, rel_tol=1e-9) else f"{value:g}"


def _ahead(value: object) -> Ahead | None:
    if not isinstance(value, dict):
        return None
    step, loss, phase = _step(value.get("step")), _number(value.get("val_loss")), value.get("phase")
    if step is None or loss is None:
        return None
    return Ahead(step, loss, phase if isinstance(phase, str) else None, _number(value.get("score")))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _step(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
