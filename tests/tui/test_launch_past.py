"""How long a run will take, by what has run here before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mypt import events
from mypt.bundle import BundleInfo, Kind
from mypt.events import LogWriter
from mypt.watch.inventory import Workspace
from tests.tui.logs import log_path
from tui.screens.launch.draft import Draft
from tui.screens.launch.look import Review, look
from tui.screens.launch.past import foreseen, judge
from tui.screens.launch.review import parts_of

SHAPE: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 16}
PRESET = {
    **SHAPE, "batch_size": 4, "block_size": 32, "vocab_size": 64, "dropout": 0.0, "bias": False, "tokenization": "char",
    "max_iters": 1000, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mini.json").write_text(json.dumps(PRESET))
    return tmp_path


def reviewed(workspace: Path, **given: str) -> Review:
    return look(Draft(model_name="new", preset="mini", given=given), workspace)


def ran(
    workspace: Path, name: str, *, seconds: float, parameters: int, device: str = "cpu", **changes: Any
) -> None:
    """A run of 100 updates that took so long."""
    shape = {**SHAPE, "pos_encoding": "learned", "mlp_type": "gelu", "norm_type": "layernorm", **changes}
    config = {
        "max_iters": 100,
        "start_step": 0,
        "tokens_per_step": 128,
        "batch_size": 4,
        "block_size": 32,
        "grad_accum_steps": 1,
    }
    with LogWriter(log_path(workspace, name)) as log:
        log.write(
            events.TrainingStart(
                config=config, model={"total_params": parameters, **shape}, runtime={"device": device}
            )
        )
        for step, elapsed in ((0, 0.0), (100, seconds)):
            log.write(events.Eval(iter=step, elapsed_s=elapsed, tokens_processed=128 * step, val_loss=2.0))


def runs(workspace: Path) -> Any:
    picture = Workspace(workspace)
    picture.load()
    return picture.runs


def test_where_nothing_has_run_nothing_is_said(workspace: Path) -> None:
    assert judge(reviewed(workspace), runs(workspace)) is None


def test_a_run_of_the_same_shape_says_it_itself(workspace: Path) -> None:
    review = reviewed(workspace)
    ran(workspace, "twin", seconds=20.0, parameters=review.parameters)
    ran(workspace, "other", seconds=4.0, parameters=3 * review.parameters, n_layer=6)
    found = judge(review, runs(workspace))
    assert found is not None and found.same and found.like == "twin"
    # Ten times as many updates of the same size.
    assert found.seconds == pytest.approx(200.0)
    assert str(found) == "about 3m 20s, as twin ran"
    half = judge(reviewed(workspace, max_iters="500"), runs(workspace))
    assert half is not None and half.seconds == pytest.approx(100.0)


def paced(workspace: Path, name: str, *, steps: int, every: int, parameters: int, waits: float) -> None:
    """A run of 0.1 s an update, with `waits` seconds at each evaluation, before the first update as well."""
    ran(workspace, name, seconds=0.0, parameters=parameters)
    path = log_path(workspace, name)
    start = json.loads(path.read_text().splitlines()[0])
    start["config"].update(eval_interval=every, eval_iters=20, max_iters=steps)
    path.write_text(json.dumps(start) + "\n")
    with LogWriter(path) as log:
        for step in range(steps + 1):
            told: dict[str, Any] = {"iter": step, "tokens_processed": 128 * step}
            elapsed = 0.1 * step + waits * (step // every)
            if step:
                log.write(events.Train(**told, elapsed_s=elapsed, train_loss=2.0, tokens_per_sec=1280.0))
            if step % every == 0:
                log.write(events.Eval(**told, elapsed_s=elapsed + waits, val_loss=2.0))


def test_evaluations_count_as_often_as_the_new_run_makes_them(workspace: Path) -> None:
    review = reviewed(workspace, eval_interval="500", eval_iters="20")
    paced(workspace, "often", steps=400, every=10, parameters=review.parameters, waits=3.0)
    found = judge(review, runs(workspace))
    # 1000 updates, and evaluations before, amid and after them; all in all the other one took 4 times as long.
    assert found is not None and found.seconds == pytest.approx(100 + 3 * 3.0)
    short = judge(reviewed(workspace, eval_interval="500", eval_iters="10"), runs(workspace))
    assert short is not None and short.seconds == pytest.approx(100 + 3 * 1.5)


def test_a_run_of_a_few_updates_is_asked_only_where_none_ran_longer(workspace: Path) -> None:
    review = reviewed(workspace, eval_interval="500", eval_iters="20")
    paced(workspace, "long", steps=400, every=200, parameters=review.parameters, waits=1.0)
    paced(workspace, "short", steps=25, every=10, parameters=review.parameters, waits=9.0)
    found = judge(review, runs(workspace))
    assert found is not None and found.like == "long" and found.seconds == pytest.approx(103.0)


def test_a_name_takes_no_more_than_a_line(workspace: Path) -> None:
    review = reviewed(workspace)
    ran(workspace, "n" * 176, seconds=20.0, parameters=review.parameters)
    assert str(judge(review, runs(workspace))) == f"about 3m 20s, as {'n' * 39}… ran"


def test_from_another_shape_it_is_reckoned_by_the_work_of_a_token(workspace: Path) -> None:
    review = reviewed(workspace)
    ran(workspace, "large", seconds=20.0, parameters=2 * review.parameters, n_layer=4)
    found = judge(review, runs(workspace))
    assert found is not None and not found.same
    # Twice the parameters and twice the layers are twice the work.
    assert found.seconds == pytest.approx(100.0)
    assert str(found).startswith("about 1m 40s, reckoned from large (")


@pytest.mark.parametrize(
    "changes", [{"device": "cuda:0"}, {"seconds": 0.5}, {"parameters": 100_000_000}, {"parameters": 0}]
)
def test_what_says_nothing_on_this_run_is_not_asked(workspace: Path, changes: dict[str, Any]) -> None:
    review = reviewed(workspace)
    ran(workspace, "run", **{"seconds": 20.0, "parameters": review.parameters, **changes})
    assert judge(review, runs(workspace)) is None


def test_a_run_with_nothing_left_says_what_will_happen_instead_of_a_time(workspace: Path) -> None:
    review = reviewed(workspace, max_iters="100")
    ran(workspace, "twin", seconds=20.0, parameters=review.parameters)
    assert foreseen(review, runs(workspace)) == "about 20s, as twin ran"

    def resumed(step: int, evaluated: int) -> str:
        state = {"step": step, "progress": {"last_eval": evaluated}}
        info = BundleInfo(workspace / "checkpoints" / "new", "new", Kind.LAST, training_state=state)
        assert review.shown is not None
        return foreseen(replace(review, shown=replace(review.shown, checkpoint=info)), runs(workspace))

    assert resumed(50, 50) == "about 10s, as twin ran"
    assert resumed(100, 100) == "nothing is left to train: all 100 updates are done"
    assert resumed(120, 100) == "nothing is left to train: 120 updates are done"
    assert resumed(100, 50) == "no update is left, only the evaluation after the last one"


def test_while_the_size_is_not_known_nothing_is_said(workspace: Path) -> None:
    review = reviewed(workspace)
    ran(workspace, "twin", seconds=20.0, parameters=review.parameters)
    assert judge(replace(review, unsure=frozenset({"batch_size"})), runs(workspace)) is None


def test_memory_says_what_it_is_of(workspace: Path) -> None:
    review = reviewed(workspace)
    assert review.memory is not None
    said = parts_of(review.memory)
    assert "activations" in said and "others" in said and "total" not in said
    assert said.index("PyTorch itself") == 0
