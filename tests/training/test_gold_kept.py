"""The gold bundle through kills, resumes with other settings, and a run that overfits: in whole runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mypt.cli import main
from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer, place_of
from tests.workbench import SHAPE, TINY, events, ids_of, story, write_dataset

FLAGS = ["--model_name", "m", *TINY, "--max_iters", "9", "--eval_interval", "3", "--learning_rate", "0.01"]


def gold(workspace: Path) -> tuple[int, float]:
    """The step of the gold bundle, and its validation loss."""
    state = json.loads((workspace / "checkpoints" / "m_gold" / "training_state.json").read_text())
    return state["step"], state["progress"]["val_loss"]


def golds(workspace: Path) -> list[int]:
    return [event["iter"] for event in events(workspace, "m", "gold_checkpoint")]


@pytest.fixture
def ahead(workspace: Path, killer: Killer) -> Path:
    """A run that was killed when the gold of step 6 was saved, and the checkpoint of step 6 was not."""
    whole = workspace / "whole"
    whole.mkdir()
    (whole / "input.txt").write_text((workspace / "input.txt").read_text())
    status, operations = killer.run(whole, "train", *FLAGS)
    assert status == 0 and golds(whole) == [3, 6, 9]
    # Checkpoints come at 0, 3 and 6; the third is begun right after the second gold.
    place = place_of(operations, "m", 3)
    assert killer.run(workspace, "train", *FLAGS, kill_at=place)[0] == KILLED
    last = json.loads((workspace / "checkpoints" / "m" / "training_state.json").read_text())
    assert last["step"] == 3 and gold(workspace)[0] == 6
    return workspace


@pytest.mark.slow
def test_other_settings_never_overwrite_a_better_gold(ahead: Path, killer: Killer) -> None:
    before = gold(ahead)
    # It hardly learns any more; an evaluation before the gold's step does not know better either.
    slow = ["--learning_rate", "1e-9", "--eval_interval", "1"]
    assert killer.run(ahead, "train", "--model_name", "m", *slow)[0] == 0
    assert gold(ahead) == before
    assert golds(ahead) == [3, 6]
    (end,) = events(ahead, "m", "training_complete")
    assert end["gold_step"] == 6
    # Even after the run has passed it, and was resumed once more.
    assert killer.run(ahead, "train", "--model_name", "m", "--max_iters", "11")[0] == 0
    assert gold(ahead) == before
    # And one that is better replaces it.
    assert (
        killer.run(ahead, "train", "--model_name", "m", "--max_iters", "40", "--learning_rate", "0.01")[0]
        == 0
    )
    assert gold(ahead)[0] > 11 and gold(ahead)[1] < before[1]
    first = next(e for e in events(ahead, "m", "gold_checkpoint") if e["iter"] > 6)
    assert first["prev_best"] == pytest.approx(before[1], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["last", "gold"])
def test_the_same_settings_come_to_the_same_gold(ahead: Path, killer: Killer, source: str) -> None:
    # The gold is as whole as a checkpoint, so going on from it leads to the same end.
    assert killer.run(ahead, "train", "--model_name", "m", "--resume_from", source)[0] == 0
    assert golds(ahead) == {"gold": [3, 6, 9], "last": [3, 6, 6, 9]}[source]
    assert_same_run(ahead / "whole", ahead, "m")


@pytest.mark.slow
def test_a_gold_of_other_data_is_no_measure(ahead: Path, killer: Killer) -> None:
    (ahead / "other.txt").write_text(story()[::-1])
    other = ["--input_file", "other.txt", "--learning_rate", "1e-9"]
    assert killer.run(ahead, "train", "--model_name", "m", *other)[0] == 0
    assert events(ahead, "m", "gold_checkpoint")[-1]["iter"] == gold(ahead)[0] == golds(ahead)[-1]
    assert [e["prev_best"] for e in events(ahead, "m", "gold_checkpoint") if e["iter"] == 6][-1] is None


@pytest.mark.slow
def test_a_gold_of_an_earlier_run_of_that_name_is_no_measure(ahead: Path, killer: Killer) -> None:
    # The gold of a run whose checkpoint was thrown away is better than this one will ever be.
    shutil.rmtree(ahead / "checkpoints" / "m")
    new = ["train", *FLAGS[:-1], "1e-6"]
    twin = shutil.copytree(ahead, ahead.with_name("twin"))
    place = place_of(killer.run(twin, *new)[1], "m_gold")
    assert killer.run(ahead, *new, kill_at=place)[0] == KILLED
    assert gold(ahead)[0] == 6
    assert killer.run(ahead, "train", "--model_name", "m")[0] == 0
    first = events(ahead, "m", "gold_checkpoint")[2]
    assert (first["iter"], first["prev_best"]) == (3, None)
    assert_same_run(twin, ahead, "m")


def test_masked_and_unmasked_losses_are_no_measure_for_each_other(workspace: Path) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "data", train=[ids], val=[ids[:400]], mask="u1")
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data", "--eval_interval", "2"]
    command = ["--workspace", str(workspace), "train", "--model_name", "m"]
    assert main([*command, *flags, "--max_iters", "4", "--use_loss_mask"]) == 0
    assert main([*command, "--max_iters", "6", "--use_loss_mask", "false", "--learning_rate", "1e-9"]) == 0
    assert events(workspace, "m", "gold_checkpoint")[-1] == {
        **events(workspace, "m", "gold_checkpoint")[-1],
        "iter": 6,
        "prev_best": None,
    }


def overfitting(workspace: Path, *guards: str) -> list[dict[str, Any]]:
    """Learn 400 tokens by heart; two in a hundred of the validation data are others. The log's events."""
    ids, draw = ids_of(story(3000))[:400], np.random.default_rng(1)
    others = np.where(draw.random(400) < 0.02, draw.integers(3, 29, 400), ids).tolist()
    write_dataset(workspace / "data", train=[ids], val=[others])
    shape = ["--n_layer", "2", "--n_head", "2", "--n_embd", "64", "--block_size", "32", "--batch_size", "16"]
    flags = ["--dropout", "0", "--learning_rate", "0.005", "--precision", "fp32", "--device", "cpu"]
    length = ["--max_iters", "150", "--eval_interval", "25", "--eval_iters", "4", "--sample_interval", "0"]
    words = ["--model_name", "m", "--dataset_dir", "data", *shape, *flags, *length, *guards]
    assert main(["--workspace", str(workspace), "train", *words]) == 0
    return events(workspace, "m")


