"""How a run ends, and what the next one with its name finds: exit statuses, NaN, refusals, going on."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mypt.bundle import find
from mypt.cli import main
from mypt.events import LogWriter
from mypt.runs.record import list_records
from mypt.training import build, checkpointing
from mypt.training.console import Console
from mypt.watch.inventory import Workspace, status_rows
from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer, place_of
from tests.workbench import (
    CHARS,
    SHAPE,
    TINY,
    command,
    environment,
    events,
    ids_of,
    last_iter,
    listing,
    log_of,
    mypt,
    start,
    story,
    wait_for,
    write_dataset,
)


def train(workspace: Path, *arguments: str) -> int:
    return main(["--workspace", str(workspace), "train", *arguments])


def state_of(workspace: Path, model: str) -> dict[str, object]:
    value = json.loads((workspace / "checkpoints" / model / "training_state.json").read_text())
    assert isinstance(value, dict)
    return value


def row(workspace: Path) -> dict[str, object]:
    picture = Workspace(workspace)
    picture.load()
    (found,) = status_rows(picture)
    return found


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────


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
    file = workspace / "checkpoints" / "m" / "training_state.json"
    state = state_of(workspace, "m")
    assert isinstance(state["progress"], dict)
    state["progress"]["elapsed_s"] = 3600.0
    file.write_text(json.dumps(state))
    file.with_name("manifest.json").unlink()
    assert train(workspace, "--model_name", "m", "--max_iters", "36") == 0
    end = events(workspace, "m", "training_complete")[-1]
    assert (end["total_steps"], end["total_tokens"]) == (36, 36 * 64)
    assert 3600 < end["total_elapsed_s"] < 3700 and end["total_elapsed_h"] == 1.0
    assert end["steps_per_sec"] == 0.01 and end["tokens_per_sec"] == 1
    assert end["config_file"] == "mine"
    assert events(workspace, "m", "training_start")[-1]["config"]["config_file"] == "mine"


def test_a_new_interval_that_divides_the_step_it_resumes_at_begins_with_the_next(trained: Path) -> None:
    file = trained / "checkpoints" / "dante" / "training_state.json"
    state = state_of(trained, "dante")
    assert isinstance(state["progress"], dict) and isinstance(state["training_config"], dict)
    # As if it had been saved between two evaluations, five steps apart.
    state["progress"]["last_eval"] = 5
    state["training_config"]["eval_interval"] = 5
    file.write_text(json.dumps(state))
    file.with_name("manifest.json").unlink()
    assert train(trained, "--model_name", "dante", "--eval_interval", "4", "--max_iters", "13") == 0
    assert [e["iter"] for e in events(trained, "dante", "eval")] == [0, 4, 8, 12, 13]
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


# ── not a number ────────────────────────────────────────────────────────────────────────────────────────────────


def poison(workspace: Path, model: str, sign: str) -> None:
    """Make the embedding of one character not a number: whoever reads that character gets nothing finite any more."""
    file = workspace / "checkpoints" / model / "model.pt"
    content = torch.load(file, weights_only=True)
    content["state_dict"]["token_embedding_table.weight"][CHARS.index(sign)] = float("nan")
    (workspace / "checkpoints" / model / "manifest.json").unlink()
    torch.save(content, file)


def test_not_a_number_stops_before_the_update(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = story(1500).replace("z", "a")
    for name, text in (("one", plain), ("two", plain.replace("e", "z"))):
        write_dataset(workspace / "data" / name, train=[ids_of(text)], val=[ids_of(plain[:300])])
    phases = [
        {"name": "one", "dataset_dir": "data/one", "until_iter": 6},
        {"name": "two", "dataset_dir": "data/two", "until_iter": None},
    ]
    flags = [
        "--model_name",
        "m",
        *TINY[4:],
        "--curriculum",
        json.dumps({"phases": phases}),
        "--precision",
        "fp32",
    ]
    assert train(workspace, *flags, "--max_iters", "2", "--eval_interval", "2") == 0
    poison(workspace, "m", "z")
    # Nobody reads the poisoned character before the second phase.
    capsys.readouterr()
    code = train(workspace, "--model_name", "m", "--max_iters", "10", "--eval_interval", "2")
    captured = capsys.readouterr()
    assert code == 1
    assert captured.err == (
        "mypt: step 7: the loss is nan; stopped before the update, and the last good checkpoint is "
        "checkpoints/m. Lower learning_rate, or raise warmup_iters\n"
    )
    last = events(workspace, "m")[-1]
    assert (last["event"], last["iter"], last["reason"]) == ("training_stopped", 6, "nan")
    assert last["message"] == "the loss is nan at step 7"
    assert state_of(workspace, "m")["step"] == 6
    weights = torch.load(workspace / "checkpoints" / "m" / "model.pt", weights_only=True)["state_dict"]
    table = weights["token_embedding_table.weight"]
    assert all(bool(table[i].isfinite().all()) == (c != "z") for i, c in enumerate(CHARS))
    assert row(workspace)["state"] == "failed"
    # Every line is valid JSON for readers that know no NaN.
    for line in log_of(workspace, "m").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} in the log"))


@pytest.mark.parametrize("often", [False, True])
def test_a_rate_that_is_far_too_high_ends_in_words(
    workspace: Path, capsys: pytest.CaptureFixture[str], often: bool
) -> None:
    # Each update multiplies the weights; with an evaluation after each of them, that is where it shows first.
    high = ["--learning_rate", "10", "--weight_decay", "10", "--warmup_iters", "0", "--precision", "fp32"]
    flags = [*TINY, *high, "--max_iters", "200", "--eval_interval", "1" if often else "2", "--grad_clip", "0"]
    assert train(workspace, "--model_name", "m", *flags) == 1
    last = events(workspace, "m")[-1]
    step = last["iter"]
    assert (last["event"], last["reason"]) == ("training_stopped", "nan")
    err = capsys.readouterr().err
    if often:
        said = rf"mypt: step {step}: the evaluation's loss on the training data is (nan|inf); stopped before it was saved"
        (final,) = (e for e in events(workspace, "m", "eval") if e["iter"] == step)
        assert final["train_loss"] is None and final["nonfinite"]["train_loss"] in ("nan", "inf")
    else:
        said = rf"mypt: step {step + 1}: the (loss|gradient's norm) is (nan|inf); stopped before the update"
    kept = "and the last good checkpoint is checkpoints/m. Lower learning_rate, or raise warmup_iters"
    assert re.fullmatch(f"{said}, {re.escape(kept)}\n", err)
    saved = state_of(workspace, "m")["step"]
    assert isinstance(saved, int) and saved < step if often else saved == step - step % 2
    for line in log_of(workspace, "m").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} in the log"))
    # What is kept is good: with a sane rate it goes on.
    sane = ["--learning_rate", "1e-4", "--weight_decay", "0", "--max_iters", str(saved + 1)]
    assert train(workspace, "--model_name", "m", *sane) == 0


# ── stopped, and held ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def running(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that would go on for hours, some steps old."""
    flags = ["--model_name", "long", *TINY, "--max_iters", "10000000", "--eval_interval", "1000000"]
    process = start(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "long") >= 3, process)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_request_stops_a_run_which_saves_and_ends_well(
    workspace: Path, running: subprocess.Popen[str]
) -> None:
    (record,) = list_records(workspace).records
    assert record.model_name == "long" and record.settings["max_iters"] == 10_000_000
    record.directory(workspace).stop_file.touch()
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    stop = events(workspace, "long")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "request")
    assert f"Training stopped on request at step {stop['iter']}; checkpoint saved." in out
    assert "Resume training: mypt train --model_name long" in out
    assert state_of(workspace, "long")["step"] == stop["iter"]
    assert (workspace / "checkpoints" / "long_fp16" / "model.pt").is_file()
    assert "step 0/10000000" in record.directory(workspace).console.read_text()
    assert row(workspace)["state"] == "stopped"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_stop_within_the_last_evaluation_leaves_it_to_the_next_run(workspace: Path) -> None:
    flags = [*TINY, "--model_name", "late", "--max_iters", "6", "--eval_interval", "100"]
    flags[flags.index("--eval_iters") + 1] = "500"
    process = start(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "late") >= 6, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert state_of(workspace, "late")["step"] == 6
    info = find(workspace / "checkpoints", "late")
    assert not info.has_done(6) and info.has_done(5)
    rest = mypt(workspace, "train", "--model_name", "late")
    assert rest.returncode == 0 and "Training finished!" in rest.stdout, rest.stdout + rest.stderr
    assert [e["iter"] for e in events(workspace, "late", "eval")] == [0, 6]
    assert events(workspace, "late")[-1]["event"] == "training_complete"
    assert find(workspace / "checkpoints", "late").has_done(6)
    again = mypt(workspace, "train", "--model_name", "late")
    assert again.returncode == 0 and "late is already trained: 6 of 6 updates" in again.stdout


