"""Bundles and logs of the original MyPT in the hands of our commands, as people do it: a folder copied, a command typed."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mypt as api
from mypt.errors import UserError
from tests.workbench import begin, clean, events, last_iter, listing, mypt, wait_for

pytestmark = pytest.mark.slow

FLAGS = ["--device", "cpu", "--eval_iters", "2", "--sample_interval", "0"]


@pytest.fixture
def old(samples: Path, tmp_path: Path) -> Path:
    """A workspace of the original's with its bundles, called `a`, its logs and its text."""
    source = samples / "original"
    for suffix in ("", "_gold", "_fp16"):
        shutil.copytree(
            source / "checkpoints" / f"a_char_learned{suffix}", tmp_path / "checkpoints" / f"a{suffix}"
        )
    shutil.copytree(source / "logs", tmp_path / "logs" / "train")
    known = set(api.get_model_info("a", tmp_path)["tokenizer"]["chars"])
    text = (source / "datasets" / "sources" / "story.txt").read_text()
    (tmp_path / "story.txt").write_text("".join(c for c in text if c in known))
    return tmp_path


def config_of(workspace: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get_model_info(name, workspace)["config"]
    return found


def test_a_run_goes_on(old: Path) -> None:
    before = config_of(old, "a")
    file = old / "checkpoints" / "a" / "training_state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "stars": [1, 2]}))
    with pytest.raises(
        UserError, match=r"checkpoints/a/training_state\.json does not say what it was trained on"
    ):
        api.train(model_name="a", max_iters=64, workspace=old)
    done = mypt(old, "train", "--model_name", "a", "--max_iters", "64", "--input_file", "story.txt", *FLAGS)
    assert done.returncode == 0, done.stderr
    # Its closing bundle says 59, and 60 updates are done.
    assert "Resuming checkpoints/a from step 60" in done.stdout
    assert events(old, "a", "training_start")[0]["config"]["start_step"] == 60
    after = config_of(old, "a")
    assert {name: after[name] for name in before if name != "device"} == {
        name: before[name] for name in before if name != "device"
    }
    state = api.get_model_info("a", old)["training_state"]
    assert state["training_config"]["model_params"]["total_params"] == 63127 and state["stars"] == [1, 2]
    assert "save_dtype" not in state["training_config"]
    bundle = api.load_bundle("a", old)
    assert bundle.step == 64 and "lm_head.bias" in bundle.model.state_dict()
    assert bundle.optimizer_state is not None
    assert {int(s["step"]) for s in bundle.optimizer_state["state"].values()} == {64}
    # It knew what it had learned: the loss begins where the original left it, and training made it no worse.
    losses = [event["val_loss"] for event in events(old, "a", "eval")]
    assert losses[-1] < 2.6


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_stop_and_a_resume_change_nothing(old: Path) -> None:
    flags = ["--input_file", "story.txt", *FLAGS, "--max_iters", "500", "--eval_interval", "100"]
    for name in ("whole", "cut"):
        shutil.copytree(old / "checkpoints" / "a", old / "checkpoints" / name)
    assert mypt(old, "train", "--model_name", "whole", *flags).returncode == 0
    process = begin(old, "train", "--model_name", "cut", *flags)
    assert wait_for(lambda: last_iter(old, "cut") >= 70, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert mypt(old, "train", "--model_name", "cut").returncode == 0
    assert clean(old, "whole") == clean(old, "cut")
    whole, cut = (api.load_bundle(name, old) for name in ("whole", "cut"))
    assert whole.step == cut.step == 500
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, cut.model.state_dict()[name]), name


def test_a_better_gold_is_not_undone(old: Path) -> None:
    before = listing(old / "checkpoints" / "a_gold")
    asked: dict[str, Any] = {
        "input_file": "story.txt",
        "eval_iters": 2,
        "sample_interval": 0,
        "device": "cpu",
        "quiet": True,
    }
    # So fast that what was learned is lost.
    spoilt = api.train(
        model_name="a", workspace=old, max_iters=66, eval_interval=3, learning_rate=1.0, **asked
    )
    assert spoilt.val_loss is not None and spoilt.val_loss > 2.5
    assert listing(old / "checkpoints" / "a_gold") == before
    best = json.loads((old / "checkpoints" / "a" / "training_state.json").read_text())["gold"]["best"]
    assert best == pytest.approx(2.462, abs=0.001)


def test_a_fine_tune_begins_with_it(old: Path) -> None:
    flags = ["--init_from_model", "a_gold", "--model_name", "tuned", "--input_file", "story.txt"]
    done = mypt(
        old, "train", *flags, *FLAGS, "--max_iters", "3", "--dropout", "0.25", "--learning_rate", "3e-5"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    begin = lines.index("Initializing from base model 'a_gold' (new format)")
    assert lines[begin + 1 : begin + 6] == [
        "Using base model's char vocabulary (size: 55)",
        "Updating model config with new training parameters...",
        "  use_loss_mask: False",
        "  dropout: 0.25",
        "  batch_size: 8",
    ]
    config = config_of(old, "tuned")
    assert (config["dropout"], config["head_bias"], config["n_layer"]) == (0.25, True, 2)
    assert api.get_model_info("tuned", old)["training_state"]["base"]["name"] == "a_gold"
    # Its closing bundle says 59, and 60 updates are done; where nothing can be counted, what it says counts.
    again: dict[str, Any] = {"workspace": old, "input_file": "story.txt", "max_iters": 1, "quiet": True}
    api.train(model_name="closing", init_from_model="a", eval_iters=1, sample_interval=0, **again)
    closing = api.get_model_info("closing", old)["training_state"]
    assert closing["base"] == {"name": "a", "step": 60}
    (old / "checkpoints" / "a" / "optimizer.pt").write_bytes(b"PK")
    api.train(model_name="torn", init_from_model="a", eval_iters=1, sample_interval=0, **again)
    assert api.get_model_info("torn", old)["training_state"]["base"] == {"name": "a", "step": 59}
    base, tuned = (api.load_bundle(name, old).model.state_dict() for name in ("a_gold", "tuned"))
    assert set(base) == set(tuned)
    assert all((base[name] - tuned[name]).abs().max() < 2e-3 for name in base)


def test_it_writes_what_the_original_wrote(old: Path, samples: Path) -> None:
    with np.load(samples / "original" / "reference_a_char_learned.npz", allow_pickle=False) as file:
        reference = {name: torch.from_numpy(file[name]) for name in file.files}
    greedy = reference["greedy_ids"].tolist()
    for name, logits in (("a", "logits_main"), ("a_gold", "logits_gold"), ("a_fp16", "logits_fp16")):
        bundle = api.load_bundle(name, old)
        assert torch.allclose(bundle.model(reference["ids"])[0], reference[logits], atol=1e-4)
    prompt, whole = (bundle.tokenizer.decode(ids) for ids in (greedy[:6], greedy))
    flags = ["--prompt", prompt, "--temperature", "0", "--max_new_tokens", "20", "--device", "cpu"]
    done = mypt(old, "generate", "--model_name", "a", *flags)
    assert (done.returncode, done.stdout) == (0, whole + "\n"), done.stderr


def test_its_logs_and_bundles_are_seen(old: Path) -> None:
    shown = mypt(old, "status", "--json")
    assert shown.returncode == 0, shown.stderr
    runs = {run["name"]: run for run in json.loads(shown.stdout)}
    assert {"fx_a", "fx_b", "fx_curriculum", "fx_killed", "fx_nan", "fx_sft"} <= set(runs)
    inspected = mypt(old, "inspect", "--model_name", "a_gold")
    assert inspected.returncode == 0 and "vocab     : 55 characters" in inspected.stdout
