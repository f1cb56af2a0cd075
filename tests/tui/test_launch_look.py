from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mypt.data import source as source_module
from mypt.data.source import RunData
from mypt.errors import Problem
from mypt.settings.resolve import Resolved
from mypt.slurm.ask import Ask
from tests.workbench import ids_of, story, write_dataset
from tui.screens.launch.data_look import check_data
from tui.screens.launch.draft import Draft, command, data_of
from tui.screens.launch.look import Review, in_list, look
from tui.screens.launch.start import start

TINY = {
    "batch_size": 2,
    "block_size": 8,
    "vocab_size": 64,
    "n_embd": 8,
    "n_head": 1,
    "n_layer": 1,
    "dropout": 0.0,
    "bias": False,
    "tokenization": "char",
    "max_iters": 2,
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mini.json").write_text(json.dumps(TINY), encoding="utf-8")
    return tmp_path


DRAFT = Draft(model_name="m", preset="configs/mini.json")


def source(review: Review, name: str) -> str:
    assert review.values is not None
    return str(review.values[name].source)


def bundle_of(workspace: Path, name: str, step: int, **config: object) -> None:
    folder = workspace / "checkpoints" / name
    folder.mkdir(parents=True)
    shape = {k: v for k, v in TINY.items() if k not in ("tokenization", "max_iters")} | config
    (folder / "config.json").write_text(json.dumps(shape))
    state = {"step": step, "training_config": {"max_iters": 10, "input_file": "builtin:stories"}}
    (folder / "training_state.json").write_text(json.dumps(state))
    (folder / "tokenizer.json").write_text(json.dumps({"token_kind": "char", "chars": ["a", "b"]}))
    (folder / "model.pt").write_bytes(b"x")


def test_a_good_draft_says_where_every_value_comes_from(workspace: Path) -> None:
    review = look(replace(DRAFT, given={"max_iters": "1_000", "learning_rate": "1e-3"}), workspace)
    assert review.ready and review.resolved is not None
    assert source(review, "max_iters") == "form"
    assert source(review, "n_embd") == "preset mini"
    assert source(review, "eval_interval") == "default"
    assert review.tokens_per_step == 2 * 8
    assert review.parameters == 2 * 64 * 8 + 8 * 8 + 12 * 8 * 8 + 3 * 8
    assert review.memory is not None and review.room is not None and review.room.free > 0
    assert {"batch_size", "dropout", "n_embd"} <= review.held
    assert not {"max_iters", "device", "seed"} & review.held
    assert review.name_note == "a new model"
    words = shlex.split(review.command)
    assert words[:2] == ["mypt", "train"]
    assert words[2:] == (
        [
            "--config_file",
            "configs/mini.json",
            "--model_name",
            "m",
            "--max_iters",
            "1_000",
            "--learning_rate",
            "1e-3",
        ]
    )


def test_all_problems_are_said_at_once_each_at_its_field(workspace: Path) -> None:
    draft = replace(DRAFT, model_name="a/b", given={"max_iters": "abc", "learning_rate": "-1", "seed": "5"})
    review = look(draft, workspace)
    assert not review.ready and review.resolved is None
    assert {p.field for p in review.problems} == {"model_name", "max_iters", "learning_rate"}
    assert review.problem_of("max_iters") == "must be a whole number"
    assert review.problem_of("learning_rate") == "must be more than 0"
    assert review.problem_of("seed") == ""
    # What is right is shown meanwhile.
    assert source(review, "seed") == "form" and source(review, "max_iters") == "preset mini"


def test_what_is_wrong_with_a_preset_is_not_laid_at_the_forms_door(workspace: Path) -> None:
    (workspace / "configs" / "bad.json").write_text('{"n_layer": 1}')
    review = look(Draft(model_name="m", preset="configs/bad.json"), workspace)
    assert any(p.field == "batch_size" for p in review.problems)
    assert review.problem_of("batch_size") == ""
    assert review.values is not None


def test_a_value_that_loses_is_said_to_be_ignored(workspace: Path) -> None:
    review = look(replace(DRAFT, given={"batch_size": "64"}), workspace)
    assert review.ready and review.values is not None
    assert review.values["batch_size"].value == 2
    assert any("batch_size=64 (form) is ignored" in notice for notice in review.notices)


def test_for_slurm_there_is_a_batch_file_and_no_room_of_this_machine(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = workspace / "bin"
    programs.mkdir()
    draft = replace(DRAFT, given={"grad_accum_steps": "2"}, slurm=Ask(nodes="2", gpus_per_node="2"))
    monkeypatch.setenv("PATH", str(programs))
    (problem,) = look(draft, workspace).problems
    assert "there is no sbatch here" in in_list(problem) and "login node" in in_list(problem)
    (programs / "sbatch").write_text("#!/bin/sh\n")
    (programs / "sbatch").chmod(0o755)
    review = look(draft, workspace)
    assert review.ready and review.room is None and review.kind == "cuda" and not review.busy
    assert review.command.startswith(
        "mypt submit --nodes 2 --gpus-per-node 2 --config_file configs/mini.json"
    )
    assert "#SBATCH --gpus-per-node=2" in review.batch and "#SBATCH --comment=RUN" in review.batch
    # What is wrong with what is asked is told at once with all else, and then there is no file to read.
    wrong = look(replace(draft, given={"max_iters": "x"}, slurm=Ask(nodes="0", time="1")), workspace)
    assert [p.field for p in wrong.problems] == ["max_iters", "nodes", "time"] and not wrong.batch
    few = look(replace(draft, slurm=Ask(nodes="9")), workspace)
    assert [p.field for p in few.problems] == ["ntasks_per_node"] and "4 sequences" in few.problems[0].message
    here = look(replace(draft, slurm=None), workspace)
    assert here.ready and here.room is not None and not here.batch


def test_resuming_goes_on_until_there_is_nothing_left_to_do(workspace: Path) -> None:
    bundle_of(workspace, "old", 10)
    done = look(Draft(model_name="old"), workspace)
    assert not done.ready
    assert "already trained to 10" in done.problem_of("max_iters")
    on = look(Draft(model_name="old", given={"max_iters": "30", "batch_size": "4"}), workspace)
    assert on.ready and on.resolved is not None and on.resolved.start_step == 10
    assert on.name_note == "exists: resumes it from step 10"
    assert "n_embd" in on.held and "batch_size" not in on.held
    assert source(on, "n_embd") == "checkpoint old step 10"


def test_a_broken_checkpoint_is_refused_by_name(workspace: Path) -> None:
    bundle_of(workspace, "old", 10)
    (workspace / "checkpoints" / "old" / "config.json").write_text('{"n_embd": 8,')
    review = look(Draft(model_name="old"), workspace)
    assert not review.ready
    assert any("the checkpoint is broken" in str(p) and "cut short" in str(p) for p in review.problems)


def test_a_fine_tune_keeps_the_shape_of_its_base(workspace: Path) -> None:
    bundle_of(workspace, "base", 10, n_embd=16)
    review = look(replace(DRAFT, model_name="child", base="base"), workspace)
    assert review.ready and review.name_note == "fine-tunes base"
    assert source(review, "n_embd") == "base model base" and source(review, "block_size") == "preset mini"
    assert any("n_embd=8 (preset mini) is ignored" in notice for notice in review.notices)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (("input_file", "missing.txt"), "no such file"),
        (("input_file", "short.txt"), "shorter than a block"),
        (("dataset_dir", "missing"), "no such dataset"),
    ],
)
def test_bad_data_is_told_before_the_start(workspace: Path, data: tuple[str, str], said: str) -> None:
    (workspace / "short.txt").write_text("some words and no more")
    first = look(replace(DRAFT, data=data), workspace)
    assert first.resolved is not None
    review = look(first.draft, workspace, check_data(first.resolved))
    assert not review.ready
    assert [p for p in review.data_problems() if said in str(p)]


