from __future__ import annotations

import math

import torch

from mypt.model.rope import Rope, rotate
from tests.model.small_models import VARIANTS, ids, model


def test_each_pair_turns_by_position_times_frequency() -> None:
    rope = Rope(8, 4, theta=100.0, scale=2.0)
    x = torch.randn(1, 1, 4, 8)
    turned = rotate(x, *rope(0, 4, torch.float32))
    for position in range(4):
        for i in range(4):
            angle = position / 2.0 * 100.0 ** (-2 * i / 8)
            first, second = x[0, 0, position, i].item(), x[0, 0, position, i + 4].item()
            assert math.isclose(
                turned[0, 0, position, i].item(),
                first * math.cos(angle) - second * math.sin(angle),
                abs_tol=1e-5,
            )
            assert math.isclose(
                turned[0, 0, position, i + 4].item(),
                second * math.cos(angle) + first * math.sin(angle),
                abs_tol=1e-5,
            )


def test_only_the_distance_counts() -> None:
    rope = Rope(16, 64)
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)

    def score(at_q: int, at_k: int) -> float:
        turned_q = rotate(q, *rope(at_q, at_q + 1, torch.float32))
        return (turned_q * rotate(k, *rope(at_k, at_k + 1, torch.float32))).sum().item()

    assert math.isclose(score(3, 1), score(53, 51), abs_tol=1e-4)
    assert not math.isclose(score(3, 1), score(3, 2), abs_tol=1e-4)


def test_tables_grow_and_stay_the_same_where_they_were() -> None:
    rope = Rope(8, 4)
    before = [t.clone() for t in rope(0, 4, torch.float32)]
    cos, _ = rope(0, 9, torch.float32)
    assert cos.shape == (9, 4)
    for old, new in zip(before, rope(0, 4, torch.float32), strict=True):
        assert torch.equal(old, new)
    assert not list(rope.state_dict())


def test_scale_stretches_positions() -> None:
    plain = model(**VARIANTS["rope"]).eval()
    scaled = model(**VARIANTS["rope"], rope_scale=4.0).eval()
    scaled.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain(ids())[0], scaled(ids())[0], atol=1e-3)
    cos, _ = Rope(8, 16, scale=4.0)(0, 16, torch.float32)
    assert torch.allclose(cos[::4], Rope(8, 4)(0, 4, torch.float32)[0])
