"""Files that other programs wrote, trained on as they are."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.settings.presets import load_preset
from tests.workbench import SHAPE, events

FEW = [
    "--max_iters",
    "4",
    "--eval_interval",
    "2",
    "--eval_iters",
    "1",
    "--sample_tokens",
    "8",
    "--device",
    "cpu",
]


def train(workspace: Path, *arguments: str) -> int:
    return main(["--workspace", str(workspace), "train", "--model_name", "m", *FEW, *arguments])


def test_the_originals_two_phases(samples: Path, tmp_path: Path) -> None:
    folder = samples / "original" / "datasets"
    phases = [
        {"name": "one", "dataset_dir": str(folder / "char_sharded_phase1"), "until_iter": 2},
        {"name": "two", "dataset_dir": str(folder / "char_sharded_phase2"), "until_iter": None},
    ]
    assert train(tmp_path, *SHAPE, "--curriculum", json.dumps({"phases": phases})) == 0
    assert [e["phase"] for e in events(tmp_path, "m", "eval")] == ["one", "one", "two"]
    (switch,) = events(tmp_path, "m", "phase_switch")
    assert (switch["iter"], switch["new_phase"]) == (2, "two")
    chars = json.loads((folder / "char_sharded_phase1" / "tokenizer_state.json").read_text())["chars"]
    config = json.loads((tmp_path / "checkpoints" / "m" / "config.json").read_text())
    assert config["vocab_size"] == len(chars)


def test_nanogpts_data(samples: Path, tmp_path: Path) -> None:
    assert train(tmp_path, *SHAPE, "--dataset_dir", str(samples / "nanogpt" / "data")) == 0
    assert events(tmp_path, "m", "sample")[-1]["text"]


@pytest.mark.parametrize("name", ["a_char_learned", "a_char_learned_gold"])
def test_the_originals_own_preset(samples: Path, tmp_path: Path, name: str) -> None:
    source = samples / "original" / "checkpoints" / name / "original_config.json"
    (tmp_path / "configs").mkdir()
    shutil.copy(source, tmp_path / "configs" / "theirs.json")
    raw, loaded = json.loads(source.read_text()), load_preset(tmp_path / "configs" / "theirs.json")
    assert {n: loaded.values[n] for n in ("n_layer", "n_embd", "block_size")} == {
        n: raw[n] for n in ("n_layer", "n_embd", "block_size")
    }
    text = str(samples / "original" / "datasets" / "sources" / "story.txt")
    assert train(tmp_path, "--config_file", "theirs", "--input_file", text, "--tokenization", "char") == 0


@pytest.mark.parametrize("mode", ["random", "epoch"])
def test_the_originals_episodes(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    folder = samples / "original" / "datasets" / "sft_episodes"
    flags = ["--use_loss_mask", "true", "--batch_sampling_mode", mode, "--block_size", "96"]
    assert train(tmp_path, *SHAPE, "--dataset_dir", str(folder), *flags) == 0
    said = capsys.readouterr().out
    assert "2.06k train tokens in 20 episodes, 309 val tokens in 4 episodes" in said
    assert "9 of 20 episodes are longer than block_size = 96: only their last tokens are used" in said
    losses = [e["val_loss"] for e in events(tmp_path, "m", "eval")]
    # A new model knows nothing yet of 50304 tokens, and learns.
    assert losses[0] == pytest.approx(math.log(50304), abs=0.3) and losses[-1] < losses[0]
    state = json.loads((tmp_path / "checkpoints" / "m" / "tokenizer.json").read_text())
    assert state == json.loads((folder / "tokenizer_state.json").read_text())


def test_the_originals_checkpoint_is_a_base(samples: Path, tmp_path: Path) -> None:
    base = samples / "original" / "checkpoints" / "a_char_learned_gold"
    chars = set(json.loads((base / "tokenizer.json").read_text())["chars"])
    story = (samples / "original" / "datasets" / "sources" / "story.txt").read_text()
    (tmp_path / "story.txt").write_text("".join(c for c in story if c in chars))
    flags = ["--input_file", "story.txt", "--init_from_model", str(base), "--learning_rate", "1e-4"]
    assert train(tmp_path, *flags) == 0
    config = json.loads((tmp_path / "checkpoints" / "m" / "config.json").read_text())
    assert config["vocab_size"] == len(chars) and config["head_bias"] is True
    first = events(tmp_path, "m", "eval")[0]
    # It can already tell this story, unlike a new model.
    assert first["val_loss"] < 0.8 * math.log(len(chars))
