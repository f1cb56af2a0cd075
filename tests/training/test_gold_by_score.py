from __future__ import annotations

import pytest

from mypt.settings.fields import Guards
from mypt.training.gold import Decision, GoldState, carried, decide, new_phase


def judged(state: GoldState, step: int, loss: float, score: float) -> tuple[GoldState, Decision]:
    return decide(
        state, step=step, val_loss=loss, train_loss=0.001, eval_sets={}, guards=Guards(), score=score
    )


def test_the_higher_score_is_gold_whatever_the_loss_and_the_guards_say() -> None:
    state, first = judged(GoldState(), 0, 0.7, 0.99)
    # The evaluation before the first update is never gold.
    assert not first.accepted and state.score is None
    golds = []
    for step, loss, score in (
        (1, 0.6, 0.5),
        (2, 0.9, 0.8),
        (3, 1.1, 0.9),
        (4, 0.1, 0.85),
        (5, 2.0, 0.9),
        (6, 1.0, 0.9),
    ):
        state, decision = judged(state, step, loss, score)
        assert not decision.blocked
        if decision.accepted:
            golds.append((step, decision.prev_best))
    # Of equal scores that with the lower loss.
    assert golds == [(1, None), (2, 0.6), (3, 0.9), (6, 1.1)]
    assert (state.best, state.score, state.gold_step) == (1.0, 0.9, 6)
    assert new_phase(state).score is None


def test_a_score_is_kept_with_the_checkpoint() -> None:
    state, _ = judged(GoldState(), 4, 0.5, 0.75)
    assert GoldState.from_json(state.to_json()) == state
    # Runs that are judged by their loss say nothing of scores.
    assert "score" not in GoldState(best=1.0).to_json()


@pytest.mark.parametrize(("score", "accepted"), [(0.79, False), (0.81, True)])
def test_a_gold_ahead_of_the_checkpoint_is_only_replaced_by_a_better_one(
    score: float, accepted: bool
) -> None:
    ahead, _ = judged(GoldState(), 20, 0.5, 0.8)
    state = carried(GoldState(), ahead, step=10, phase=None)
    state, decision = judged(GoldState.from_json(state.to_json()), 15, 0.1, score)
    assert decision.accepted is accepted
    # Coming to it again, everything goes as it went.
    again = carried(GoldState(), ahead, step=10, phase=None)
    assert judged(again, 20, 0.5, 0.8)[1].accepted
    assert judged(again, 20, 0.4, 0.7)[1].accepted is False
