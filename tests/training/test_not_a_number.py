"""A loss that is no number: stopped in time, in words, with what was good kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from tests.training.runs import row, state_of, train
from tests.workbench import (
    CHARS,
    TINY,
    events,
    ids_of,
    log_of,
    story,
    write_dataset,
)


def poison(workspace: Path, model: str, sign: str) -> None:
    """Make the embedding of one character not a number: whoever reads that character gets nothing finite any more."""
    file = workspace / "checkpoints" / model / "model.pt"
    content = torch.load(file, weights_only=True)
    content["state_dict"]["token_embedding_table.weight"][CHARS.index(sign)] = float("nan")
    (workspace / "checkpoints" / model / "manifest.json").unlink()
    torch.save(content, file)


def test_not_a_number_stops_before_the_update(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = story(1500).replace("z", "a")
    for name, text in (("one", plain), ("two", plain.replace("e", "z"))):
        write_dataset(workspace / "data" / name, train=[ids_of(text)], val=[ids_of(plain[:300])])
    phases = [
        {"name": "one", "dataset_dir": "data/one", "until_iter": 6},
        {"name": "two", "dataset_dir": "data/two", "until_iter": None},
    ]
    flags = [
        "--model_name",
        "m",
        *TINY[4:],
        "--curriculum",
        json.dumps({"phases": phases}),
        "--precision",
        "fp32",
    ]
    assert train(workspace, *flags, "--max_iters", "2", "--eval_interval", "2") == 0
    poison(workspace, "m", "z")
    # Nobody reads the poisoned character before the second phase.
    capsys.readouterr()
    code = train(workspace, "--model_name", "m", "--max_iters", "10", "--eval_interval", "2")
    captured = capsys.readouterr()
    assert code == 1
    assert captured.err == (
        "mypt: step 7: the loss is nan; stopped before the update, and the last good checkpoint is "
        "checkpoints/m of step 6. Lower learning_rate, or raise warmup_iters\n"
    )
    last = events(workspace, "m")[-1]
    assert (last["event"], last["iter"], last["reason"]) == ("training_stopped", 6, "nan")
    assert last["message"] == "the loss is nan at step 7"
    assert state_of(workspace, "m")["step"] == 6
    weights = torch.load(workspace / "checkpoints" / "m" / "model.pt", weights_only=True)["state_dict"]
    table = weights["token_embedding_table.weight"]
    assert all(bool(table[i].isfinite().all()) == (c != "z") for i, c in enumerate(CHARS))
    assert row(workspace)["state"] == "failed"
    # Every line is valid JSON for readers that know no NaN.
    for line in log_of(workspace, "m").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} in the log"))


@pytest.mark.parametrize("often", [False, True])
def test_a_rate_that_is_far_too_high_ends_in_words(
    workspace: Path, capsys: pytest.CaptureFixture[str], often: bool
) -> None:
    # Each update multiplies the weights; with an evaluation after each of them, that is where it shows first.
    high = ["--learning_rate", "10", "--weight_decay", "10", "--warmup_iters", "0", "--precision", "fp32"]
    flags = [*TINY, *high, "--max_iters", "200", "--eval_interval", "1" if often else "2", "--grad_clip", "0"]
    assert train(workspace, "--model_name", "m", *flags) == 1
    last = events(workspace, "m")[-1]
    step = last["iter"]
    assert (last["event"], last["reason"]) == ("training_stopped", "nan")
    err = capsys.readouterr().err
    if often:
        said = rf"mypt: step {step}: the evaluation's loss on the training data is (nan|inf); stopped before it was saved"
        (final,) = (e for e in events(workspace, "m", "eval") if e["iter"] == step)
        assert final["train_loss"] is None and final["nonfinite"]["train_loss"] in ("nan", "inf")
    else:
        said = rf"mypt: step {step + 1}: the (loss|gradient's norm) is (nan|inf); stopped before the update"
    saved = state_of(workspace, "m")["step"]
    kept = f"and the last good checkpoint is checkpoints/m of step {saved}. Lower learning_rate, or raise warmup_iters"
    gold = state_of(workspace, "m_gold")["step"]
    further = f"; --resume_from gold goes on from step {gold}" if gold < saved else ""
    assert re.fullmatch(f"{said}, {re.escape(kept + further)}\n", err)
    assert isinstance(saved, int) and saved < step if often else saved == step - step % 2
    for line in log_of(workspace, "m").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} in the log"))
    # What is kept is good: with a sane rate it goes on.
    sane = ["--learning_rate", "1e-4", "--weight_decay", "0", "--max_iters", str(saved + 1)]
    assert train(workspace, "--model_name", "m", *sane) == 0