def staged(workspace: Path) -> bool:
    """Whether a bundle is being written."""
    return any((workspace / "checkpoints").glob(".tmp.*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("moment", ["start", "evaluation", "sample", "save"])
def test_a_signal_at_any_moment_ends_a_run_with_its_status_after_it_saved(
    workspace: Path, moment: str
) -> None:
    flags = [*TINY, "--model_name", "m", "--max_iters", "1000000", "--eval_interval", "1000000"]
    slow = {
        "start": ["--eval_iters", "1000000"],
        "evaluation": ["--eval_iters", "1000000"],
        "sample": ["--sample_interval", "1", "--sample_tokens", "100000"],
        "save": ["--save_every", "1"],
    }[moment]
    sign, status = {
        "start": (signal.SIGHUP, 129),
        "evaluation": (signal.SIGTERM, 143),
        "sample": (signal.SIGINT, 130),
        "save": (signal.SIGTERM, 143),
    }[moment]
    lock = workspace / ".mypt" / "locks" / "m.lock"
    ready = {
        "start": lock.exists,
        "evaluation": lambda: bool(events(workspace, "m", "training_start")),
        "sample": lambda: bool(events(workspace, "m", "eval")),
        "save": lambda: last_iter(workspace, "m") >= 2 and staged(workspace),
    }[moment]
    process = start(workspace, "train", *flags, *slow)
    assert wait_for(ready, process)
    # An impatient user, and one of a queue that says it twice.
    process.send_signal(sign)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode in (status, 143) and "Traceback" not in out, out
    assert f"Training stopped by SIG{'TERM' if process.returncode == 143 else sign.name[3:]} at step" in out
    assert not staged(workspace)
    stop = events(workspace, "m")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "signal")
    assert state_of(workspace, "m")["step"] == stop["iter"] and (stop["iter"] > 1) == (moment == "save")
    kinds = [event["event"] for event in events(workspace, "m")]
    assert ("eval" in kinds) == (moment in ("sample", "save")) and "sample" not in kinds
    # What was cut short is made up for.
    few = ["--eval_iters", "1", "--sample_tokens", "3", "--max_iters", str(stop["iter"] + 1)]
    rest = mypt(workspace, "train", "--model_name", "m", *few)
    assert rest.returncode == 0, rest.stderr
    (first,) = (e for e in events(workspace, "m", "eval") if e["iter"] == 0)
    assert first["train_loss"] > 0
    assert [e["iter"] for e in events(workspace, "m", "sample")] == ([0, 1] if moment == "sample" else [])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_kill_before_the_second_checkpoint_keeps_the_first_evaluation_in_the_curve(workspace: Path) -> None:
    flags = [*TINY, "--model_name", "early", "--max_iters", "100000", "--eval_interval", "100000"]
    process = start(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "early") >= 3, process)
    process.kill()
    process.communicate()
    first = events(workspace, "early", "training_start")[0]
    rest = mypt(workspace, "train", "--model_name", "early", "--max_iters", "4", "--eval_interval", "4")
    assert rest.returncode == 0, rest.stderr
    assert [e["iter"] for e in events(workspace, "early", "eval")] == [0, 4]
    picture = Workspace(workspace)
    picture.load()
    (run,) = picture.runs
    assert [point.step for point in run.history.curves["val"].points()] == [0, 4]
    assert [point.step for point in run.history.curves["train"].points()] == [1, 2, 3, 4]
    assert len(run.history.resumes) == 1 and run.history.run_ids > {first["run_id"]}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_model_that_is_trained_is_refused_to_a_second_run(
    workspace: Path, running: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second model in memory could cost the first its own.
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("built beside the run that holds the model"))
    assert train(workspace, "--model_name", "long", *TINY) == 2
    second = mypt(workspace, "train", "--model_name", "long", *TINY)
    assert second.returncode == 2
    (record,) = list_records(workspace).records
    assert second.stderr.startswith("mypt: model 'long': two runs on one model: held by ")
    assert f"run {record.run_id}, pid {running.pid} on " in second.stderr
    assert ", since 20" in second.stderr and "wait until that run ends, stop it, or choose" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert running.poll() is None and len(list_records(workspace).records) == 1
    log = "logs/train/long_eval.jsonl"
    other = mypt(workspace, "train", "--model_name", "other", *TINY, "--log_file", log)
    assert other.returncode == 2 and len(other.stderr.splitlines()) == 1
    assert other.stderr.startswith(f"mypt: log_file: another run writes it now (got '{log}')")
    assert running.poll() is None and len(list_records(workspace).records) == 1
    assert not (workspace / "checkpoints" / "other").exists()
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 143 and "Training stopped by SIGTERM at step" in out
    stop = events(workspace, "long")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "signal")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_kept_output_that_finds_no_room_is_let_go() -> None:
    console = Console(io.StringIO())
    console.keep_in(Path("/dev/full"))
    console.note("why it ended")
    console.close()


