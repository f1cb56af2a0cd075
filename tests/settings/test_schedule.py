from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.settings.schedule import FLOOR, learning_rate

PEAK, WARMUP, TOTAL = 1.5e-4, 3750, 75_000


def rate(update: int) -> float:
    return learning_rate(update, peak=PEAK, warmup=WARMUP, total=TOTAL)


def test_the_check_of_the_contract() -> None:
    assert rate(350) == pytest.approx(0.000014, abs=1e-12)


@pytest.mark.parametrize(
    ("update", "share"),
    [
        (0, 0.0),
        (1, 1 / 3750),
        (3749, 3749 / 3750),
        (3750, 1.0),
        ((3750 + 75_000) // 2, 0.55),
        (75_000, 0.1),
        (90_000, 0.1),
    ],
)
def test_warm_up_then_a_cosine_to_a_tenth(update: int, share: float) -> None:
    assert rate(update) == pytest.approx(PEAK * share, rel=1e-6)


@given(st.integers(0, TOTAL + 100))
def test_it_never_jumps_and_never_leaves_its_bounds(update: int) -> None:
    here, there = rate(update), rate(update + 1)
    assert 0 <= here <= PEAK
    assert abs(there - here) <= PEAK / WARMUP + 1e-18
    assert here >= PEAK * FLOOR or update < WARMUP
    assert (there >= here) if update < WARMUP else (there <= here)


@pytest.mark.parametrize(("warmup", "total"), [(0, 1), (0, 10), (10, 10), (1, 2), (5, 6)])
def test_short_runs_have_rates_too(warmup: int, total: int) -> None:
    rates = [learning_rate(n, peak=1.0, warmup=warmup, total=total) for n in range(1, total + 1)]
    assert all(math.isfinite(r) and 0 < r <= 1 for r in rates)
    assert max(rates) == 1.0 or warmup == 0
