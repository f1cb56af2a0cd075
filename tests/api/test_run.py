from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mypt
from mypt.errors import RunError, UserError
from tests.workbench import environment, events, last_iter, listing, wait_for

TINY: dict[str, Any] = {
    "tokenization": "char",
    "n_layer": 1,
    "n_head": 2,
    "n_embd": 16,
    "block_size": 16,
    "batch_size": 4,
    "eval_iters": 2,
    "log_interval": 1,
    "sample_interval": 0,
    "device": "cpu",
}


def test_it_trains_as_the_command_does(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = mypt.train(
        model_name="dante", input_file="input.txt", max_iters=4, eval_interval=2, workspace=workspace, **TINY
    )
    assert (result.step, result.max_iters, result.finished, result.gold_step) == (4, 4, True, 4)
    assert result.path == workspace.resolve() / "checkpoints" / "dante"
    assert result.log_file == workspace.resolve() / "logs" / "train" / "dante_eval.jsonl"
    final = events(workspace, "dante", "training_complete")[0]
    assert (round(result.val_loss or 0, 6), round(result.train_loss or 0, 6)) == (
        final["final_val_loss"],
        final["final_train_loss"],
    )
    assert "Training finished!" in capsys.readouterr().out
    assert [result.load(kind).info.name for kind in ("last", "gold", "fp16")] == [
        "dante",
        "dante_gold",
        "dante_fp16",
    ]


def test_it_resumes_and_can_keep_quiet(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    result = mypt.train(model_name="dante", max_iters=10, workspace=trained, quiet=True)
    assert (result.step, capsys.readouterr().out) == (10, "")
    assert events(trained, "dante", "training_start")[-1]["config"]["start_step"] == 8
    # What was printed is kept with the run all the same.
    kept = max((trained / ".mypt" / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
    assert "Training finished!" in "".join(
        f.read_text() for f in kept.iterdir() if f.suffix in (".log", ".txt")
    )
    again = mypt.train(model_name="dante", max_iters=10, workspace=trained, quiet=True)
    assert again.step == 10 and again.finished


def test_it_fine_tunes_with_values_of_every_kind(trained: Path) -> None:
    result = mypt.train(
        model_name="tuned",
        init_from_model=Path("checkpoints") / "dante",
        input_file=Path("input.txt"),
        max_iters=2,
        dropout=0.0,
        gold_selection={"guards": {"overfit_ratio": None}},
        learning_rate=None,
        workspace=str(trained),
        quiet=True,
    )
    state = mypt.get_model_info("tuned", trained)["training_state"]
    assert state["base"]["name"] == "dante"
    assert state["training_config"]["gold_selection"]["guards"]["overfit_ratio"] is None
    assert result.load().config.dropout == 0.0


def test_all_that_is_wrong_is_raised_and_nothing_is_written(workspace: Path) -> None:
    before = listing(workspace)
    with pytest.raises(UserError) as refused:
        mypt.train(model_name="a/b", max_iters=0, learnin_rate=1, workspace=workspace)
    text = str(refused.value)
    assert "mypt.train(): max_iters: must be at least 1 (got 0)" in text
    assert "mypt.train(): learnin_rate: is not a setting; did you mean learning_rate?" in text
    assert "model_name: the name would leave checkpoints/" in text
    with pytest.raises(UserError, match="no such folder"):
        mypt.train(workspace=workspace / "nowhere")
    assert listing(workspace) == before


def test_a_loss_that_is_no_number_is_raised(workspace: Path) -> None:
    with pytest.raises(RunError, match="stopped before the update"):
        mypt.train(
            model_name="m",
            input_file="input.txt",
            max_iters=50,
            learning_rate=10.0,
            warmup_iters=0,
            grad_clip=0,
            precision="fp32",
            workspace=workspace,
            quiet=True,
            **{**TINY, "eval_interval": 50, "weight_decay": 10},
        )


SCRIPT = """
import sys, mypt
try:
    mypt.train(model_name="m", input_file="input.txt", max_iters=10**7, eval_interval=10**6, **{tiny!r})
except KeyboardInterrupt:
    print("interrupted at", mypt.get_model_info("m")["training_state"]["step"])
print("not reached where a signal ends the program")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_saves_first_and_does_then_what_it_does(workspace: Path, name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(tiny=TINY)],
        cwd=workspace,
        env={**environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert wait_for(lambda: last_iter(workspace, "m") >= 2, process)
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    step = mypt.get_model_info("m", workspace)["training_state"]["step"]
    assert events(workspace, "m")[-1]["reason"] == "signal" and step >= 2, err
    if name == "SIGINT":
        assert process.returncode == 0 and f"interrupted at {step}" in out
    else:
        assert process.returncode == -signal.SIGTERM and "not reached" not in out
