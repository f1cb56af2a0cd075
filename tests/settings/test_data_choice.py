from __future__ import annotations

from pathlib import Path

from mypt.settings.resolve import Request, resolve
from tests.settings.ground import CURRICULUM, bundle, preset, refusal, told

C = "checkpoint dante step 1000"


def test_with_nothing_named_the_demo_is_used(tmp_path: Path) -> None:
    run = resolve(Request(), tmp_path)
    assert (run.model_name, run.settings.input_file) == ("my_model", "builtin:stories")
    assert str(run.values["input_file"].source) == "default"


def test_named_data_replaces_a_curriculum_and_says_so(tmp_path: Path) -> None:
    file = preset(tmp_path, curriculum=CURRICULUM, eval_sets={"general": "data/g"})
    without = resolve(Request(config_file=file), tmp_path)
    assert without.settings.curriculum is not None and without.settings.input_file is None
    run = resolve(Request(config_file=file, given={"dataset_dir": "data/mine"}), tmp_path)
    assert (run.settings.curriculum, run.settings.dataset_dir) == (None, "data/mine")
    assert told(run, "the curriculum of preset mine is not used: data comes from the command line")
    assert run.settings.eval_sets == {"general": "data/g"}


def test_two_kinds_of_data_are_one_too_many(tmp_path: Path) -> None:
    said = refusal(tmp_path, given={"input_file": "a.txt", "dataset_dir": "data/a"})
    assert "input_file: was given together with dataset_dir; name one of the two" in said


def test_a_resume_keeps_its_curriculum_and_its_data(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", curriculum=CURRICULUM, input_file=None)
    run = resolve(Request(model_name="dante"), tmp_path)
    assert run.settings.curriculum is not None and str(run.values["curriculum"].source) == C


def test_a_loss_mask_has_nothing_to_mask_in_a_plain_text(tmp_path: Path) -> None:
    run = resolve(Request(given={"input_file": "a.txt", "use_loss_mask": "true"}), tmp_path)
    assert told(run, "use_loss_mask has no effect with a plain text file")


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_tokenizer_than_the_bases_is_refused(tmp_path: Path) -> None:
    bundle(tmp_path, "base_200M")
    said = refusal(tmp_path, model_name="c", init_from_model="base_200M", given={"tokenization": "char"})
    assert "tokenization: the base model base_200M was trained on gpt2 tokens (got 'char')" in said


def test_another_tokenizer_is_ignored_and_said_on_a_resume(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", chars="ab")
    run = resolve(Request(model_name="dante", given={"tokenization": "gpt2"}), tmp_path)
    assert run.settings.tokenization == "char"
    assert told(run, "tokenization=gpt2 (command line) is ignored")
