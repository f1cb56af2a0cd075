from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from mypt.errors import UserError
from mypt.model.weights import check_size, load_weights
from tests.model.small_models import ids, model


def state(**fields: object) -> dict[str, object]:
    return dict(model(seed=9, **fields).state_dict())


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_arrive_in_the_dtype_of_the_model(prefix: str, dtype: torch.dtype) -> None:
    source = model(seed=9)
    saved = {prefix + name: value.to(dtype) for name, value in source.state_dict().items()}
    built = model()
    assert load_weights(built, saved) == []
    for name, value in built.state_dict().items():
        assert value.dtype is torch.float32
        assert torch.equal(value, source.state_dict()[name].to(dtype).float()), name


def test_everything_that_does_not_fit_is_named_and_nothing_is_copied() -> None:
    saved = state()
    del saved["ln_f.bias"]
    saved["lm_head.weight"] = torch.zeros(30, 32)
    saved["surplus"] = torch.zeros(1)
    saved["blocks.0.ln1.bias"] = "text"
    built = model()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    with pytest.raises(UserError) as refused:
        load_weights(built, saved, where="checkpoints/x/model.pt")
    text = str(refused.value)
    for part in (
        "missing weights: ln_f.bias",
        "unexpected weights: surplus",
        "(30, 32)",
        "no tensor but str",
    ):
        assert part in text
    assert text.count("checkpoints/x/model.pt") == 4
    for name, value in built.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_tied_model_takes_either_copy_but_not_two_different_ones() -> None:
    whole = state(tie_weights=True)
    for missing in ("lm_head.weight", "token_embedding_table.weight"):
        built = model(tie_weights=True)
        load_weights(built, {name: value for name, value in whole.items() if name != missing})
        assert torch.equal(built.lm_head.weight, whole["lm_head.weight"])  # type: ignore[arg-type]
        assert built.lm_head.weight is built.token_embedding_table.weight
    with pytest.raises(UserError, match="two copies of a tied matrix differ"):
        load_weights(model(tie_weights=True), state())


def test_fine_tuning_averages_an_untied_pair() -> None:
    saved = state()
    built = model(tie_weights=True)
    (notice,) = load_weights(built, saved, adapt=True)
    assert "averaging" in notice
    first, second = saved["token_embedding_table.weight"], saved["lm_head.weight"]
    assert torch.allclose(built.lm_head.weight, (first + second) / 2)  # type: ignore[operator]


def test_fine_tuning_extends_learned_positions() -> None:
    base = model(seed=9)
    longer = model(block_size=24)
    fresh = longer.position_embedding_table.weight[16:].detach().clone()
    with pytest.raises(UserError, match="position_embedding_table"):
        load_weights(longer, base.state_dict())
    (notice,) = load_weights(longer, base.state_dict(), adapt=True)
    assert "16 in the base model, 24 here" in notice
    assert torch.equal(longer.position_embedding_table.weight[16:], fresh)
    assert torch.allclose(longer(ids())[0], base(ids())[0])
    shorter = model(block_size=8)
    load_weights(shorter, base.state_dict(), adapt=True)
    assert torch.allclose(shorter(ids(length=8))[0], base(ids(length=8))[0])


def test_a_config_that_asks_for_more_than_there_is_costs_no_memory() -> None:
    built = model()
    saved = dict(built.state_dict())
    check_size(built.config, saved)
    lies: tuple[tuple[dict[str, Any], str], ...] = (
        ({"n_layer": 10**8}, "the config asks for 100000000 layers"),
        ({"vocab_size": 10**8}, "token_embedding_table.weight: has shape"),
        ({"n_embd": 32 * 10**6}, "has shape"),
    )
    for changes, message in lies:
        with pytest.raises(UserError, match=message):
            check_size(replace(built.config, **changes), saved, where="m/model.pt")
