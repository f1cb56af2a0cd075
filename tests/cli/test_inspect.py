from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mypt.cli import main


def inspected(workspace: Path, capsys: pytest.CaptureFixture[str], name: str) -> list[str]:
    capsys.readouterr()
    assert main(["--workspace", str(workspace), "inspect", "--model_name", name]) == 0
    return capsys.readouterr().out.splitlines()


def fields(lines: list[str]) -> dict[str, str]:
    pairs = [line.partition(":") for line in lines if line.startswith("  ")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def test_nothing_is_said_twice(trained_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspected(trained_once, capsys, "dante")
    names = [line.partition(":")[0].strip() for line in lines if line.startswith("  ")]
    assert len(names) == len(set(names))
    shown = fields(lines)
    assert shown["input_file"] == "input.txt" and shown["weight_decay"] == "0.1"
    assert "n_layer" not in shown and "dataset_dir" not in shown


def test_what_came_of_it_and_where_it_came_from(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["--workspace", str(trained), "train", "--init_from_model", "dante", "--model_name", "tuned"]
    assert main([*base, "--input_file", "input.txt", "--max_iters", "2", "--eval_interval", "2"]) == 0
    lines = inspected(trained, capsys, "tuned")
    assert "Fine-tuned from: dante (step 8)" in lines
    state = json.loads((trained / "checkpoints" / "tuned" / "training_state.json").read_text())
    val, train = (f"{state['progress'][name]:.4f}" for name in ("val_loss", "train_loss"))
    assert f"Last losses: val_loss {val}, train_loss {train}" in lines
    assert f"Gold: step 2, val_loss {val}" in lines


def test_fields_that_nobody_knows_are_shown(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoints" / "old"
    shutil.copytree(samples / "original" / "checkpoints" / "a_char_learned", folder)
    state = json.loads((folder / "training_state.json").read_text())
    state["training_config"]["warp"] = {"factor": 9, "crew": ["ä\x1b"]}
    (folder / "training_state.json").write_text(json.dumps({**state, "stars": "many\nmore"}))
    shown = fields(inspected(tmp_path, capsys, "old"))
    assert shown["warp"] == '{"factor": 9, "crew": ["ä\\u001b"]}'
    assert shown["stars"] == "many\\x0amore"
    assert shown["epoch_shuffle"] == "True" and shown["parameters"] == "63,127"
    assert json.loads(shown["token_accuracy_saturation"])["window"] == 4
