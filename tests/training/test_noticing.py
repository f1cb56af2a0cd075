"""What is told of while a run goes on, and that it is told once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from mypt.training import noticing
from mypt.training.progress import Progress
from tests.training.runs import train
from tests.workbench import TINY, events, story


def test_updates_that_overflow_fp16_are_told_of_when_they_are_many_in_a_row() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    progress = Progress(train_loss=2.0)
    found = []
    for skipped in [True] * 7 + [False] + [True] * 20:
        found += noticing.of_update(progress, skipped=skipped, scaler=scaler)
    (told,) = found
    assert progress.skipped == 20 and told.kind == "fp16_overflow"
    assert told.message == (
        "the gradients of 8 updates in a row overflowed fp16, and these were skipped; the loss scale is 256"
    )


def test_an_eval_set_is_told_of_when_it_begins_to_be_no_number() -> None:
    progress = Progress()

    def told(**sets: float | None) -> list[str]:
        return [each.message.split(";")[0] for each in noticing.of_evaluation(progress, sets)]

    assert told(a=2.0, b=None) == []
    assert told(a=math.nan, b=3.0) == ["the loss on eval set a is nan"]
    assert told(a=math.nan, b=math.inf) == ["the loss on eval set b is inf"]
    assert told(a=2.0, b=math.inf) == []
    assert told(a=math.inf, b=math.inf) == ["the loss on eval set a is inf"]


def test_a_save_that_leaves_a_stop_too_little_time_is_told_of() -> None:
    assert noticing.of_save(20.0) == []
    (told,) = noticing.of_save(24.2)
    assert told.kind == "slow_save"
    assert told.message == (
        "saving took 24 s, so a stop needs about 28 s and the batch that it is at; torchrun and SLURM kill 30 s after "
        "SIGTERM: ask earlier (sbatch --signal), or save on a faster disk"
    )


def test_a_stop_may_have_to_wait_for_a_save_behind_the_training() -> None:
    assert noticing.of_save(10.0, behind=True) == []
    (told,) = noticing.of_save(12.0, behind=True)
    assert told.message.startswith("saving took 12 s, so a stop needs about 26 s and ")


def test_slow_saves_are_told_of_once_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noticing, "_AT_MOST_S", -1.0)
    (tmp_path / "input.txt").write_text(story(1500))
    assert train(tmp_path, "--model_name", "m", *TINY, "--max_iters", "4", "--save_every", "1") == 0
    (notice,) = events(tmp_path, "m", "notice")
    assert (notice["kind"], notice["iter"]) == ("slow_save", 0) and notice["message"].startswith(
        "saving took "
    )
