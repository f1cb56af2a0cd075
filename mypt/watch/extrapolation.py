"""A falling loss continued to where the training ends.

A loss falls with the training that was done, and once more as the learning rate is annealed (Tissue, Wang and Wang
2024, "Scaling law with learning rate annealing"). So the curve is fitted by

    y = E + A · f(x) - C · (1 - lr / peak),     f(x) = x^-b,  or -log x for b = 0,

where x is the integral of lr / peak over the updates. The exponents reach from b = 1.2, a curve that is nearly
through, over power laws to b = -1, one that falls as steadily as ever. Each exponent is fitted to the last 85 %, 65 %
and 45 % of the training done, by linear regression with priors for E and C (Bayesian: the data cannot tell C before
the annealing begins), and all fits are averaged by how well they explain their points.
"""

from __future__ import annotations

import math
from operator import mul
from typing import NamedTuple

_EXPONENTS = (-1.0, -0.5, 0.0, 0.35, 0.7, 1.2)
_STARTS = (0.15, 0.35, 0.55)
# Priors, as shares of the present loss: the mean and deviation of C, and those of what E lies below the present loss.
_ANNEALING = (0.07, 0.07)
_ASYMPTOTE = (-0.5, 0.5)


class _Fit(NamedTuple):
    weight: float
    mean: float
    variance: float


def extrapolated(
    xs: list[float],
    annealed: list[float],
    ys: list[float],
    end: tuple[float, float],
    scale: float,
    least: float,
) -> tuple[float, float]:
    """The loss expected at `end`, and its variance: that of each fit and that between them.

    `xs` is the training done at each evaluation, `annealed` how far the learning rate had fallen from its peak, `ys`
    the losses less the present one, and `end` the first two at the end; `scale` is the size of the present loss,
    `least` the smallest deviation that is believed.
    """
    found = _fits(xs, annealed, ys, end, scale, least)
    total = sum(fit.weight for fit in found)
    mean = sum(fit.weight * fit.mean for fit in found) / total
    return mean, sum(fit.weight * (fit.variance + (fit.mean - mean) ** 2) for fit in found) / total


def _fits(
    xs: list[float],
    annealed: list[float],
    ys: list[float],
    end: tuple[float, float],
    scale: float,
    least: float,
) -> list[_Fit]:
    now = xs[-1]
    starts = [next(n for n, x in enumerate(xs) if x >= share * now) for share in _STARTS]
    starts = sorted({max(min(start, len(xs) - 6), 0) for start in starts})
    fits: list[_Fit] = []
    curves = [([_shape(x / now, b) for x in xs], _shape(end[0] / now, b), b) for b in _EXPONENTS]
    for start in starts:
        a, y = annealed[start:], ys[start:]
        same = []
        for shape, last, b in curves:
            deviation, mean, variance = _regression(
                shape[start:], a, y, (1.0, last, -end[1]), scale, least, b
            )
            same.append((deviation, mean, variance))
        # By their likelihood, of which neighbours that err together make half of what it seems.
        closest = min(deviation for deviation, _, _ in same)
        weights = [(closest / deviation) ** (len(y) / 2) for deviation, _, _ in same]
        whole = sum(weights)
        fits += [
            _Fit(weight / whole, mean, variance)
            for weight, (_, mean, variance) in zip(weights, same, strict=True)
        ]
    return fits


def _shape(x: float, exponent: float) -> float:
    return x**-exponent if exponent else -math.log(x)


def _regression(
    shape: list[float],
    annealed: list[float],
    ys: list[float],
    at: tuple[float, float, float],
    scale: float,
    least: float,
    exponent: float,
) -> tuple[float, float, float]:
    """The deviation of the points from E + A·shape - C·annealed, and the mean and variance of that sum at `at`."""
    count = float(len(ys))
    s_u, s_a, s_y = sum(shape), sum(annealed), sum(ys)
    s_uu, s_ua, s_aa = (
        sum(map(mul, shape, shape)),
        sum(map(mul, shape, annealed)),
        sum(map(mul, annealed, annealed)),
    )
    s_uy, s_ay, s_yy = sum(map(mul, shape, ys)), sum(map(mul, annealed, ys)), sum(map(mul, ys, ys))
    # Without an asymptote E is no limit, and nothing is known of it.
    e_mean, e_dev = _ASYMPTOTE if exponent > 0 else (0.0, 3.0)
    c_mean, c_dev = _ANNEALING
    square = least * least
    mean = variance = 0.0
    for _ in range(2):
        e_prior, a_prior, c_prior = (square / (dev * scale) ** 2 for dev in (e_dev, 2.0, c_dev))
        inverse = _inverse((count + e_prior, s_u, -s_a), (s_uu + a_prior, -s_ua), (s_aa + c_prior,))
        right = (s_y + e_prior * e_mean * scale, s_uy, -s_ay + c_prior * c_mean * scale)
        e, amount, c = (sum(map(mul, row, right)) for row in inverse)
        rest = s_yy - 2 * (e * s_y + amount * s_uy - c * s_ay)
        rest += e * (e * count + 2 * (amount * s_u - c * s_a)) + amount * (amount * s_uu - 2 * c * s_ua)
        rest += c * c * s_aa
        square = max(rest / max(count - 2.5, 1.0), least * least)
        mean = e * at[0] + amount * at[1] + c * at[2]
        variance = square * sum(at[i] * sum(map(mul, inverse[i], at)) for i in range(3))
    return math.sqrt(square), mean, max(variance, 0.0)


_Row = tuple[float, float, float]


def _inverse(first: _Row, second: tuple[float, float], third: tuple[float]) -> tuple[_Row, _Row, _Row]:
    """Of a symmetric matrix of which the upper triangle is given; the priors keep it from being singular."""
    (p, q, r), (s, t), (u,) = first, second, third
    c_pp, c_pq, c_pr = s * u - t * t, r * t - q * u, q * t - r * s
    c_qq, c_qr, c_rr = p * u - r * r, q * r - p * t, p * s - q * q
    whole = p * c_pp + q * c_pq + r * c_pr or 1e-300
    return (
        (c_pp / whole, c_pq / whole, c_pr / whole),
        (c_pq / whole, c_qq / whole, c_qr / whole),
        (c_pr / whole, c_qr / whole, c_rr / whole),
    )
