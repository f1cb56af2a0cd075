from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mypt import bundle, fsio
from mypt.errors import RunError
from mypt.training import checkpointing
from mypt.training import optimizer as adamw
from tests.model.small_models import model


def test_weights_and_moments_come_back_to_the_bit_and_other_saves_keep_their_sums(tmp_path: Path) -> None:
    built = model()
    optimizer = adamw.build(built, learning_rate=1e-2, weight_decay=0.1)
    for parameter in built.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    target = tmp_path / "checkpoints" / "dante"
    checkpointing.save(
        target, built, {"token_kind": "gpt2"}, {"step": 1}, device="cpu", optimizer=optimizer.state_dict()
    )
    assert torch.serialization.get_crc32_options()
    weights = torch.load(target / "model.pt", weights_only=True)["state_dict"]
    assert all(torch.equal(weights[name], value) for name, value in built.state_dict().items())
    moments = torch.load(target / "optimizer.pt", weights_only=True)["state"]
    own = optimizer.state_dict()["state"]
    assert all(torch.equal(moments[n]["exp_avg_sq"], own[n]["exp_avg_sq"]) for n in own)


def test_a_disk_that_does_not_take_it_is_told_and_the_sums_are_kept_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    target = tmp_path / "checkpoints" / "dante"
    with pytest.raises(RunError, match="No space left"):
        checkpointing.save(target, model(), {"token_kind": "gpt2"}, {"step": 1}, device="cpu")
    assert not target.exists()
    assert torch.serialization.get_crc32_options()


def test_a_bundle_that_loses_a_file_while_it_is_saved_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "checkpoints" / "dante"
    checkpointing.save(target, model(), {"token_kind": "gpt2"}, {"step": 1}, device="cpu")
    write = fsio.write_json_atomic

    def lose(path: Path, content: object) -> None:
        (path.parent / "model.pt").unlink(missing_ok=True)
        write(path, content)

    monkeypatch.setattr(checkpointing, "write_json_atomic", lose)
    with pytest.raises(
        RunError, match=r"model\.pt was removed while it was saved\); the previous one is intact"
    ):
        checkpointing.save(target, model(), {"token_kind": "gpt2"}, {"step": 2}, device="cpu")
    assert bundle.read_info(target).step == 1
    assert [path.name for path in target.parent.iterdir()] == ["dante"]
