from __future__ import annotations

import pytest
import torch

from mypt.model import GPT, head_loss
from tests.model.small_models import ids, model

# Five pieces of 64 rows, the last one shorter.
BATCH, LENGTH = 9, 33


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_loss, "PIECE", {"cpu": 1})


def measured(
    built: GPT, mask: torch.Tensor | None, *, loss_only: bool
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    built.zero_grad()
    x = ids(BATCH, LENGTH)
    logits, loss = built(x, ids(BATCH, LENGTH, seed=1), mask, loss_only=loss_only)
    assert loss is not None
    (loss * 0.5).backward()
    return (
        logits,
        loss.detach(),
        {n: p.grad.clone() for n, p in built.named_parameters() if p.grad is not None},
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_the_loss_in_pieces_and_its_gradients_are_those_of_the_whole(
    tied: bool, bias: bool, masked: bool
) -> None:
    built = model(tie_weights=tied, head_bias=bias, block_size=LENGTH)
    mask = (ids(BATCH, LENGTH, vocab=3, seed=2) / 2.0) if masked else None
    whole = measured(built, mask, loss_only=False)
    pieces = measured(built, mask, loss_only=True)
    assert whole[0].numel() and not pieces[0].numel()
    assert torch.allclose(whole[1], pieces[1], rtol=1e-5)
    assert whole[2].keys() == pieces[2].keys() == {n for n, _ in built.named_parameters()}
    for name, grad in whole[2].items():
        assert torch.allclose(grad, pieces[2][name], atol=1e-6), name


def test_a_frozen_head_gets_no_gradient_and_the_rest_does() -> None:
    built = model(tie_weights=False, block_size=LENGTH)
    built.lm_head.requires_grad_(False)
    whole, pieces = (measured(built, None, loss_only=only)[2] for only in (False, True))
    assert whole.keys() == pieces.keys()
    assert "lm_head.weight" not in pieces
    assert all(torch.allclose(whole[name], pieces[name], atol=1e-6) for name in whole)


def test_without_gradients_only_the_loss_is_made() -> None:
    built = model(block_size=LENGTH)
    with torch.no_grad():
        x, y = ids(BATCH, LENGTH), ids(BATCH, LENGTH, seed=1)
        loss = built(x, y, loss_only=True)[1]
        assert loss is not None and not loss.requires_grad
        assert torch.allclose(loss, built(x, y)[1], rtol=1e-5)


def test_under_autocast_it_computes_in_the_lower_precision() -> None:
    built = model(block_size=LENGTH)
    exact = measured(built, None, loss_only=True)
    with torch.autocast("cpu", torch.bfloat16):
        rough = measured(built, None, loss_only=True)
    assert rough[1].dtype is torch.float32
    assert torch.allclose(exact[1], rough[1], rtol=1e-2)
    assert not torch.equal(exact[1], rough[1])
    grad, other = (found[2]["token_embedding_table.weight"] for found in (exact, rough))
    assert torch.nn.functional.cosine_similarity(grad.flatten(), other.flatten(), dim=0) > 0.99


def test_a_fully_masked_batch_gives_zero_and_no_gradient() -> None:
    found = measured(model(block_size=LENGTH), torch.zeros(BATCH, LENGTH), loss_only=True)
    assert found[1].item() == 0.0
    assert not any(grad.any() for grad in found[2].values())


def test_pieces_are_as_large_as_the_device_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_loss, "PIECE", {"cpu": 1 << 24})
    assert head_loss.rows_at_once(50304, "cpu") == 320
    assert head_loss.rows_at_once(50304, "cuda") == 2624
    assert head_loss.rows_at_once(1 << 25, "cpu") == 64
    built = model(block_size=LENGTH)
    assert built(ids(BATCH, LENGTH), ids(BATCH, LENGTH), loss_only=True)[0].numel()
