"""What a run computes with: kept by a resume, and changed only where somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mypt.cli import main
from mypt.errors import UserError
from mypt.machine import cpu_has_fast_bf16
from mypt.settings.fields import Settings
from mypt.training.numerics import choose
from tests.workbench import events

# What a processor without fast bf16 and one with it would leave in a checkpoint.
HAD: dict[str, Any] = {
    "device": "cpu",
    "precision": "bf16",
    "attention": "plain",
    "compile": False,
    "threads": None,
}


def settings(**changes: Any) -> Settings:
    return Settings(device="cpu", **changes)


def resumed(saved: Settings, now: Settings, **had: Any) -> tuple[str, list[str]]:
    numerics, notices = choose(now, {**HAD, **had}, saved.model_dump())
    return numerics.precision, [n for n in notices if "threads" not in n]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_resume_keeps_what_was_chosen_whatever_is_best_here(precision: str) -> None:
    assert resumed(settings(), settings(), precision=precision) == (precision, [])
    numerics, _ = choose(settings(), {**HAD, "attention": "plain"}, settings().model_dump())
    assert numerics.attention == "plain"


@pytest.mark.parametrize(
    ("saved", "now", "had", "gets"),
    [
        ({}, {"precision": "fp32"}, "bf16", "fp32"),
        ({}, {"use_amp": False}, "bf16", "fp32"),
        ({"precision": "fp32"}, {"precision": "bf16"}, "fp32", "bf16"),
    ],
)
def test_what_is_asked_for_now_is_obeyed_and_said(
    saved: dict[str, Any], now: dict[str, Any], had: str, gets: str
) -> None:
    precision, notices = resumed(settings(**saved), settings(**{**saved, **now}), precision=had)
    assert precision == gets
    assert f"precision changes from {had} to {gets}: from here on the run is no exact continuation" in notices


@pytest.mark.parametrize(("saved", "now"), [({"use_amp": False}, {}), ({"precision": "fp32"}, {})])
def test_going_back_to_auto_is_obeyed_too(saved: dict[str, Any], now: dict[str, Any]) -> None:
    precision, notices = resumed(settings(**saved), settings(**now), precision="fp32")
    assert precision == ("bf16" if cpu_has_fast_bf16() else "fp32")
    assert bool(notices) is (precision == "bf16")


def test_a_lower_precision_that_is_no_gain_here_is_said_not_taken() -> None:
    precision, notices = (
        choose(settings(amp_dtype="fp16"))[0].precision,
        choose(settings(amp_dtype="fp16"))[1],
    )
    assert precision == "fp32" and notices == ["amp_dtype: fp16 is no gain on this cpu, so fp32 is used"]
    # Said when it is decided, not at every resume.
    assert resumed(settings(amp_dtype="fp16"), settings(amp_dtype="fp16"), precision="fp32") == ("fp32", [])


def test_another_attention_kernel_is_said() -> None:
    numerics, notices = choose(settings(attention="sdpa"), HAD, settings().model_dump())
    assert numerics.attention == "sdpa"
    assert "attention changes from plain to sdpa: from here on the run is no exact continuation" in notices
    _, notices = choose(settings(compile="on"), HAD, settings().model_dump())
    assert "compile changes from off to on: from here on the run is no exact continuation" in notices


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"precision: fp16 needs a CUDA GPU \(got 'fp16'\); use bf16 or fp32"):
        choose(settings(precision="fp16"))


def test_another_device_is_said() -> None:
    _, notices = choose(settings(), {**HAD, "device": "cuda"}, settings().model_dump())
    assert notices[0].startswith(
        "the checkpoint was trained on cuda, this is cpu: from here on the run is no exact"
    )


def test_flags_about_precision_have_an_effect_on_a_resume(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--workspace", str(trained), "train", "--model_name", "dante"]
    assert main([*command, "--max_iters", "9", "--precision", "bf16"]) == 0
    capsys.readouterr()
    assert main([*command, "--max_iters", "10", "--use_amp", "false", "--precision", "auto"]) == 0
    assert "Note: precision changes from bf16 to fp32: from here on" in capsys.readouterr().out
    start = events(trained, "dante", "training_start")[-1]
    assert (start["config"]["use_amp"], start["runtime"]["precision"]) == (False, "fp32")


@pytest.mark.parametrize("name", ["precision", "attention", "matmul", "compile"])
@pytest.mark.parametrize("value", [100000.0, "new", [], {"a": 1}])
def test_what_no_version_knows_is_chosen_anew_and_said(name: str, value: object) -> None:
    numerics, notices = choose(settings(), {**HAD, "matmul": "torch", name: value}, settings().model_dump())
    assert getattr(numerics, name) != value
    assert any(notice.startswith(f"{name} changes from {value}") for notice in notices)
