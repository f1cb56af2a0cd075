"""A run that is stopped and killed at any moment, in real processes, and resumed until done, is the run that never was."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer
from tests.workbench import (
    begin,
    clean,
    events,
    ids_of,
    last_iter,
    mypt,
    story,
    wait_for,
    write_dataset,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]
STEPS = 60
SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL)
SHAPE: dict[str, Any] = {
    "batch_size": 4,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 32,
    "n_head": 2,
    "n_layer": 2,
    "dropout": 0.1,
    "bias": False,
    "grad_accum_steps": 2,
    "learning_rate": 0.01,
    "device": "cpu",
    "eval_iters": 2,
    "log_interval": 1,
}
PHASES: dict[str, Any] = {
    **SHAPE,
    "pos_encoding": "rope",
    "mlp_type": "swiglu",
    "tie_weights": True,
    "use_loss_mask": True,
    "eval_sets": {"general": "data/general"},
}


def curriculum(until: int) -> dict[str, Any]:
    return {
        "phases": [
            {"name": "one", "dataset_dir": "data/one", "until_iter": until},
            {"name": "two", "dataset_dir": "data/two", "until_iter": None},
        ]
    }


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with presets: two phases of masked shards (uint32, uint16), a text; long for signals, short for kills."""
    root = tmp_path_factory.mktemp("ground")
    for number, (name, dtype) in enumerate((("one", "<u4"), ("two", "<u2"), ("general", "<u4"))):
        ids = ids_of(story(1500, number))
        shards: dict[str, Any] = {"train": [ids, ids[:300]], "val": [ids[:400]], "mask": "u1"}
        metadata = {"dtype": "uint16"} if dtype == "<u2" else None
        write_dataset(root / "data" / name, **shards, dtype=dtype, metadata=metadata)
    (root / "input.txt").write_text(story())
    presets = {
        "long": {
            **PHASES,
            "max_iters": STEPS,
            "eval_interval": 10,
            "save_every": 7,
            "sample_tokens": 8,
            "sample_interval": 20,
            "curriculum": curriculum(30),
        },
        "phases": {
            **PHASES,
            "precision": "bf16",
            "max_iters": 8,
            "eval_interval": 3,
            "save_every": 4,
            "sample_tokens": 3,
            "curriculum": curriculum(4),
        },
        "text": {
            **SHAPE,
            "tokenization": "char",
            "precision": "fp32",
            "input_file": "input.txt",
            "max_iters": 7,
            "eval_interval": 2,
            "sample_interval": 3,
            "sample_tokens": 3,
        },
    }
    (root / "configs").mkdir()
    for name, preset in presets.items():
        (root / "configs" / f"{name}.json").write_text(json.dumps(preset))
    return root


@pytest.mark.timeout(400)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_and_killed_at_random_and_resumed(ground: Path, tmp_path: Path, precision: str) -> None:
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    broken = Path(shutil.copytree(ground, tmp_path / "broken"))
    command = ["train", "--config_file", "long", "--model_name", "m", "--precision", precision]
    done = mypt(whole, *command)
    assert done.returncode == 0, done.stderr
    draw = random.Random(precision)
    endings: list[int] = []
    for number, sign in enumerate(SIGNALS):
        until = 12 * number + draw.randint(3, 12)
        process = begin(broken, *command)
        assert wait_for(lambda until=until: last_iter(broken, "m") >= until, process)  # type: ignore[misc]
        process.send_signal(sign)
        process.communicate(timeout=120)
        endings.append(process.returncode)
    # A run that reached its end before its signal did would have nothing to resume; these are far too early.
    assert endings == [143, KILLED, 130, KILLED]
    rest = mypt(broken, "train", "--model_name", "m")
    assert rest.returncode == 0, rest.stderr
    assert "no exact continuation" not in rest.stdout
    assert_same_run(whole, broken, "m")
    starts = [e["config"]["start_step"] for e in events(broken, "m", "training_start")]
    assert len(starts) == 5 and starts[0] == 0 and starts == sorted(starts) and starts[4] > starts[1] > 0
    (switch,) = {e["iter"] for e in events(broken, "m", "phase_switch")}
    assert switch == 30
    assert events(broken, "m", "training_complete")[-1]["total_tokens"] == 60 * 128


def test_a_kill_before_the_first_checkpoint_leaves_nothing_in_the_way(ground: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(ground, tmp_path / "workspace"))
    half = root / "checkpoints" / ".tmp.4711.m"
    half.mkdir(parents=True)
    (half / "model.pt").write_bytes(b"half of one")
    done = mypt(root, "train", "--config_file", "text", "--model_name", "m", "--max_iters", "2")
    assert done.returncode == 0, done.stderr
    assert "removed a copy that was only half written" in done.stdout
    assert not half.exists()


# ── killed right before a file operation ────────────────────────────────────────────────────────────────────────


#: How many places a run is killed at; more of them for somebody with time.
PLACES = int(os.environ.get("MYPT_KILL_PLACES", "7"))


@pytest.mark.timeout(60 + 20 * PLACES)
@pytest.mark.parametrize("preset", ["phases", "text"])
def test_killed_before_any_file_operation(ground: Path, tmp_path: Path, killer: Killer, preset: str) -> None:
    command = ["train", "--config_file", preset, "--model_name", "m"]
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    status, operations = killer.run(whole, *command)
    assert status == 0
    # Every kind of place once in a while: while a bundle is written, between gold and last, after a line of the log.
    draw = random.Random(preset)
    places = range(1, len(operations) + 1)
    for place in draw.sample(places, min(PLACES, len(places))):
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{place}"))
        assert killer.run(broken, *command, kill_at=place)[0] == KILLED
        # And killed again, soon or late, unless there was little left to do.
        again = draw.randint(5, 60)
        status, begun = killer.run(broken, *command, kill_at=again)
        assert status == (KILLED if len(begun) == again else 0), (place, again)
        # A model that exists needs no preset any longer.
        there = (broken / "checkpoints" / "m").is_dir()
        status, _ = killer.run(broken, "train", *command[3 if there else 1 :])
        assert status == 0, (place, again, operations[place - 1])
        try:
            assert_same_run(whole, broken, "m")
        except AssertionError as error:
            raise AssertionError(f"killed before operation {place}, {operations[place - 1]}") from error
        assert clean(broken, "m")
        assert len(events(broken, "m", "training_complete")) == 1
        shutil.rmtree(broken)
