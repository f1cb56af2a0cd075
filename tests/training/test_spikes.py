"""What a spike of the loss is, how often it is told, and that a resume changes nothing of it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mypt.training.progress import Progress
from mypt.training.spikes import WINDOW, RecentLoss, Spike, follow


def told(losses: Iterable[float | None], recent: RecentLoss | None = None) -> list[tuple[int, Spike]]:
    """The spikes by the number of the update, from 0."""
    recent, found = recent or RecentLoss(), []
    for number, loss in enumerate(losses):
        recent, spike = follow(recent, loss)
        found += [(number, spike)] if spike else []
    return found


def usual(number: int, mean: float = 3.0, spread: float = 0.1, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, spread) for _ in range(number)]


def test_a_loss_far_above_those_before_it_is_told_in_words() -> None:
    ((number, spike),) = told([*usual(60), 5.5, *usual(60)])
    assert number == 60 and (spike.loss, spike.updates) == (5.5, WINDOW)
    assert str(spike) == f"batch loss jumped to 5.5000 from {spike.mean:.4f} (mean of 50)"


def test_a_level_that_stays_is_told_once() -> None:
    assert len(told([*usual(60), *usual(300, mean=8.0)])) == 1


@pytest.mark.parametrize(
    "losses",
    [
        [4.0 - 0.01 * n for n in range(300)],
        [3.0 + 0.01 * n for n in range(300)],
        usual(20_000),
        [3.0] * 60 + [3.59],
        [1e-5] * 60 + [0.04],
        [*usual(9), 9.0],
        [math.exp(value) for value in usual(20_000, 0.5, 0.25)],
    ],
    ids=["falls", "rises slowly", "noise", "less than a fifth", "next to nothing", "too few", "long tail"],
)
def test_what_is_usual_is_no_spike(losses: list[float]) -> None:
    assert told(losses) == []


def test_data_whose_losses_jump_all_the_time_is_told_of_ever_more_seldom() -> None:
    losses = [9.0 if number % 120 == 119 else 0.1 for number in range(100_000)]
    places = [number for number, _ in told(losses)]
    assert 5 < len(places) < 16
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert gaps == sorted(gaps)


@given(st.lists(st.none() | st.floats(), max_size=200))
@example([0.0] * 10 + [-1.5e154, 0.0])
@example([1e308] * 20 + [-1e308] * 20)
def test_no_loss_is_an_error(losses: list[float | None]) -> None:
    told(losses)


@given(st.integers(0, 10**6), st.integers(0, 300))
@settings(max_examples=30)
def test_a_resume_decides_as_if_it_had_not_been(seed: int, cut: int) -> None:
    chance = random.Random(seed)
    losses = [chance.expovariate(1.0) ** 3 for _ in range(300)]
    recent = RecentLoss()
    for loss in losses[:cut]:
        recent, _ = follow(recent, loss)
    state = json.loads(json.dumps(Progress(recent_loss=recent, skipped=3, broken_sets=("a",)).to_state()))
    progress = Progress.from_state(state, step=cut, tokens_per_step=1)
    assert (progress.recent_loss, progress.skipped, progress.broken_sets) == (recent, 3, ("a",))
    rest = [(cut + number, spike) for number, spike in told(losses[cut:], progress.recent_loss)]
    assert rest == [each for each in told(losses) if each[0] >= cut]


@pytest.mark.parametrize(
    "value",
    [None, 3, [], {}, {"losses": 3}, {"losses": ["x"]}, {"losses": [None], "told": 1}, {"losses": [True]}],
)
def test_what_cannot_be_read_is_a_new_beginning(value: object) -> None:
    assert RecentLoss.from_json(value) == RecentLoss()
    assert RecentLoss.from_json({"losses": [1, 2.5], "quiet": "x", "told": -1}) == RecentLoss((1.0, 2.5))
