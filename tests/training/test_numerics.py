from __future__ import annotations

from typing import Any

import pytest

from mypt.settings.fields import Settings
from mypt.training import numerics
from mypt.training.numerics import choose


def settings(**values: Any) -> Settings:
    return Settings(device="cpu", **values)


@pytest.mark.parametrize(("half_used", "expected"), [(True, "onednn"), (False, "torch")])
def test_fp32_is_multiplied_by_onednn_where_the_processor_is_left_half_used(
    half_used: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numerics, "cpu_is_left_half_used", lambda: half_used)
    chosen, notices = choose(settings(precision="fp32"))
    assert chosen.matmul == expected and not notices
    assert ("oneDNN" in str(chosen)) is half_used
    assert choose(settings(precision="bf16"))[0].matmul == "torch"
    assert choose(settings(precision="fp32", matmul="torch"))[0].matmul == "torch"


def test_a_resumed_run_multiplies_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "cpu_is_left_half_used", lambda: False)
    kept, _ = choose(settings(precision="fp32", matmul="onednn"))
    asked = settings(precision="fp32").model_dump()
    monkeypatch.setattr(numerics, "cpu_is_left_half_used", lambda: True)
    same, notices = choose(settings(precision="fp32"), {**kept.to_json(), "matmul": "torch"}, asked)
    assert same.matmul == "torch" and not notices
    silent = {name: value for name, value in kept.to_json().items() if name != "matmul"}
    assert choose(settings(precision="fp32"), silent, asked)[0].matmul == "torch"
    other, notices = choose(settings(precision="fp32", matmul="torch"), kept.to_json(), asked)
    assert other.matmul == "torch"
    assert any("matmul changes from onednn to torch" in notice for notice in notices)


def test_with_dropout_cpus_take_the_plain_kernel_in_fp32_too() -> None:
    assert choose(settings(precision="fp32", dropout=0.1))[0].attention == "plain"
    assert choose(settings(precision="fp32", dropout=0.0))[0].attention == "sdpa"