def test_the_overfit_guard_fires_on_a_run_that_overfits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guards = json.dumps({"guards": {"overfit_ratio": 1.4}})
    found = overfitting(tmp_path, "--gold_selection", guards)
    evals = {e["iter"]: e for e in found if e["event"] == "eval"}
    blocked = {e["iter"]: e for e in found if e["event"] == "gold_blocked"}
    accepted = [e["iter"] for e in found if e["event"] == "gold_checkpoint"]
    # It was fine at first; then every new best is one by heart, the last evaluation's too.
    assert accepted and 150 in blocked and max(accepted) < min(blocked)
    for step, event in blocked.items():
        ratio = evals[step]["val_loss"] / evals[step]["train_loss"]
        assert event["reason"] == f"overfit: val/train={ratio:.1f}x, threshold=1.4x" and ratio > 1.4
        assert event["val_loss"] < event["best_val_loss"] == evals[max(accepted)]["val_loss"]
    assert gold(tmp_path)[0] == max(accepted)
    out = capsys.readouterr().out
    assert re.search(r"  (⚠️|!)  GOLD blocked: val [\d.]+ < best [\d.]+ but overfit \(val/train=", out)
    assert f"(GOLD) checkpoint: checkpoints/m_gold (step {max(accepted)}, val_loss=" in out
    (end,) = (e for e in found if e["event"] == "training_complete")
    assert end["gold_step"] == max(accepted) and end["best_val_loss"] == evals[150]["val_loss"]


def test_evaluations_are_gold_or_blocked_or_neither(workspace: Path) -> None:
    # With a threshold that nothing can keep, every new best is blocked.
    guards = json.dumps({"guards": {"overfit_ratio": 0.01}})
    flags = [
        "--model_name",
        "m",
        *TINY,
        "--max_iters",
        "4",
        "--eval_interval",
        "2",
        "--gold_selection",
        guards,
    ]
    assert main(["--workspace", str(workspace), "train", *flags]) == 0
    blocked = events(workspace, "m", "gold_blocked")
    assert blocked and not events(workspace, "m", "gold_checkpoint")
    assert all(e["reason"].startswith("overfit: val/train=1.") for e in blocked)
    assert all(e["best_val_loss"] is None for e in blocked)
    assert not (workspace / "checkpoints" / "m_gold").exists()
    assert events(workspace, "m", "training_complete")[0]["gold_step"] is None
