from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from mypt.model import linear as module
from mypt.model.linear import FEWEST_ROWS, Linear
from tests.model.small_models import model


def filled(n_in: int, n_out: int, *, bias: bool = False) -> Linear:
    """A layer with values."""
    torch.manual_seed(0)
    layer = Linear(n_in, n_out, bias=bias)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def both(layer: Linear, x: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    """Output and gradients (input, weight, bias) with each way to multiply."""
    found = []
    for matmul in module.MATMULS:
        layer.matmul = matmul
        layer.zero_grad()
        x = x.detach().requires_grad_()
        out = layer(x)
        out.backward(torch.linspace(-1, 1, out.numel()).view(out.shape))
        grads = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
        assert x.grad is not None
        found.append((out, x.grad, *grads))
    return found


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("bias", [False, True])
def test_both_ways_multiply_alike_forward_and_backward(bias: bool, threads: int) -> None:
    layer = filled(160, 224, bias=bias)
    first, second = both(layer, torch.randn(3, FEWEST_ROWS, 160))
    assert len(first) == len(second) == 3 + bias
    for a, b in zip(first, second, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-2)


def test_an_input_that_does_not_lie_in_one_piece_is_multiplied_as_it_reads() -> None:
    layer = filled(160, 224)
    first, second = both(layer, torch.randn(160, 2, FEWEST_ROWS).permute(1, 2, 0))
    assert torch.allclose(first[0], second[0], atol=1e-3)
    assert torch.allclose(first[1], second[1], atol=1e-3)


@pytest.mark.skipif("USE_MKLDNN=ON" not in torch.__config__.show(), reason="this torch has no oneDNN")
def test_any_number_of_threads_and_rows_is_multiplied_by_onednn_both_ways(threads: int) -> None:
    layer = filled(160, 224)
    layer.matmul = "onednn"
    for rows in (FEWEST_ROWS, FEWEST_ROWS + 1, 3 * FEWEST_ROWS + 7):
        with torch.autograd.profiler.profile() as seen:
            layer(torch.randn(rows, 160, requires_grad=True)).sum().backward()
        names = {event.name for event in seen.function_events}
        assert "aten::mkldnn_convolution" in names and not any("slow" in name for name in names)


def test_onednn_gives_the_same_bits_each_time() -> None:
    layer, x = filled(192, 256), torch.randn(2, FEWEST_ROWS, 192)
    layer.matmul = "onednn"
    assert all(torch.equal(layer(x), layer(x)) for _ in range(5))


def test_only_large_float32_products_take_the_way_through_onednn() -> None:
    layer = filled(160, 224)
    rows = torch.randn(FEWEST_ROWS, 160)
    assert module._pays(rows, layer.weight)
    assert not module._pays(rows[:1], layer.weight)
    assert not module._pays(rows.bfloat16(), layer.weight)
    assert not module._pays(rows[:, :4], Linear(4, 4).weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not module._pays(rows, layer.weight)
        layer.matmul = "onednn"
        assert layer(rows).dtype is torch.bfloat16


def test_a_model_takes_it_in_every_layer_and_refuses_others() -> None:
    built = model()
    built.set_matmul("onednn")
    layers = [m for m in built.modules() if isinstance(m, torch.nn.Linear)]
    assert {getattr(m, "matmul", None) for m in layers} == {"onednn"}
    with pytest.raises(ValueError, match=r"mkl.*torch, onednn"):
        built.set_matmul("mkl")
