from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mypt.model.loss import cross_entropy
from tests.model.small_models import ids, model


def test_each_target_counts_by_its_weight() -> None:
    logits, targets = torch.randn(2, 4, 7), ids(2, 4, vocab=7)
    mask = torch.tensor([[0.0, 1.0, 2.0, 0.0], [0.5, 0.0, 0.0, 1.5]])
    each = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    assert torch.allclose(cross_entropy(logits, targets, mask), (each * mask).sum() / 5.0)
    assert torch.allclose(cross_entropy(logits, targets), each.mean())
    assert torch.allclose(cross_entropy(logits, targets, torch.ones(2, 4)), each.mean())
    small = torch.zeros(2, 4)
    small[0, 0] = 0.25
    assert torch.allclose(cross_entropy(logits, targets, small), each[0, 0] * 0.25)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.float32])
def test_masks_of_every_kind(dtype: torch.dtype) -> None:
    logits, targets = torch.randn(1, 4, 7), ids(1, 4, vocab=7)
    mask = torch.tensor([[0, 1, 1, 0]])
    expected = cross_entropy(logits[:, 1:3], targets[:, 1:3])
    assert torch.allclose(cross_entropy(logits, targets, mask.to(dtype)), expected)


def test_a_fully_masked_batch_gives_zero_and_no_gradient() -> None:
    built = model()
    _, loss = built(ids(), ids(seed=1), torch.zeros(2, 16))
    assert loss is not None
    assert loss.item() == 0.0
    loss.backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        assert torch.equal(parameter.grad, torch.zeros_like(parameter)), name
