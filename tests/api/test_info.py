from __future__ import annotations

from pathlib import Path

import pytest

import mypt
from mypt.errors import UserError


def test_a_checkpoint_is_described_as_the_seeds_do(
    trained_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained_once)
    info = mypt.get_model_info("dante")
    assert info["config"]["n_layer"] == 1
    training = info["training_state"]["training_config"]
    assert (training["max_iters"], training["learning_rate"]) == (8, 3e-4)
    assert info["training_state"]["step"] == 8
    assert info["tokenizer"]["token_kind"] == "char"
    assert info["kind"] == "last" and info["files"]["model.pt"] > 0


@pytest.mark.parametrize("name", ["dante_gold", "dante_fp16", "checkpoints/dante"])
def test_any_bundle_by_name_or_path(trained_once: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained_once)
    assert mypt.get_model_info(name)["name"] == Path(name).name


def test_a_workspace_can_be_named(trained_once: Path) -> None:
    assert mypt.get_model_info("dante", trained_once)["path"] == str(trained_once / "checkpoints" / "dante")


def test_what_is_no_checkpoint_is_refused_with_the_nearest(trained_once: Path) -> None:
    with pytest.raises(UserError, match=r"no such checkpoint .* did you mean dante\?"):
        mypt.get_model_info("dant", trained_once)


def test_names_come_when_they_are_first_used() -> None:
    assert mypt.GPTConfig(n_layer=2).n_layer == 2
    assert set(mypt.__all__) <= set(dir(mypt))
    assert all(getattr(mypt, name) is not None for name in mypt.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = mypt.nothing
