"""What `mypt train` does beside training: presets of one's own, a dry run, and going on from where a run is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.runs.lock import ModelLock
from mypt.watch.inventory import Workspace
from tests.workbench import CHARS, TINY, events, ids_of, listing, story, write_dataset


def train(workspace: Path, *flags: str) -> int:
    return main(["--workspace", str(workspace), "train", *flags])


# ── presets of one's own ────────────────────────────────────────────────────────────────────────────────────────


def test_a_flag_that_a_preset_overrules_is_had_by_saving_a_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--config_file", "tiny_char", "--batch_size", "8", "--dry_run") == 0
    out = capsys.readouterr().out
    assert "Note: batch_size=8 (command line) is ignored: preset tiny_char has 16" in out
    command = "mypt train --config_file tiny_char --batch_size=8 --save_preset NAME"
    assert command in out and listing(tmp_path) == {}
    # What the notice says to type, typed.
    assert main(["--workspace", str(tmp_path), *command.replace("NAME", "chat/mine").split()[1:]]) == 0
    said = capsys.readouterr().out
    assert said == "configs/chat/mine.json is saved. To train with it: mypt train --config_file chat/mine\n"
    assert list(listing(tmp_path)) == ["configs", "configs/chat", "configs/chat/mine.json"]
    saved = json.loads((tmp_path / "configs" / "chat" / "mine.json").read_text())
    assert saved["batch_size"] == 8 and saved["tokenization"] == "char"
    assert saved["description"] == "tiny_char with batch_size=8"
    assert train(tmp_path, "--config_file", "chat/mine", "--dry_run") == 0
    out = capsys.readouterr().out
    assert ["batch_size", "8", "preset mine"] in [line.split(maxsplit=2) for line in out.splitlines()]
    assert "ignored" not in out


def test_a_preset_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--n_layer", "1", "--save_preset", "mine"]
    assert train(tmp_path, *flags) == 0
    before = listing(tmp_path)
    assert train(tmp_path, *flags) == 2
    assert "save_preset: exists already (got 'mine'); choose another name" in capsys.readouterr().err
    assert listing(tmp_path) == before


# ── a dry run ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_shows_the_values_also_where_the_data_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--config_file", "750M_unified", "--dry_run") == 2
    captured = capsys.readouterr()
    rows = [line.split(maxsplit=2) for line in captured.out.splitlines()]
    assert ["n_layer", "32", "preset 750M_unified"] in rows and ["seed", "1337", "default"] in rows
    assert "no such dataset (got 'data/unified_phase1_circuit')" in captured.err
    assert listing(tmp_path) == {}


def test_a_dry_run_knows_what_a_dataset_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ids_of(story(800))
    write_dataset(tmp_path / "data" / "d", train=[ids], val=[ids])
    before = listing(tmp_path)
    assert train(tmp_path, "--dataset_dir", "data/d", *TINY[4:], "--dry_run") == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["tokenization", "char", "dataset data/d"] in rows
    assert [row for row in rows if row[:2] == ["vocab_size", str(len(CHARS))]]
    assert listing(tmp_path) == before


def test_a_dry_run_says_what_would_keep_the_run_from_training(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(trained, "--model_name", "dante", "--dry_run") == 0
    assert "Note: nothing is left to do: 8 updates are done" in capsys.readouterr().out
    with ModelLock(trained, "dante").acquire(command=["mypt"]):
        assert train(trained, "--model_name", "dante", "--max_iters", "10", "--dry_run") == 0
    assert "Note: dante is being trained now, by pid " in capsys.readouterr().out


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fewer_updates_than_are_done_are_nothing_to_do(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(trained / "checkpoints")
    assert train(trained, "--model_name", "dante", "--max_iters", "4") == 0
    out = capsys.readouterr().out
    assert "dante is already trained: 8 updates are done, and max_iters is 4 (command line)." in out
    assert "mypt train --model_name dante --max_iters 16" in out
    assert listing(trained / "checkpoints") == before


def test_the_same_command_twice_trains_once(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model_name", "dante", *TINY, "--max_iters", "2", "--eval_interval", "2"]
    assert train(workspace, *flags) == 0
    before = listing(workspace / "checkpoints")
    capsys.readouterr()
    assert train(workspace, *flags) == 0
    out = capsys.readouterr().out
    assert "dante is already trained: 2 of 2 updates are done." in out and "To go on: " in out
    assert "ignored" not in out and listing(workspace / "checkpoints") == before


def test_a_warm_up_that_does_not_fit_is_clamped_and_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model_name", "dante", "--max_iters", "10", "--warmup_iters", "50"]
    assert train(trained, *flags) == 0
    said = "Note: warmup_iters: 50 updates of warm-up do not fit into 10; the whole run warms up"
    assert said in capsys.readouterr().out
    assert events(trained, "dante", "training_start")[-1]["config"]["warmup_iters"] == 10


def test_what_a_resume_from_gold_drops_is_said_and_gone_from_the_curve(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*TINY, "--eval_interval", "2", "--learning_rate", "1e-3"]
    assert train(workspace, "--model_name", "dante", *flags, "--max_iters", "4") == 0
    # As if the best had been at step 4, and the run had gone on to step 8.
    shutil.copytree(workspace / "checkpoints" / "dante", workspace / "kept")
    assert train(workspace, "--model_name", "dante", "--max_iters", "8") == 0
    shutil.rmtree(workspace / "checkpoints" / "dante_gold")
    (workspace / "kept").rename(workspace / "checkpoints" / "dante_gold")
    capsys.readouterr()
    again = ["--model_name", "dante", "--resume_from", "gold", "--learning_rate", "2e-3", "--max_iters", "6"]
    assert train(workspace, *again) == 0
    out = capsys.readouterr().out
    assert "goes on from its gold at step 4: what it trained up to step 8 is dropped" in out
    picture = Workspace(workspace)
    picture.load()
    (run,) = picture.runs
    curve = [point.step for point in run.history.curves["val"].points()]
    assert curve == [0, 2, 4, 6] and run.history.step == 6
    last = {e["iter"]: e["val_loss"] for e in events(workspace, "dante", "eval")}
    assert run.history.latest("val") == last[6]
