"""What the trainings of the fault suite begin with: a workspace that has a little of everything, and what to ask of it later."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from mypt.bundle import list_bundles, read_json_object
from mypt.events import read_log
from mypt.watch.inventory import Workspace
from tests.faults.striker import Striker
from tests.workbench import ids_of, log_of, story, write_dataset

STEPS = 8
PRESET: dict[str, Any] = {
    "batch_size": 4,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 16,
    "n_head": 2,
    "n_layer": 1,
    "dropout": 0.1,
    "bias": False,
    "grad_accum_steps": 2,
    "learning_rate": 0.01,
    "device": "cpu",
    "eval_iters": 2,
    "log_interval": 1,
    "tokenization": "char",
    "tie_weights": True,
    "use_loss_mask": True,
    "eval_sets": {"general": "data/general"},
    "max_iters": STEPS,
    "eval_interval": 3,
    "save_every": 4,
    "sample_tokens": 3,
    "curriculum": {
        "phases": [
            {"name": "one", "dataset_dir": "data/one", "until_iter": 4},
            {"name": "two", "dataset_dir": "data/two", "until_iter": None},
        ]
    },
}

PLAIN = {
    name: value for name, value in PRESET.items() if name not in ("curriculum", "eval_sets", "use_loss_mask")
}
"""`PRESET` for any data."""
TRAIN = ("train", "--config_file", "p", "--model_name", "m")
"""The training of what `make` makes."""
SAVING: tuple[tuple[str, ...], ...] = ((), ("--async_save", "on"))
"""How the rounds of a training save, in turn: while it waits, and while it goes on."""
PREPARE = (
    *("prepare", "text0.txt", "text1.txt", "--output_dir", "data/s"),
    *("--tokenization", "char", "--num_proc", "1"),
)
"""The preparation of what `texts` makes."""


def make(root: Path, **changes: Any) -> Path:
    """A workspace with two phases of masked shards, an eval set and the preset `p`, with `changes` made to it."""
    for number, name in enumerate(("one", "two", "general")):
        ids = ids_of(story(1500, number))
        write_dataset(root / "data" / name, train=[ids, ids[:300]], val=[ids[:400]], mask="u1")
    (root / "configs").mkdir()
    (root / "configs" / "p.json").write_text(json.dumps({**PRESET, **changes}))
    return root


def texts(root: Path, striker: Striker) -> None:
    """Two texts."""
    for number in range(2):
        (root / f"text{number}.txt").write_text(story(3000, number))


def trained(root: Path, striker: Striker) -> None:
    """What `make` makes, and the model `m` of one update."""
    make(root)
    assert striker.run(root, *TRAIN, "--max_iters", "1").status == 0


def assert_whole(workspace: Path) -> int:
    """Every bundle that a reader would take for one is whole, down to its tensors; their number."""
    bundles = list_bundles(workspace / "checkpoints")
    for info in bundles:
        assert not info.problem, f"{info.name}: {info.problem}"
        for name in info.files:
            if name.endswith(".pt"):
                assert torch.load(info.path / name, weights_only=True)
            elif name.endswith(".json"):
                assert read_json_object(info.path / name)
    return len(bundles)


def assert_readable(workspace: Path, model: str, *, torn: int = 0) -> None:
    """The log is whole lines, but for at most `torn` ends of killed writers, and the watching core takes all of it."""
    path = log_of(workspace, model)
    bad = read_log(path)[1] if path.exists() else 0
    assert bad <= torn, f"{bad} lines of the log cannot be read"
    picture = Workspace(workspace)
    picture.load()
    assert len(picture.runs) <= 1


def assert_one_clean_history(workspace: Path, model: str, steps: int = STEPS) -> None:
    """What was trained reads as one run that went from the first step to the last, each once, and is over."""
    assert_readable(workspace, model)
    picture = Workspace(workspace)
    picture.load()
    (run,) = picture.runs
    curves = run.history.curves
    assert [point.step for point in curves["train"].points()] == list(range(1, steps + 1))
    evaluated = [point.step for point in curves["val"].points()]
    assert evaluated == sorted(set(evaluated)) and evaluated[0] == 0 and evaluated[-1] == steps
    summary = run.history.summary()
    assert (summary.step, summary.ended, summary.bad_lines) == (steps, "complete", 0)


def age(workspace: Path) -> None:
    """Let what a kill left half-written be some minutes old: what is younger may be a living process's."""
    for name in leftovers(workspace):
        past = time.time() - 300
        os.utime(workspace / name, (past, past))


_OF_A_SAVE = (".tmp", ".new", ".old", ".mypt-prepare", ".mypt-replaced")


def leftovers(workspace: Path) -> list[str]:
    """What interrupted writing left lying about."""
    found = (path.relative_to(workspace) for path in workspace.rglob("*"))
    return sorted(str(path) for path in found if path.name.startswith(_OF_A_SAVE) or ".tmp-" in path.name)