def test_the_texts_own_characters_decide_the_size(workspace: Path) -> None:
    (workspace / "abc.txt").write_text("abc" * 500)
    first = look(replace(DRAFT, data=("input_file", "abc.txt")), workspace)
    assert first.resolved is not None
    facts = check_data(first.resolved)
    review = look(first.draft, workspace, facts)
    assert facts.rows is not None and facts.rows < 64 and "1.35k train tokens" in facts.lines[0]
    assert first.parameters - review.parameters == 2 * 8 * (64 - facts.rows)


def test_data_is_read_once_as_long_as_its_files_stay_as_they_are(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "set", train=[ids], val=[ids[:300]])
    (workspace / "set" / "train").rename(workspace / "elsewhere")
    (workspace / "set" / "train").symlink_to(workspace / "elsewhere")
    read, opened = source_module.open_data, list[Resolved]()

    def open_data(run: Resolved) -> RunData:
        opened.append(run)
        return read(run)

    monkeypatch.setattr(source_module, "open_data", open_data)
    draft = replace(DRAFT, data=("dataset_dir", "set"))
    run = look(draft, workspace).resolved
    assert run is not None
    known = check_data(run)
    assert known.lines and not known.problems and len(opened) == 1
    # What the form has read the start need not read again.
    begin = partial(start, draft, workspace, queue=False, seen="", known=known, cancelled=lambda: True)
    assert begin() is None and len(opened) == 1
    other = look(replace(draft, given={"max_iters": "9"}), workspace).resolved
    assert other is not None
    assert check_data(other, before=known) is not known and len(opened) == 2
    shard = next((workspace / "elsewhere").glob("*.bin"))
    shard.write_bytes(shard.read_bytes()[:-2])
    assert begin() is None and len(opened) == 3
    shard.unlink()
    assert check_data(run, before=known).problems and len(opened) == 4


