from __future__ import annotations

import math

import pytest
import torch

from mypt.model.kernels import attend, causal_bias, default_kernel, segment_bias
from tests.model.small_models import VARIANTS, ids, model


def by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(q)
    for b, h, i in torch.cartesian_prod(*(torch.arange(n) for n in q.shape[:3])).tolist():
        scores = [float(q[b, h, i] @ k[b, h, j]) / math.sqrt(q.size(-1)) for j in range(k.size(2))]
        weights = [math.exp(s) if visible[b, i, j] else 0.0 for j, s in enumerate(scores)]
        for j, weight in enumerate(weights):
            out[b, h, i] += weight / sum(weights) * v[b, h, j]
    return out


@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
def test_kernels_do_what_the_formula_says(kernel: str) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4) for _ in range(3))
    causal = torch.ones(5, 5, dtype=torch.bool).tril().expand(2, 5, 5)
    bias = causal_bias(5, q.device) if kernel == "plain" else None
    assert torch.allclose(attend(kernel, q, k, v, bias), by_hand(q, k, v, causal), atol=1e-5)
    segments = torch.tensor([[1, 1, 2, 2, 0], [3, 3, 3, 0, 0]])
    within = causal & (segments[:, :, None] == segments[:, None, :])
    bias = segment_bias(segments, torch.float32)
    assert torch.allclose(attend(kernel, q, k, v, bias), by_hand(q, k, v, within), atol=1e-5)
    last = attend(kernel, q[:, :, -1:], k, v, None)
    assert torch.allclose(last, by_hand(q, k, v, causal)[:, :, -1:], atol=1e-5)


def test_the_plain_kernel_refuses_to_look_ahead() -> None:
    q = torch.randn(1, 1, 3, 4)
    with pytest.raises(ValueError, match="needs a bias"):
        attend("plain", q, q, q, None)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("packed", [False, True])
def test_kernels_agree_in_loss_and_gradients(variant: str, packed: bool) -> None:
    built = model(**VARIANTS[variant])
    segments = torch.tensor([[1] * 7 + [2] * 9] * 2) if packed else None
    found = []
    for kernel in ("sdpa", "plain"):
        built.set_kernel(kernel)
        built.zero_grad()
        logits, loss = built(ids(), ids(seed=1), segment_ids=segments)
        assert loss is not None
        loss.backward()
        found.append((logits, [p.grad.clone() for p in built.parameters() if p.grad is not None]))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-4)
    assert len(found[0][1]) == len(list(built.parameters()))
    for first, second in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(first, second, atol=1e-4)


def test_the_plain_kernel_works_in_the_autocast_dtype() -> None:
    built = model().eval()
    exact = built(ids())[0]
    built.set_kernel("plain")
    kinds = set()

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        kinds.add(inputs[0].dtype)

    built.blocks[0].sa.proj.register_forward_pre_hook(note)  # type: ignore[union-attr]
    with torch.autocast("cpu", torch.bfloat16):
        rough = built(ids())[0]
    assert kinds == {torch.bfloat16}
    assert (rough - exact).abs().mean() / exact.std() < 0.05


def test_an_unknown_kernel_is_named() -> None:
    with pytest.raises(ValueError, match=r"flash2.*sdpa, plain"):
        model().set_kernel("flash2")


def test_default_kernel() -> None:
    assert default_kernel("cpu", torch.bfloat16, 256) == "plain"
    assert default_kernel("cpu", torch.float32, 256) == "sdpa"
    assert default_kernel("cpu", torch.bfloat16, 4096) == "sdpa"
    assert default_kernel("cpu", torch.float32, 4096, dropout=0.1) == "plain"
    assert default_kernel("cuda", torch.bfloat16, 256, dropout=0.1) == "sdpa"


def test_the_mask_is_not_saved() -> None:
    built = model()
    names = set(built.state_dict())
    built.set_kernel("plain")
    assert set(built.state_dict()) == names
