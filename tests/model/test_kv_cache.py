from __future__ import annotations

import pytest
import torch

from mypt.model import KVCache
from tests.model.small_models import VARIANTS, ids, model


@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_in_any_portions_the_logits_are_those_without_a_cache(variant: str, kernel: str) -> None:
    built = model(**VARIANTS[variant]).eval()
    built.set_kernel(kernel)
    tokens = ids()
    whole, _ = built(tokens)
    for portions in ([16], [1] * 16, [5, 1, 1, 6, 3]):
        cache = KVCache(16)
        parts = [built.step(part, cache, all_positions=True) for part in torch.split(tokens, portions, dim=1)]
        assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
        assert cache.length == 16
        cache.clear()
        assert torch.allclose(built.step(tokens[:, :4], cache), whole[:, 3], atol=1e-5)


def test_a_full_cache_says_so() -> None:
    built = model()
    cache = KVCache(4)
    built.step(ids(length=3), cache)
    with pytest.raises(ValueError, match="holds 3 of 4 tokens: no room for 2"):
        built.step(ids(length=2), cache)
    assert cache.length == 3


def test_memory_is_for_the_key_heads_only() -> None:
    cache = KVCache(16)
    model(**VARIANTS["grouped"]).step(ids(length=3), cache)
    assert cache.nbytes == 2 * 2 * 2 * 2 * 16 * 8 * 4  # layers, k and v, batch, heads, capacity, width, bytes
