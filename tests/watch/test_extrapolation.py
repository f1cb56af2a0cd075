from __future__ import annotations

import math
import random

import pytest

from mypt.watch.extrapolation import extrapolated


def told(
    losses: list[float], xs: list[float], end: float, annealed: list[float] | None = None, at_end: float = 0.0
) -> tuple[float, float]:
    """The expected loss and its standard deviation."""
    level = losses[-1]
    ys = [y - level for y in losses]
    mean, variance = extrapolated(
        xs, annealed or [0.0] * len(xs), ys, (end, at_end), level, max(1e-3 * level, 1e-9)
    )
    return level + mean, math.sqrt(variance)


@pytest.mark.parametrize("exponent", [-1.0, -0.5, 0.35, 0.7, 1.2])
def test_a_curve_of_its_own_kind_is_continued(exponent: float) -> None:
    sign = 1 if exponent > 0 else -1
    xs = [float(n) for n in range(10, 61)]
    losses = [2 + sign * 0.5 * (x / 60) ** -exponent for x in xs]
    value, deviation = told(losses, xs, 100.0)
    true = 2 + sign * 0.5 * (100 / 60) ** -exponent
    assert abs(value - true) < 0.25 * abs(losses[-1] - true) + 2 * deviation
    assert abs(value - true) < abs(losses[-1] - true)


def test_what_annealing_has_given_so_far_it_gives_to_the_end() -> None:
    xs = [float(n) for n in range(10, 61)]
    annealed = [(x / 70) ** 2 for x in xs]
    losses = [2 + 3 * x**-0.5 - 0.3 * a for x, a in zip(xs, annealed, strict=True)]
    value, _ = told(losses, xs, 70.0, annealed, 0.9)
    true = 2 + 3 * 70**-0.5 - 0.3 * 0.9
    assert abs(value - true) < 0.3 * abs(losses[-1] - true)


def test_the_farther_the_end_and_the_noisier_the_curve_the_less_is_known() -> None:
    rng = random.Random(1)
    xs = [float(n) for n in range(10, 61)]
    calm = [2 + 3 * x**-0.5 for x in xs]
    noisy = [y + rng.gauss(0, 0.05) for y in calm]
    near, far = told(calm, xs, 70.0)[1], told(calm, xs, 200.0)[1]
    assert near < far
    assert told(noisy, xs, 70.0)[1] > 2 * near


def test_five_points_are_enough_to_say_something_finite() -> None:
    for ys in ([5.0, 4.0, 3.5, 3.2, 3.0], [3.0] * 5, [3.0, 3.1, 2.9, 3.0, 3.1]):
        value, deviation = told(ys, [1.0, 2.0, 3.0, 4.0, 5.0], 10.0)
        assert math.isfinite(value) and math.isfinite(deviation) and deviation > 0