def test_the_log_is_on_the_disk_before_the_checkpoint_that_it_led_to(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, save = LogWriter.sync, checkpointing.save

    def synced(log: LogWriter) -> None:
        sync(log)
        done.append("log")

    def saved(target: Path, *arguments: Any, **options: Any) -> None:
        save(target, *arguments, **options)
        done.append(target.name)

    monkeypatch.setattr(LogWriter, "sync", synced)
    monkeypatch.setattr(checkpointing, "save", saved)
    assert train(workspace, "--model_name", "m", *TINY, "--max_iters", "2", "--eval_interval", "2") == 0
    places = [place for place, what in enumerate(done) if what == "m"]
    assert len(places) == 2 and all(done[place - 1] == "log" for place in places)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may take of memory")
def test_a_model_that_does_not_fit_into_memory_is_said_before_anything_is_written(workspace: Path) -> None:
    flags = ["--n_embd", "2048", "--n_layer", "40", "--n_head", "16", "--block_size", "16"]
    words = command(workspace, "train", "--model_name", "big", *TINY[:4], *flags, "--device", "cpu")
    before = listing(workspace)
    limited = f"ulimit -v 4000000; exec {shlex.join(words)}"
    done = subprocess.run(
        ["sh", "-c", limited], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("mypt: out of memory on cpu ("), done.stderr
    assert "optimizer state take 32.2 GB" in done.stderr and len(done.stderr.splitlines()) == 1
    assert listing(workspace) == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_stops_no_training(workspace: Path) -> None:
    flags = ["--model_name", "m", *TINY, "--max_iters", "3"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(workspace, "train", *flags),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0 and "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert state_of(workspace, "m")["step"] == 3


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A disk that takes only so much, made by a limit of the kernel's."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_takes_no_line_of_the_log_is_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = log_of(trained, "dante").read_bytes()
    with files_no_larger_than(len(before) + 100):
        assert train(trained, "--model_name", "dante", "--max_iters", "12") == 1
    err = capsys.readouterr().err
    said = "logs/train/dante_eval.jsonl: File too large; the last good checkpoint is checkpoints/dante"
    assert err == f"mypt: {said}; make room, then run the same command again to go on\n"
    assert log_of(trained, "dante").read_bytes() == before
    assert state_of(trained, "dante")["step"] == 8


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_takes_no_checkpoint_keeps_the_last_one(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(trained / "checkpoints" / "dante")
    # Room for the log's lines, and none for the weights.
    with files_no_larger_than(log_of(trained, "dante").stat().st_size + 8000):
        assert train(trained, "--model_name", "dante", "--max_iters", "12") == 1
    err = capsys.readouterr().err
    said = r"the checkpoint could not be saved \(File too large\); the previous one is intact; make room for 1\.1 MB"
    assert re.fullmatch(rf"mypt: dante(_gold)?: {said}, then run the same command again to go on\n", err)
    assert listing(trained / "checkpoints" / "dante") == before
    assert not [p.name for p in (trained / "checkpoints").iterdir() if p.name.startswith(".")]
    assert events(trained, "dante")[-1]["reason"] == "error"
    assert train(trained, "--model_name", "dante", "--max_iters", "12") == 0


def test_evaluations_are_gold_or_blocked_or_neither(workspace: Path) -> None:
    # With a threshold that nothing can keep, every new best is blocked.
    guards = json.dumps({"guards": {"overfit_ratio": 0.01}})
    flags = [
        "--model_name",
        "m",
        *TINY,
        "--max_iters",
        "4",
        "--eval_interval",
        "2",
        "--gold_selection",
        guards,
    ]
    assert train(workspace, *flags) == 0
    blocked = events(workspace, "m", "gold_blocked")
    assert blocked and not events(workspace, "m", "gold_checkpoint")
    assert all(e["reason"].startswith("overfit: val/train=1.") for e in blocked)
    assert all(e["best_val_loss"] is None for e in blocked)
    assert not (workspace / "checkpoints" / "m_gold").exists()
    assert events(workspace, "m", "training_complete")[0]["gold_step"] is None


def test_masks_are_learned_from_only_where_asked(workspace: Path) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "data" / "a", train=[ids], val=[ids[:300]], mask="<u4")
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data/a", "--max_iters", "2"]
    assert train(workspace, "--model_name", "on", *flags, "--use_loss_mask") == 0
    assert train(workspace, "--model_name", "off", *flags) == 0
    losses = [events(workspace, name, "eval")[0]["val_loss"] for name in ("on", "off")]
    assert losses[0] != losses[1] and all(np.isfinite(losses))