def test_a_value_that_looks_like_a_flag_reaches_the_trainer(workspace: Path) -> None:
    review = look(replace(DRAFT, given={"sample_prompt": "--once upon; rm *", "seed": "3"}), workspace)
    assert review.resolved is not None
    words = shlex.split(command(review.resolved, review.draft))
    assert "--sample_prompt=--once upon; rm *" in words and words[-2:] == ["--seed", "3"]
    from argparse import ArgumentParser

    from mypt.cli.train import add_arguments

    parser = ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    assert parser.parse_args(words[2:]).sample_prompt == "--once upon; rm *"


def test_the_summary_is_plain_json(workspace: Path) -> None:
    review = look(replace(DRAFT, data=("input_file", "builtin:python")), workspace)
    assert review.resolved is not None
    said = review.resolved.summary(review.parameters)
    assert json.loads(json.dumps(said)) == said
    assert (said["preset"], said["data"], said["max_iters"]) == ("mini", "builtin:python", 2)


def test_a_typed_path_is_a_dataset_where_it_is_a_folder(workspace: Path) -> None:
    (workspace / "set").mkdir()
    assert data_of("set", workspace) == ("dataset_dir", "set")
    assert data_of("a.txt", workspace) == ("input_file", "a.txt")
    # A dataset that has gone is missed as one.
    assert data_of("data/gone", workspace) == ("dataset_dir", "data/gone")
    assert data_of("gone.txt", workspace) == ("input_file", "gone.txt")
    assert data_of("builtin:python", workspace) == ("input_file", "builtin:python")


def test_a_form_speaks_of_fields_and_not_of_flags(workspace: Path) -> None:
    bundle_of(workspace, "base", 10)
    first = look(Draft(model_name="child", base="base"), workspace)
    assert first.shown is not None
    review = look(first.draft, workspace, check_data(first.shown))
    (said,) = [in_list(p) for p in review.data_problems()]
    assert said == "input_file: a fine-tune needs data of its own; choose a text or a dataset"
    assert in_list(Problem("x", remedy="use --seed 5 or a--b")) == "x; use seed 5 or a--b"


def test_sentences_are_safe_to_show() -> None:
    assert "\x1b" not in in_list(Problem("bad \x1b[31m", field="x\x07", value="\x1b"))


def test_nothing_here_imports_torch(workspace: Path) -> None:
    code = """
import sys
from pathlib import Path
import tui.screens.launch
assert "pydantic" not in sys.modules and "numpy" not in sys.modules, "the frame opens without heavy imports"
from tui.screens.launch.choices import find_all
from tui.screens.launch.draft import Draft
from tui.screens.launch.look import look
from tui.screens.launch.data_look import check_data
import mypt.launch.start
workspace = Path(sys.argv[1])
assert find_all(workspace, None, {}).presets
review = look(Draft(model_name="m", preset="configs/mini.json"), workspace)
assert review.ready and check_data(review.resolved).lines
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_lines_of_json_are_told_however_large_the_file(workspace: Path) -> None:
    with (workspace / "c.jsonl").open("wb") as file:
        file.write(b'{"text": "a"}\n')
        file.truncate(40_000_000)
    resolved = look(replace(DRAFT, data=("input_file", "c.jsonl")), workspace).resolved
    assert resolved is not None
    facts = check_data(resolved, at_once=True)
    assert facts.later == "checked at the start"
    (said,) = look(replace(DRAFT, data=("input_file", "c.jsonl")), workspace, facts).notices
    assert "mypt prepare c.jsonl --output_dir data/c makes a dataset of it" in said
