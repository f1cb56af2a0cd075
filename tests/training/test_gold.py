from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.settings.fields import Guards
from mypt.training.gold import Ahead, Decision, GoldState, blocked_by, carried, decide, new_phase

OFF = Guards(overfit_ratio=None, consecutive_rises=None, eval_regression=None)


def history(*losses: float, guards: Guards = OFF, start: int = 0) -> tuple[GoldState, list[Decision]]:
    """The decisions of evaluations with these validation losses, 100 steps apart, the first before any update."""
    state, decisions = GoldState(), []
    for number, loss in enumerate(losses):
        state, decision = decide(
            state, step=100 * number + start, val_loss=loss, train_loss=loss, eval_sets={}, guards=guards
        )
        decisions.append(decision)
    return state, decisions


def test_only_a_new_best_is_gold_and_never_the_first_evaluation() -> None:
    state, decisions = history(4.0, 3.0, 3.0, 3.5, 2.5)
    assert [d.accepted for d in decisions] == [False, True, False, False, True]
    assert decisions[1].prev_best is None and decisions[4].prev_best == 3.0
    assert (state.best, state.best_step, state.gold_step, state.lowest) == (2.5, 400, 400, 2.5)


def test_the_first_after_the_beginning_is_gold_even_if_it_is_worse() -> None:
    _, decisions = history(4.0, 5.0)
    assert decisions[1].accepted


@pytest.mark.parametrize(
    ("val", "train", "limit", "reason"),
    [
        (6.2, 1.0, 5.0, "overfit: val/train=6.2x, threshold=5.0x"),
        (4.9, 0.01, 5.0, "overfit: val/train=490.0x, threshold=5.0x"),
        (3.0, 1.0, 2.5, "overfit: val/train=3.0x, threshold=2.5x"),
        (3.0, 1.0, 1.25, "overfit: val/train=3.0x, threshold=1.25x"),
        (5.0, 1.0, 5.0, ""),
        (6.2, 1.0, None, ""),
        (6.2, None, 5.0, ""),
        (6.2, math.nan, 5.0, ""),
        (6.2, 0.0, 5.0, ""),
    ],
)
def test_overfit(val: float, train: float | None, limit: float | None, reason: str) -> None:
    guards = Guards(overfit_ratio=limit)
    assert blocked_by(GoldState(), val, train, {}, guards) == reason


@pytest.mark.parametrize(
    ("losses", "last"),
    [
        ((4.0, 3.0, 3.1, 3.2, 3.3, 2.9), "trend: 3 consecutive val rises"),
        ((4.0, 3.0, 3.1, 3.2, 2.9), "trend: 2 consecutive val rises"),
        ((4.0, 3.0, 3.1, 2.9), ""),
        ((4.0, 3.0, 3.1, 3.05, 3.2, 2.9), ""),
        ((4.0, 3.0, 3.1, 3.2, math.nan, 2.9), ""),
    ],
)
def test_a_dip_after_rises_is_noise(losses: tuple[float, ...], last: str) -> None:
    _, decisions = history(*losses, guards=Guards())
    assert decisions[-1].reason == last
    assert decisions[-1].accepted is not bool(last)
    assert not last or (decisions[-1].blocked and decisions[-1].prev_best == 3.0)


def test_after_a_blocked_dip_the_next_is_judged_by_itself() -> None:
    _, decisions = history(4.0, 3.0, 3.1, 3.2, 2.9, 2.8, guards=Guards())
    assert [d.accepted for d in decisions[-2:]] == [False, True]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2.6, "eval regression: general 2.1000→2.6000 (+24%, threshold=20%)"),
        (2.53, "eval regression: general 2.1000→2.5300 (+20%, threshold=20%)"),
        (2.52, ""),
        (1.0, ""),
        (math.nan, ""),
    ],
)
def test_an_eval_set_must_not_get_much_worse(value: float, reason: str) -> None:
    state, _ = decide(
        GoldState(), step=0, val_loss=4, train_loss=4, eval_sets={"general": 2.1}, guards=Guards()
    )
    _, decision = decide(
        state, step=100, val_loss=3, train_loss=3, eval_sets={"general": value}, guards=Guards()
    )
    assert decision.reason == reason


@pytest.mark.parametrize(("limit", "shown"), [(0.1, "10%"), (0.125, "12.5%"), (1.5, "150%"), (0.07, "7%")])
def test_thresholds_are_shown_as_they_are(limit: float, shown: str) -> None:
    state = GoldState(first={"code": 1.0})
    reason = blocked_by(state, 1.0, 1.0, {"code": 9.0}, Guards(eval_regression=limit))
    assert reason == f"eval regression: code 1.0000→9.0000 (+800%, threshold={shown})"


def test_the_first_set_that_got_worse_is_named_and_a_new_one_starts_from_its_own_first_value() -> None:
    state, guards = GoldState(first={"a": 1.0}), Guards()
    after, decision = decide(
        state, step=100, val_loss=3, train_loss=3, eval_sets={"a": 1.1, "b": 7.0}, guards=guards
    )
    assert decision.accepted and after.first == {"a": 1.0, "b": 7.0}
    _, decision = decide(
        after, step=200, val_loss=2, train_loss=2, eval_sets={"a": 1.1, "b": 8.5}, guards=guards
    )
    assert decision.reason.startswith("eval regression: b 7.0000→8.5000 (+21%")


