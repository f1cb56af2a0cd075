"""What the log says of a run: every event with its fields, types, rounding and order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt.cli import main
from tests.workbench import TINY, clean, events, ids_of, log_of, story, write_dataset

NUMBER = (int, float)
FIELDS: dict[str, dict[str, Any]] = {
    "training_start": {
        "config": dict,
        "model": dict,
        "run_id": str,
        "runtime": dict,
        "settings": dict,
        "sources": dict,
    },
    "eval": {
        "iter": int,
        "elapsed_s": NUMBER,
        "tokens_processed": int,
        "progress_pct": NUMBER,
        "lr": NUMBER,
        "phase": str,
        "val_loss": float,
        "train_loss": float,
        "eval_general": float,
        "eval_duration_s": NUMBER,
    },
    "train": {
        "iter": int,
        "elapsed_s": NUMBER,
        "tokens_processed": int,
        "lr": NUMBER,
        "train_loss": float,
        "grad_norm": float,
        "tokens_per_sec": NUMBER,
        "memory": int,
    },
    "phase_switch": {"iter": int, "elapsed_s": NUMBER, "tokens_processed": int, "new_phase": str},
    "gold_checkpoint": {"iter": int, "val_loss": float, "prev_best": (float, type(None))},
    "sample": {"iter": int, "prompt": str, "text": str},
    "training_complete": {
        "started_at": str,
        "total_elapsed_s": NUMBER,
        "total_elapsed_h": NUMBER,
        "total_steps": int,
        "total_tokens": int,
        "steps_per_sec": NUMBER,
        "tokens_per_sec": int,
        "final_train_loss": float,
        "final_val_loss": float,
        "best_val_loss": float,
        "gold_step": int,
        "config_file": str,
        "dataset_dir": (str, type(None)),
    },
}
OF_THE_START = {
    "config": (
        *("max_iters", "start_step", "learning_rate", "warmup_iters", "grad_clip", "grad_accum_steps"),
        *(
            "batch_size",
            "block_size",
            "tokens_per_step",
            "eval_interval",
            "eval_iters",
            "use_amp",
            "amp_dtype",
        ),
        *("config_file", "dataset_dir"),
    ),
    "model": ("total_params", "n_layer", "n_head", "n_embd", "pos_encoding", "mlp_type", "norm_type"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two phases, an eval set and samples."""
    root = tmp_path_factory.mktemp("told")
    for number, name in enumerate(("one", "two", "general")):
        ids = ids_of(story(1500, number))
        write_dataset(root / "data" / name, train=[ids], val=[ids[:400]])
    preset = {
        "batch_size": 4,
        "block_size": 16,
        "vocab_size": 64,
        "n_embd": 16,
        "n_head": 2,
        "n_layer": 1,
        "dropout": 0.1,
        "bias": False,
        "eval_sets": {"general": "data/general"},
        "curriculum": {
            "phases": [
                {"name": "one", "dataset_dir": "data/one", "until_iter": 4},
                {"name": "two", "dataset_dir": "data/two", "until_iter": None},
            ]
        },
    }
    (root / "configs").mkdir()
    (root / "configs" / "two.json").write_text(json.dumps(preset))
    flags = ["--max_iters", "6", "--eval_interval", "2", "--eval_iters", "2", "--log_interval", "1"]
    flags += ["--sample_tokens", "5", "--learning_rate", "0.01", "--device", "cpu"]
    command = ["--workspace", str(root), "train", "--config_file", "two", "--model_name", "m", *flags]
    assert main(command) == 0
    return root


@pytest.mark.parametrize("kind", FIELDS)
def test_every_event_has_its_fields_with_their_types(told: Path, kind: str) -> None:
    found = events(told, "m", kind)
    assert found
    for event in found:
        fields = dict(event)
        assert fields.pop("event") == kind
        assert len(fields.pop("timestamp")) == len("2026-02-09T14:45:12.654321")
        assert fields.keys() == FIELDS[kind].keys()
        for name, wanted in FIELDS[kind].items():
            assert isinstance(fields[name], wanted) and not isinstance(fields[name], bool), name
        for name in ("val_loss", "train_loss", "eval_general", "grad_norm", "final_val_loss"):
            if name in fields:
                assert fields[name] == round(fields[name], 6)


def test_the_start_says_what_runs(told: Path) -> None:
    (event,) = events(told, "m", "training_start")
    for part, names in OF_THE_START.items():
        assert set(names) <= event[part].keys()
    assert event["config"]["tokens_per_step"] == 64
    assert event["model"]["total_params"] > 0


def test_the_story_is_in_order(told: Path) -> None:
    found = events(told, "m")
    assert [e["event"] for e in found[:3]] == ["training_start", "eval", "sample"]
    assert found[-1]["event"] == "training_complete"
    at_four = [e["event"] for e in found if e.get("iter") == 4]
    assert [kind for kind in at_four if kind != "sample"] == [
        "train",
        "eval",
        *(["gold_checkpoint"] if "gold_checkpoint" in at_four else []),
        "phase_switch",
    ]
    assert [e["phase"] for e in events(told, "m", "eval")] == ["one", "one", "one", "two"]
    assert [e["iter"] for e in events(told, "m", "train")] == [1, 2, 3, 4, 5, 6]
    assert all(e["tokens_processed"] == 64 * e["iter"] for e in found if "tokens_processed" in e)
    assert log_of(told, "m").read_bytes().endswith(b"}\n")


def test_the_end_sums_up(told: Path) -> None:
    (end,), evals = events(told, "m", "training_complete"), events(told, "m", "eval")
    assert end["total_steps"] == 6 and end["total_tokens"] == 6 * 64
    assert end["final_val_loss"] == evals[-1]["val_loss"]
    assert end["best_val_loss"] == min(e["val_loss"] for e in evals)
    assert end["gold_step"] == events(told, "m", "gold_checkpoint")[-1]["iter"]
    assert end["config_file"] == "two" and end["started_at"] < end["timestamp"]


def test_the_same_run_again_says_the_same(told: Path, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text(story())
    for name in ("a", "b"):
        arguments = ["train", "--model_name", name, *TINY, "--max_iters", "4", "--eval_interval", "2"]
        assert main(["--workspace", str(tmp_path), *arguments]) == 0
    assert clean(tmp_path, "a") == clean(tmp_path, "b")
    other = ["train", "--model_name", "c", *TINY, "--max_iters", "4", "--eval_interval", "2", "--seed", "1"]
    assert main(["--workspace", str(tmp_path), *other]) == 0
    assert clean(tmp_path, "a") != clean(tmp_path, "c")
