"""Runs as sides of a comparison: what a log tells, what a record and a checkpoint add, and where values came from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mypt import bundle
from mypt.diff import Side, compare, side_of, side_of_run, to_text
from mypt.diff.runs import MAY_BE_UNSET, flags
from mypt.events import Eval, GoldCheckpoint, LogWriter, TrainingStart, TrainingStopped
from mypt.runs import record
from mypt.watch.inventory import Workspace
from mypt.watch.run import Run

CONFIG: dict[str, Any] = {
    "max_iters": 20,
    "start_step": 0,
    "learning_rate": 3e-4,
    "batch_size": 4,
    "block_size": 16,
    "tokens_per_step": 64,
    "dropout": 0.1,
    "use_amp": True,
    "amp_dtype": "bf16",
    "config_file": "small",
}
MODEL = {"total_params": 1234, "n_layer": 2, "n_head": 2, "n_embd": 8, "pos_encoding": "rope"}


def run_of(
    place: Path, name: str = "dante", *, command: tuple[str, ...] = (), base: str | None = None, **config: Any
) -> Run:
    """A run with two evaluations and a gold, recorded where it has a command."""
    path = place / "logs" / "train" / f"{name}_eval.jsonl"
    run_id = None
    if command:
        run_id = record.create(
            place,
            model_name=name,
            log_file=path,
            command=command,
            origin="shell",
            settings={"base": base},
        ).run_id
    with LogWriter(path) as writer:
        settings = {**CONFIG, "base": base, **config}
        writer.write(
            TrainingStart(config=settings, model=MODEL, run_id=run_id, runtime={"precision": "bf16"})
        )
        writer.write(Eval(iter=0, val_loss=3.0, train_loss=3.0))
        writer.write(Eval(iter=5, val_loss=2.0, train_loss=1.9))
        writer.write(GoldCheckpoint(iter=5, val_loss=2.0))
        writer.write(Eval(iter=10, val_loss=2.5, train_loss=1.5))
        writer.write(TrainingStopped(iter=10, reason="request"))
    picture = Workspace(place)
    picture.load()
    [run] = [run for run in picture.runs if run.log_path == path.resolve()]
    return run


def test_results_are_those_of_the_log(tmp_path: Path) -> None:
    side = side_of_run(run_of(tmp_path))
    assert side.name == "dante" and side.partial
    assert side.results["state"] == "stopped"
    assert (side.results["val_loss"], side.results["gold_loss"], side.results["gold_step"]) == (2.5, 2.0, 5)
    assert (side.results["lowest_loss"], side.results["lowest_step"]) == (2.0, 5)
    assert side.results["parameters"] == 1234


def test_what_is_worked_out_is_no_setting(tmp_path: Path) -> None:
    side = side_of_run(run_of(tmp_path))
    settings = side.training_state["training_config"]
    assert "tokens_per_step" not in settings and "amp_dtype" not in settings
    assert settings["learning_rate"] == 3e-4
    assert side.config == {
        "n_layer": 2,
        "n_head": 2,
        "n_embd": 8,
        "pos_encoding": "rope",
        "batch_size": 4,
        "block_size": 16,
        "dropout": 0.1,
    }


def test_sources_come_from_command_preset_and_base(tmp_path: Path) -> None:
    command = ("mypt", "train", "--learning-rate", "3e-4", "--max_iters=20", "--model_name", "dante")
    run = run_of(tmp_path, command=command, base="tales")
    side = side_of_run(run, preset={"dropout": 0.1, "batch_size": 8})
    assert side.sources == {
        "learning_rate": "command line",
        "max_iters": "command line",
        "dropout": "preset small",
        "n_layer": "base model tales",
        "n_head": "base model tales",
        "n_embd": "base model tales",
        "pos_encoding": "base model tales",
    }
    assert side.training_state["base"] == {"name": "tales"}
    rows = {row.name: row for row in compare([side, side])}
    assert rows["learning_rate"].notes == ("command line", "command line")
    assert rows["batch_size"].notes == ("", "")


def test_a_log_that_tells_every_setting_needs_no_checkpoint(trained: Path) -> None:
    """A log of today, without the checkpoint and without the record that it came with."""
    picture = Workspace(trained)
    picture.load()
    info = bundle.find(trained / "checkpoints", "dante")
    shutil.rmtree(trained / ".mypt")
    alone = Workspace(trained)
    alone.load()
    rows = {row.name: row for row in compare([side_of(info), side_of_run(alone.runs[0])])}
    assert not [row.name for row in rows.values() if row.differs and row.group != "Details"]
    for name in ("dropout", "weight_decay", "gold_selection", "n_layer", "max_iters"):
        assert rows[name].texts[0] == rows[name].texts[1] and rows[name].notes[0] == rows[name].notes[1]


def test_times_of_almost_the_same_instant_are_the_same() -> None:
    for other, differs in ((0.55, False), (1.4, False), (1.6, True), (None, True)):
        sides = [Side(name, results={"trained_s": seconds}) for name, seconds in (("a", 0.5), ("b", other))]
        (row,) = (row for row in compare(sides) if row.name == "trained_s")
        assert row.differs is differs, other


def test_the_settings_that_may_be_unset_are_named() -> None:
    from mypt.settings import fields

    unset = {name for name in fields.names() if fields.default(name) is None}
    assert unset - {"log_file"} == set(MAY_BE_UNSET)


def test_what_a_log_does_not_say_is_unknown_and_no_difference(tmp_path: Path) -> None:
    one = side_of_run(run_of(tmp_path, "one", weight_decay=0.1))
    two = side_of_run(run_of(tmp_path, "two", dropout=0.3))
    rows = {row.name: row for row in compare([one, two])}
    assert not rows["weight_decay"].differs and rows["weight_decay"].texts[1] == "–"
    assert rows["dropout"].differs
    assert "tie_weights" not in rows


def test_beside_a_checkpoint_state_and_speed_are_no_differences(trained_once: Path) -> None:
    picture = Workspace(trained_once)
    picture.load()
    [run] = picture.runs
    info = bundle.find(trained_once / "checkpoints", "dante")
    rows = {row.name: row for row in compare([side_of(info), side_of_run(run)])}
    assert rows["state"].texts == ("–", "finished") and not rows["state"].differs
    assert not rows["learning_rate"].differs and not rows["val_loss"].differs
    assert not any(row.differs for row in rows.values() if row.group in ("Training", "Model"))


def test_its_own_checkpoint_tells_every_setting(trained_once: Path) -> None:
    picture = Workspace(trained_once)
    picture.load()
    [run] = picture.runs
    info = bundle.find(trained_once / "checkpoints", "dante")
    side = side_of_run(run, info)
    rows = {row.name: row for row in compare([side_of(info), side])}
    assert rows["dropout"].notes == ("command line", "command line")
    assert rows["weight_decay"].texts == ("0.1", "0.1") and rows["tie_weights"].texts[1] in ("yes", "no")
    assert not side.files and rows["state"].texts[1] == "finished"


def test_a_later_start_with_other_settings_wins_over_the_checkpoint(trained: Path) -> None:
    log = trained / "logs" / "train" / "dante_eval.jsonl"
    with LogWriter(log) as writer:
        writer.write(
            TrainingStart(config={"start_step": 8, "resumed": True, "learning_rate": 0.5, "max_iters": 90})
        )
    picture = Workspace(trained)
    picture.load()
    [run] = picture.runs
    side = side_of_run(run, bundle.find(trained / "checkpoints", "dante"))
    assert side.training_state["training_config"]["learning_rate"] == 0.5
    assert "learning_rate" not in (side.sources or {})


def test_a_broken_checkpoint_is_not_believed(trained: Path) -> None:
    picture = Workspace(trained)
    picture.load()
    (trained / "checkpoints" / "dante" / "config.json").write_text("{")
    [run] = picture.runs
    assert side_of_run(run, bundle.read_info(trained / "checkpoints" / "dante")).partial


@pytest.mark.parametrize("name", ["fx_a", "fx_b", "fx_curriculum", "fx_sft", "fx_nan", "fx_killed"])
def test_the_originals_logs_compare(samples: Path, tmp_path: Path, name: str) -> None:
    found = next(samples.rglob(f"{name}*.jsonl"), None)
    if found is None:
        pytest.skip("this sample is not here")
    (tmp_path / "logs").mkdir()
    shutil.copy(found, tmp_path / "logs" / f"{name}.jsonl")
    picture = Workspace(tmp_path)
    picture.load()
    side = side_of_run(picture.runs[0])
    assert side.results["step"] > 0
    rows = compare([side, side])
    assert not any(row.differs for row in rows) and "learning_rate" in {row.name for row in rows}


def test_a_hostile_log_makes_a_side_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "\x1b[31mx.jsonl").write_text(
        '{"event": "training_start", "config": {"learning_rate": "\\u001b[2J", "base": 5, "config_file": []}, '
        '"model": {"n_layer": {"a": [1, {"b": null}]}}}\n'
    )
    picture = Workspace(tmp_path)
    picture.load()
    side = side_of_run(picture.runs[0])
    lines = to_text(compare([side, side]), [side, side], 80)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("mypt", "train", "--a", "1", "--b=2", "--c-d", "x"), {"a": "1", "b": "2", "c_d": "x"}),
        (("python", "-m", "mypt", "train", "--flag", "--a", "-1"), {"flag": "true", "a": "-1"}),
        (("mypt", "train", "--last"), {"last": ""}),
        ((), {}),
    ],
)
def test_flags_of_a_command(command: tuple[str, ...], expected: dict[str, str]) -> None:
    assert flags(command) == expected


def test_text_has_columns_and_keeps_its_width(tmp_path: Path) -> None:
    one = side_of_run(run_of(tmp_path, "one", dataset_dir="d" * 200))
    two = side_of_run(run_of(tmp_path, "長" * 20))
    rows = compare([one, two])
    for width in (80, 120):
        lines = to_text(rows, [one, two], width)
        from mypt.text import cells

        assert max(map(cells, lines)) <= width
    assert any(line.startswith("  dataset_dir") for line in to_text(rows, [one, two]))
    assert to_text([], [one, two])[-1] == "Nothing differs."