def test_either_guard_is_enough() -> None:
    state = GoldState(best=3.0, rises=2, first={"a": 1.0})
    reasons = {
        blocked_by(state, 2.0, 0.1, {"a": 9.0}, guards)
        for guards in (
            Guards(),
            Guards(overfit_ratio=None),
            Guards(overfit_ratio=None, consecutive_rises=None),
        )
    }
    assert {reason.split(":")[0] for reason in reasons} == {"overfit", "trend", "eval regression"}
    assert blocked_by(state, 2.0, 0.1, {"a": 9.0}, OFF) == ""


def test_a_phase_switch_begins_anew_but_remembers_the_eval_sets() -> None:
    state, _ = history(4.0, 3.0, 3.1, 3.2)
    state = new_phase(replace(state, first={"general": 2.0}))
    assert (state.best, state.previous, state.rises) == (None, None, 0)
    assert state.first == {"general": 2.0} and state.gold_step == 100
    after, decision = decide(state, step=500, val_loss=9.0, train_loss=9.0, eval_sets={}, guards=Guards())
    assert decision.accepted and decision.prev_best is None and after.gold_step == 500


@given(st.lists(st.floats(0.1, 10) | st.just(math.nan), min_size=2, max_size=12), st.integers(1, 11))
def test_a_resume_decides_as_if_it_had_never_stopped(losses: list[float], cut: int) -> None:
    guards = Guards()
    whole_state, whole = history(*losses, guards=guards)
    state, decisions = history(*losses[:cut], guards=guards)
    state = GoldState.from_json(json.loads(json.dumps(state.to_json())))
    for number, loss in enumerate(losses[cut:], start=cut):
        state, decision = decide(
            state, step=100 * number, val_loss=loss, train_loss=loss, eval_sets={}, guards=guards
        )
        decisions.append(decision)
    assert (state, decisions) == (whole_state, whole)


# ── a gold that was saved after the checkpoint ──────────────────────────────────────────────────────────────────

# The checkpoint of step 100 knows a best of 3; then 2.5 was accepted at step 200, and the checkpoint after it never came.
BEFORE = GoldState(best=3.0, best_step=100, gold_step=100, previous=3.0, lowest=3.0)
GOLD = replace(BEFORE, best=2.5, best_step=200, gold_step=200, previous=2.5, lowest=2.5)
CARRIED = carried(BEFORE, GOLD, step=100, phase="one")


def judge(state: GoldState, step: int, loss: float, phase: str = "one") -> tuple[GoldState, Decision]:
    return decide(state, step=step, val_loss=loss, train_loss=loss, eval_sets={}, guards=OFF, phase=phase)


def test_the_same_run_once_more_decides_as_it_did() -> None:
    assert CARRIED.ahead == Ahead(200, 2.5, "one") and CARRIED.gold_step == 200
    after, decision = judge(CARRIED, 200, 2.5)
    assert decision == Decision(accepted=True, prev_best=3.0)
    assert after == GOLD


@pytest.mark.parametrize(("step", "loss"), [(150, 2.9), (150, 2.5), (200, 2.9), (250, 2.9), (250, 2.5)])
def test_a_worse_one_does_not_replace_it(step: int, loss: float) -> None:
    after, decision = judge(CARRIED, step, loss)
    assert decision == Decision() and after.gold_step == 200
    # What it is kept for outlives a further resume, before and after its step.
    again = GoldState.from_json(json.loads(json.dumps(after.to_json())))
    assert again == after
    assert judge(again, 300, 2.6)[1] == Decision()
    assert judge(again, 300, 2.4)[1] == Decision(accepted=True, prev_best=2.5)
    assert judge(judge(again, 300, 2.6)[0], 400, 2.4)[1] == Decision(accepted=True, prev_best=2.5)


def test_a_better_one_replaces_it() -> None:
    after, decision = judge(CARRIED, 150, 2.4)
    assert decision.accepted and after.ahead is None and after.gold_step == 150
    assert judge(after, 200, 2.5)[1] == Decision()


def test_a_gold_of_another_phase_is_no_measure() -> None:
    other = judge(CARRIED, 150, 9.0, "zero")[0]
    assert other.ahead is not None, "the phase of that gold may be still to come"
    state = new_phase(CARRIED)
    assert judge(state, 150, 9.0, "two")[1].accepted
    assert judge(state, 150, 9.0, "one")[1] == Decision()


@pytest.mark.parametrize("gold", [GoldState(), replace(GOLD, best_step=100), replace(GOLD, best_step=50)])
def test_a_gold_that_the_checkpoint_knows_of_changes_nothing(gold: GoldState) -> None:
    assert carried(BEFORE, gold, step=100, phase="one") == BEFORE


@pytest.mark.parametrize("saved", [{"step": 5}, {"step": "5", "val_loss": 2.0}, {"val_loss": 1.0}, 7])
def test_what_is_ahead_and_cannot_be_read_is_nothing(saved: object) -> None:
    assert GoldState.from_json({"ahead": saved}).ahead is None


@pytest.mark.parametrize("saved", [None, 5, {}, {"best": "x", "first": [1], "rises": True, "gold_step": 1.5}])
def test_a_state_that_cannot_be_read_is_an_empty_one(saved: object) -> None:
    assert GoldState.from_json(saved) == GoldState()
