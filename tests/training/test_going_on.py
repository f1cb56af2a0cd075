"""What the next run of a name finds, and how it goes on."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from mypt.cli import main
from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer, place_of
from tests.training.runs import change_state, row, state_of, train
from tests.workbench import (
    CHARS,
    TINY,
    events,
    listing,
    log_of,
    mypt,
)


def test_already_trained_says_so_and_how_to_go_on(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(trained / "checkpoints")
    assert train(trained, "--model_name", "dante") == 0
    out = capsys.readouterr().out
    assert "dante is already trained: 8 of 8 updates are done." in out
    assert "mypt train --model_name dante --max_iters 16" in out
    assert listing(trained / "checkpoints") == before
    assert len(events(trained, "dante", "training_start")) == 1


def test_a_light_copy_that_was_never_written_is_made_up_for(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(trained / "checkpoints")
    shutil.rmtree(trained / "checkpoints" / "dante_fp16")
    assert train(trained, "--model_name", "dante") == 0
    assert "checkpoints/dante_fp16 was not there for step 8, and is now" in capsys.readouterr().out
    after = listing(trained / "checkpoints")
    assert after.keys() == before.keys()
    assert after["dante_fp16/model.pt"] == before["dante_fp16/model.pt"]


@pytest.mark.slow
def test_what_a_kill_kept_from_the_end_is_made_up_for(workspace: Path, killer: Killer) -> None:
    flags = ["train", "--model_name", "m", *TINY, "--max_iters", "4", "--eval_interval", "4"]
    twin = workspace / "twin"
    twin.mkdir()
    (twin / "input.txt").write_text((workspace / "input.txt").read_text())
    status, operations = killer.run(twin, *flags)
    assert status == 0
    # All is trained and saved; the light copy and the last line of the log are not there yet.
    assert killer.run(workspace, *flags, kill_at=place_of(operations, "m_fp16"))[0] == KILLED
    assert not events(workspace, "m", "training_complete")
    again = mypt(workspace, *flags[:3])
    assert again.returncode == 0 and "m is already trained: 4 of 4 updates are done." in again.stdout
    assert "  checkpoints/m_fp16 was not there for step 4, and is now" in again.stdout
    assert "  logs/train/m_eval.jsonl lacked the line of its end, and has it now" in again.stdout
    assert_same_run(twin, workspace, "m")
    (end,), (theirs,) = (events(root, "m", "training_complete") for root in (workspace, twin))
    assert end.keys() == theirs.keys() and end["total_steps"] == 4
    assert end["final_val_loss"] == theirs["final_val_loss"] and end["gold_step"] == theirs["gold_step"]
    assert row(workspace)["state"] == "finished"
    before = log_of(workspace, "m").read_bytes()
    assert mypt(workspace, *flags[:3]).stdout.count("\n") == 2
    assert log_of(workspace, "m").read_bytes() == before


def test_rates_and_the_presets_name_are_of_the_whole_run(workspace: Path) -> None:
    (workspace / "configs").mkdir()
    shape = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16, "batch_size": 4, "vocab_size": 64}
    preset = {**shape, "dropout": 0.0, "bias": False, "tokenization": "char", "input_file": "input.txt"}
    (workspace / "configs" / "mine.json").write_text(json.dumps(preset))
    few = ["--eval_iters", "1", "--sample_interval", "0", "--device", "cpu"]
    assert train(workspace, "--config_file", "mine", "--model_name", "m", *few, "--max_iters", "3") == 0
    # As if the first three updates had taken an hour.
    change_state(workspace, "m", progress={"elapsed_s": 3600.0})
    assert train(workspace, "--model_name", "m", "--max_iters", "36") == 0
    end = events(workspace, "m", "training_complete")[-1]
    assert (end["total_steps"], end["total_tokens"]) == (36, 36 * 64)
    assert 3600 < end["total_elapsed_s"] < 3700 and end["total_elapsed_h"] == 1.0
    assert end["steps_per_sec"] == 0.01 and end["tokens_per_sec"] == 1
    assert end["config_file"] == "mine"
    assert events(workspace, "m", "training_start")[-1]["config"]["config_file"] == "mine"


def test_a_new_interval_that_divides_the_step_it_resumes_at_begins_with_the_next(trained: Path) -> None:
    # As if it had been saved between two evaluations, five steps apart.
    change_state(trained, "dante", progress={"last_eval": 5}, training_config={"eval_interval": 5})
    assert train(trained, "--model_name", "dante", "--eval_interval", "4", "--max_iters", "13") == 0
    assert [e["iter"] for e in events(trained, "dante", "eval")] == [0, 4, 8, 12, 13]
    assert state_of(trained, "dante")["progress"]["val_step"] == 13
    assert events(trained, "dante", "training_start")[-1]["config"]["start_step"] == 8


def test_a_log_that_an_earlier_run_has_written_is_not_begun_anew_in_silence(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("dante", "dante_gold", "dante_fp16"):
        shutil.rmtree(trained / "checkpoints" / name)
    assert train(trained, "--model_name", "dante", *TINY, "--max_iters", "1") == 0
    assert (
        "Note: logs/train/dante_eval.jsonl holds an earlier run: it stays in the file"
        in capsys.readouterr().out
    )
    assert len(events(trained, "dante", "training_start")) == 2
    assert train(trained, "--model_name", "dante", "--max_iters", "2") == 0
    assert "holds an earlier run" not in capsys.readouterr().out


def test_a_resume_without_flags_uses_what_was_saved(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(trained, "--model_name", "dante", "--max_iters", "12") == 0
    out = capsys.readouterr().out
    assert "Resuming checkpoints/dante from step 8" in out and "Training from step 8 to 12" in out
    assert "no exact continuation" not in out
    first, second = events(trained, "dante", "training_start")
    assert second["config"]["start_step"] == 8
    kept = ("eval_interval", "batch_size", "block_size", "learning_rate", "seed", "dropout", "eval_iters")
    assert [first["config"][name] for name in kept] == [second["config"][name] for name in kept]
    steps = [e["iter"] for e in events(trained, "dante", "eval")]
    assert steps == [0, 4, 8, 12]
    end = events(trained, "dante", "training_complete")[-1]
    assert end["total_steps"] == 12 and end["total_tokens"] == 12 * 64
    assert end["started_at"] == events(trained, "dante", "training_complete")[0]["started_at"]
    state = state_of(trained, "dante")
    assert state["step"] == 12
    config = state["training_config"]
    assert isinstance(config, dict) and config["start_step"] == 8 and config["max_iters"] == 12


def test_a_changed_dropout_reaches_the_layers_and_is_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        train(trained, "--model_name", "dante", "--max_iters", "9", "--dropout", "0.5", "--n_layer", "3") == 0
    )
    out = capsys.readouterr().out
    assert (
        "Note: dropout changes from 0.2 (checkpoint dante step 8) to 0.5 (command line): "
        "from here on the run is no exact continuation"
    ) in out
    assert "Note: n_layer=3 (command line) is ignored: checkpoint dante step 8 has 1" in out
    assert "dropout:0.5" in out
    assert json.loads((trained / "checkpoints" / "dante" / "config.json").read_text())["dropout"] == 0.5


def test_gold_can_be_gone_on_from(trained: Path) -> None:
    gold = state_of(trained, "dante_gold")["step"]
    shutil.rmtree(trained / "checkpoints" / "dante_gold")
    shutil.copytree(trained / "checkpoints" / "dante", trained / "checkpoints" / "dante_gold")
    assert gold in (4, 8)
    assert train(trained, "--model_name", "dante", "--max_iters", "10", "--resume_from", "gold") == 0
    assert events(trained, "dante", "training_start")[-1]["config"]["start_step"] == 8


def test_an_optimizer_that_began_anew_does_not_turn_the_count_back(trained: Path) -> None:
    assert train(trained, "--model_name", "dante", "--max_iters", "10", "--reset_optimizer") == 0
    moments = torch.load(trained / "checkpoints" / "dante" / "optimizer.pt", weights_only=True)
    assert {int(s["step"]) for s in moments["state"].values()} == {2}
    assert train(trained, "--model_name", "dante", "--max_iters", "12") == 0
    starts = [e["config"]["start_step"] for e in events(trained, "dante", "training_start")]
    assert starts == [0, 8, 10]
    assert state_of(trained, "dante")["step"] == 12


def test_the_vocabulary_of_a_text_survives_a_preset_that_guessed_another(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = {
        "batch_size": 4,
        "block_size": 16,
        "vocab_size": 256,
        "n_embd": 16,
        "n_head": 2,
        "n_layer": 1,
        "dropout": 0.0,
        "bias": False,
        "tokenization": "char",
        "eval_iters": 2,
        "sample_interval": 0,
    }
    (workspace / "configs").mkdir()
    (workspace / "configs" / "mine.json").write_text(json.dumps(preset))
    flags = ["--config_file", "mine", "--model_name", "m", "--input_file", "input.txt", "--device", "cpu"]
    assert train(workspace, *flags, "--max_iters", "2") == 0
    capsys.readouterr()
    assert train(workspace, *flags, "--max_iters", "3") == 0
    out = capsys.readouterr().out
    assert f"vocab_size:{len(CHARS)}" in out and "ignored" not in out
    assert train(workspace, "--model_name", "m", "--max_iters", "4") == 0


def test_the_originals_closing_checkpoint_goes_on_where_its_optimizer_stands(
    samples: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = samples / "original" / "checkpoints" / "a_char_learned"
    shutil.copytree(source, workspace / "checkpoints" / "old")
    shutil.copy(samples / "original" / "datasets" / "sources" / "story.txt", workspace / "story.txt")
    said = state_of(workspace, "old")["step"]
    moments = torch.load(source / "optimizer.pt", weights_only=True)
    updates = max(int(s["step"]) for s in moments["state"].values())
    assert isinstance(said, int) and updates == said + 1
    shown = json.loads((source / "tokenizer.json").read_text())["chars"]
    text = "".join(c for c in (workspace / "story.txt").read_text() if c in shown)
    (workspace / "story.txt").write_text(text)
    flags = ["--model_name", "old", "--input_file", "story.txt", "--max_iters", str(updates + 2)]
    assert train(workspace, *flags, "--eval_iters", "1", "--sample_interval", "0", "--device", "cpu") == 0
    assert events(workspace, "old", "training_start")[0]["config"]["start_step"] == updates
    assert state_of(workspace, "old")["step"] == updates + 2


@pytest.mark.parametrize(("prompt", "shown"), [("", ""), ("ab c", " --prompt 'ab c'"), ("Once", "")])
def test_the_command_that_is_proposed_at_the_end_works(
    trained: Path, prompt: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # This text has no capital letters, so a prompt of the usual kind would be refused.
    assert train(trained, "--model_name", "dante", "--max_iters", "9", "--sample_prompt", prompt) == 0
    proposed = capsys.readouterr().out.splitlines()[-1].removeprefix("  Generate: mypt ")
    assert proposed == f"generate --model_name dante{shown}"
    words = [*shlex.split(proposed), "--max_new_tokens", "2"]
    assert main(["--workspace", str(trained), *words]) == 0
