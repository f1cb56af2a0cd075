"""The section on gold: what it says of each kind of checkpoint, of guards and of what they decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt import bundle
from mypt.events import Eval, GoldBlocked, GoldCheckpoint, LogWriter
from mypt.watch.inventory import Workspace
from mypt.watch.of_model import Runs
from tests.housekeeping.models import save
from tui.screens.checkpoints.gold import default_guards, lines

GUARDS = {"overfit_ratio": 5.0, "consecutive_rises": 2, "eval_regression": 0.2}


def log(place: Path) -> None:
    with LogWriter(place / "logs" / "train" / "dante_eval.jsonl") as writer:
        for step, val in ((0, 3.0), (5, 2.5), (10, 2.0), (15, 1.9)):
            writer.write(Eval(iter=step, val_loss=val, train_loss=val / 1.25, eval_sets={"general": val + 1}))
            if step in (5, 10):
                writer.write(GoldCheckpoint(iter=step, val_loss=val, prev_best=None))
        writer.write(GoldBlocked(iter=15, val_loss=1.9, reason="overfit: val/train=6.2x, threshold=5.0x"))


def state(place: Path, name: str, **more: Any) -> None:
    """Add to a bundle's training state, and let its manifest go, which would tell of it."""
    path = place / "checkpoints" / name / "training_state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
    (path.parent / "manifest.json").unlink()


def told(place: Path, name: str, guards: dict[str, Any] = GUARDS) -> str:
    picture = Workspace(place)
    picture.load()
    info = bundle.read_info(place / "checkpoints" / name)
    [found] = [m for m in picture.lineage() if m.name == info.model_name]
    run = Runs(picture.runs).of(info.model_name)
    return "\n".join(line.plain for line in lines(found, info, run, guards, 70, {}))


def test_the_gold_checkpoint_says_so_and_since_when(tmp_path: Path) -> None:
    log(tmp_path)
    save(tmp_path, "dante_gold")
    state(tmp_path, "dante_gold", step=10, gold={"best": 2.0, "gold_step": 10})
    said = told(tmp_path, "dante_gold")
    assert "★ yes: evaluation and deployment use it" in said
    assert "gold at step            10" in said and "accepted                20" in said


def test_another_one_says_which_is_gold_and_how_much_later_it_is(tmp_path: Path) -> None:
    log(tmp_path)
    save(tmp_path, "dante")
    save(tmp_path, "dante_gold")
    state(tmp_path, "dante", step=15)
    state(tmp_path, "dante_gold", step=10)
    assert "no: gold is dante_gold, 5 updates earlier" in told(tmp_path, "dante")
    state_of_same = tmp_path / "checkpoints" / "dante" / "training_state.json"
    state_of_same.write_text(state_of_same.read_text().replace('"step": 15', '"step": 10'))
    assert "the weights of this step are gold" in told(tmp_path, "dante")


def test_decisions_are_listed_latest_first_with_their_reasons(tmp_path: Path) -> None:
    log(tmp_path)
    save(tmp_path, "dante")
    said = told(tmp_path, "dante").split("Decisions: 2 accepted, 1 blocked\n")[1].splitlines()
    assert [line.split()[1] for line in said[:3]] == ["15", "10", "5"] or "✕ 1.9000" in said[0]
    assert "overfit: val/train=6.2x" in " ".join(said[:2]) and "★ 2.0000" in " ".join(said)


def test_guards_are_those_of_the_run_and_say_how_it_stands(tmp_path: Path) -> None:
    log(tmp_path)
    save(tmp_path, "dante", gold_selection={"guards": {"overfit_ratio": 3.5, "consecutive_rises": None}})
    state(
        tmp_path,
        "dante",
        gold={"rises": 1, "first": {"general": 4.0}},
        # The loss of the last batch, which is not what the guard compares.
        progress={"val_loss": 3.0, "train_loss": 2.0},
    )
    said = told(tmp_path, "dante")
    assert "\nGuards\n" in said
    assert "blocks above 3.5x val/train  now 1.25x" in said
    assert "consecutive_rises       off" in said
    assert "blocks +20% over an eval set's first value" in said
    assert "first 4.0000  now 2.9000 (-28%)" in said


def test_guards_that_are_off_and_those_by_default(tmp_path: Path) -> None:
    save(tmp_path, "dante", gold_selection={"apply_loss_guards": False})
    assert "Guards: all off" in told(tmp_path, "dante")
    save(tmp_path, "dante")
    assert "Guards, as they are by default" in told(tmp_path, "dante")
    assert default_guards() == GUARDS


def test_without_a_log_it_says_that_nothing_is_known(tmp_path: Path) -> None:
    save(tmp_path, "dante")
    said = told(tmp_path, "dante")
    assert "this model has no gold checkpoint here" in said and "there is no log of this model" in said


@pytest.mark.parametrize(
    "value",
    [
        {"best": "x", "gold_step": [], "rises": None, "first": {"\x1b[2J": "y", "z": 0}},
        [],
        "\x1b[31m",
        {"first": [1], "best": float("inf")},
    ],
)
def test_hostile_states_are_shown_all_the_same(tmp_path: Path, value: Any) -> None:
    log(tmp_path)
    save(tmp_path, "dante", gold_selection={"guards": {"\x1b[31m": "\x1b[2J", "overfit_ratio": "much"}})
    save(tmp_path, "dante_gold")
    state(tmp_path, "dante", gold=value)
    state(tmp_path, "dante_gold", gold=value, step="\x1b[5m")
    for name in ("dante", "dante_gold"):
        assert told(tmp_path, name).replace("\n", "").isprintable()
