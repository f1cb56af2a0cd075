"""A run that is stopped and killed at any moment, in real processes, and resumed until done, is the run that never was."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workbench import clean, events, ids_of, last_iter, mypt, start, story, wait_for, write_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]
STEPS = 60
SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a preset of two phases with masks, dropout, accumulation, an eval set and samples."""
    root = tmp_path_factory.mktemp("ground")
    for number, name in enumerate(("one", "two", "general")):
        ids = ids_of(story(1500, number))
        write_dataset(root / "data" / name, train=[ids, ids[:300]], val=[ids[:400]], mask="u1")
    preset = {
        "batch_size": 4,
        "block_size": 16,
        "vocab_size": 64,
        "n_embd": 32,
        "n_head": 2,
        "n_layer": 2,
        "dropout": 0.1,
        "bias": False,
        "pos_encoding": "rope",
        "mlp_type": "swiglu",
        "tie_weights": True,
        "use_loss_mask": True,
        "grad_accum_steps": 2,
        "learning_rate": 0.01,
        "device": "cpu",
        "max_iters": STEPS,
        "eval_interval": 10,
        "eval_iters": 2,
        "log_interval": 1,
        "save_every": 7,
        "sample_tokens": 8,
        "sample_interval": 20,
        "eval_sets": {"general": "data/general"},
        "curriculum": {
            "phases": [
                {"name": "one", "dataset_dir": "data/one", "until_iter": 30},
                {"name": "two", "dataset_dir": "data/two", "until_iter": None},
            ]
        },
    }
    (root / "configs").mkdir()
    (root / "configs" / "two.json").write_text(json.dumps(preset))
    return root


def leaves(workspace: Path, name: str, file: str) -> list[tuple[str, Any]]:
    """Every value in a saved file by its place."""

    def walk(value: Any, place: str) -> list[tuple[str, Any]]:
        if isinstance(value, dict):
            return [leaf for key, item in value.items() for leaf in walk(item, f"{place}/{key}")]
        if isinstance(value, list):
            return [leaf for key, item in enumerate(value) for leaf in walk(item, f"{place}/{key}")]
        return [(place, value)]

    return walk(torch.load(workspace / "checkpoints" / name / file, weights_only=True), "")


def assert_same_file(one: Path, two: Path, name: str, file: str) -> None:
    ours, theirs = leaves(one, name, file), leaves(two, name, file)
    assert [place for place, _ in ours] == [place for place, _ in theirs] and len(ours) > 10
    for (place, a), (_, b) in zip(ours, theirs, strict=True):
        equal = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        assert equal, f"{name}/{file}{place} differs"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_and_killed_at_random_and_resumed(ground: Path, tmp_path: Path, precision: str) -> None:
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    broken = Path(shutil.copytree(ground, tmp_path / "broken"))
    command = ["train", "--config_file", "two", "--model_name", "m", "--precision", precision]
    done = mypt(whole, *command)
    assert done.returncode == 0, done.stderr
    draw = random.Random(precision)
    endings: list[int] = []
    for number, sign in enumerate(SIGNALS):
        until = 12 * number + draw.randint(3, 12)
        process = start(broken, *command)
        assert wait_for(lambda until=until: last_iter(broken, "m") >= until, process)  # type: ignore[misc]
        process.send_signal(sign)
        process.communicate(timeout=120)
        endings.append(process.returncode)
    # A run that reached its end before its signal did would have nothing to resume; these are far too early.
    assert endings == [143, -signal.SIGKILL, 130, -signal.SIGKILL]
    rest = mypt(broken, "train", "--model_name", "m")
    assert rest.returncode == 0, rest.stderr
    assert "no exact continuation" not in rest.stdout
    for name in ("m", "m_gold"):
        for file in ("model.pt", "optimizer.pt"):
            assert_same_file(whole, broken, name, file)
    assert_same_file(whole, broken, "m_fp16", "model.pt")
    assert clean(broken, "m") == clean(whole, "m")
    starts = [e["config"]["start_step"] for e in events(broken, "m", "training_start")]
    assert len(starts) == 5 and starts[0] == 0 and starts == sorted(starts) and starts[4] > starts[1] > 0
    (switch,) = {e["iter"] for e in events(broken, "m", "phase_switch")}
    assert switch == 30
    states = [
        json.loads((root / "checkpoints" / "m" / "training_state.json").read_text())
        for root in (whole, broken)
    ]
    for key in ("step", "gold", "data_fingerprint", "numerics"):
        assert states[0][key] == states[1][key]
    assert states[0]["progress"]["tokens_processed"] == states[1]["progress"]["tokens_processed"] == 60 * 128
    # Nothing half-written is left behind, and nobody holds the model any longer.
    assert sorted(p.name for p in (broken / "checkpoints").iterdir()) == ["m", "m_fp16", "m_gold"]


def test_a_kill_before_the_first_checkpoint_leaves_nothing_in_the_way(ground: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(ground, tmp_path / "workspace"))
    half = root / "checkpoints" / ".tmp.4711.m"
    half.mkdir(parents=True)
    (half / "model.pt").write_bytes(b"half of one")
    done = mypt(root, "train", "--config_file", "two", "--model_name", "m", "--max_iters", "2")
    assert done.returncode == 0, done.stderr
    assert "removed a copy that was only half written" in done.stdout
    assert not half.exists()
