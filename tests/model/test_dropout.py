from __future__ import annotations

import pytest
import torch

from mypt.model.dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_elements_are_dropped_with_the_probability_asked_for(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    out = dropout(torch.ones(399, 401, dtype=dtype), p)
    # Every position within a 64-bit draw, and all together.
    lanes = (out.flatten()[: out.numel() // 4 * 4] == 0).view(-1, 4).float().mean(0)
    assert lanes.tolist() == pytest.approx([p] * 4, abs=0.01)
    assert out[out != 0].float().mean().item() == pytest.approx(1 / (1 - p), rel=0.01)
    neighbours = (out[:, 1:] == 0) & (out[:, :-1] == 0)
    assert neighbours.float().mean().item() == pytest.approx(p * p, abs=0.01)


def test_gradients_pass_where_values_did() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 7, requires_grad=True)
    out = dropout(x, 0.3)
    torch.autograd.backward(out.sum())
    assert x.grad is not None
    assert torch.allclose(x.grad, torch.where(out == 0, 0.0, 1 / 0.7), rtol=1e-4)


def test_the_global_seed_decides() -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(dropout(torch.ones(100), 0.5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_off_means_untouched() -> None:
    x = torch.randn(9)
    layer = Dropout(0.5)
    assert layer.eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert dropout(x, 1e-9) is x
    assert not torch.equal(layer.train()(torch.ones(99)), torch.ones(99))
