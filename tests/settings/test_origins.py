"""Where settings came from, as checkpoints keep it."""

from __future__ import annotations

import json
from pathlib import Path

from mypt.settings.origins import origins
from mypt.settings.resolve import Request, resolve
from tests.settings.ground import bundle, preset


def test_a_new_run_says_preset_and_command_line(tmp_path: Path) -> None:
    preset(tmp_path, "mine", learning_rate=1e-3, max_iters=50)
    run = resolve(Request(model_name="m", config_file="mine", given={"max_iters": "70"}), tmp_path)
    found = origins(run)
    assert found["max_iters"] == "command line"
    assert found["learning_rate"] == found["n_layer"] == "preset mine"
    assert "seed" not in found and "log_file" not in found


def test_the_rows_of_a_text_are_not_the_presets(tmp_path: Path) -> None:
    preset(tmp_path, "mine", tokenization="char")
    run = resolve(Request(model_name="m", config_file="mine"), tmp_path)
    assert origins(run)["vocab_size"] == "the text's characters"


def test_a_resumed_run_keeps_what_its_checkpoint_says(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", max_iters=2000, learning_rate=1e-3)
    state_file = tmp_path / "checkpoints" / "dante" / "training_state.json"
    state = json.loads(state_file.read_text())
    sources = {"learning_rate": "command line", "n_layer": "preset mine", "max_iters": 3}
    state_file.write_text(json.dumps(state | {"sources": sources}))
    found = origins(resolve(Request(model_name="dante", given={"eval_iters": "5"}), tmp_path))
    assert found["learning_rate"] == "command line" and found["n_layer"] == "preset mine"
    assert found["eval_iters"] == "command line"
    # What was a default, or is no word, is none afterwards.
    assert "n_head" not in found and "max_iters" not in found


def test_an_older_checkpoint_is_named_itself(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", max_iters=2000)
    found = origins(resolve(Request(model_name="dante"), tmp_path))
    assert found["max_iters"] == found["n_layer"] == "checkpoint dante step 1000"


def test_a_fine_tune_names_its_base(tmp_path: Path) -> None:
    bundle(tmp_path, "base")
    found = origins(resolve(Request(model_name="chat", init_from_model="base"), tmp_path))
    assert found["n_layer"] == "base model base"
