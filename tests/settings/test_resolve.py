from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt.errors import UserError
from mypt.settings.resolve import Mode, Request, preset_values, resolve, survey, warmup_steps
from tests.settings.ground import SHAPE, bundle, preset, refusal, told

# ── resuming and fine-tuning ────────────────────────────────────────────────────────────────────────────────────


def test_an_existing_checkpoint_wins_over_its_base(tmp_path: Path) -> None:
    bundle(tmp_path, "base_200M")
    first = resolve(Request(model_name="chat", init_from_model="base_200M"), tmp_path)
    assert first.mode is Mode.FINE_TUNE and first.base is not None
    bundle(tmp_path, "chat")
    again = resolve(Request(model_name="chat", init_from_model="base_200M"), tmp_path)
    assert again.mode is Mode.RESUME and again.base is None
    assert told(again, "checkpoints/chat exists and is resumed")


@pytest.mark.parametrize("name", ["base_200M", "checkpoints/base_200M", "{workspace}/checkpoints/base_200M"])
def test_a_base_is_a_name_or_a_path_from_the_workspace(tmp_path: Path, name: str) -> None:
    bundle(tmp_path, "base_200M")
    run = resolve(Request(model_name="chat", init_from_model=name.format(workspace=tmp_path)), tmp_path)
    assert run.base is not None and run.base.name == "base_200M"


def test_a_base_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    bundle(tmp_path, "base_200M")
    said = refusal(tmp_path, model_name="chat", init_from_model="base_20M")
    assert "did you mean base_200M?" in said


@pytest.mark.parametrize("kind", ["model", "config"])
def test_a_broken_checkpoint_is_not_begun_anew(tmp_path: Path, kind: str) -> None:
    bundle(tmp_path, "dante")
    (tmp_path / "checkpoints" / "dante" / {"model": "model.pt", "config": "config.json"}[kind]).unlink()
    assert "is missing" in refusal(tmp_path, model_name="dante")


def test_gold_is_resumed_where_asked(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", step=1000)
    bundle(tmp_path, "dante_gold", step=700)
    run = resolve(Request(model_name="dante", resume_from="gold"), tmp_path)
    assert (run.start_step, run.model_name) == (700, "dante")
    assert str(run.values["n_layer"].source) == "checkpoint dante_gold step 700"
    assert "resume_from: must be last or gold" in refusal(tmp_path, model_name="dante", resume_from="best")


def test_what_a_resume_from_gold_drops_is_said(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", step=1000)
    bundle(tmp_path, "dante_gold", step=700)
    (said,) = told(resolve(Request(model_name="dante", resume_from="gold"), tmp_path), "dropped")
    assert said.startswith(
        "the run goes on from its gold at step 700: what it trained up to step 1000 is dropped"
    )
    bundle(tmp_path, "best", step=700)
    bundle(tmp_path, "best_gold", step=700)
    assert resolve(Request(model_name="best", resume_from="gold"), tmp_path).notices == []


def test_the_gold_of_an_earlier_run_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    bundle(tmp_path, "dante_gold", step=700)
    said = "checkpoints/dante_gold is left from an earlier run"
    assert any(n.startswith(said) for n in resolve(Request(model_name="dante"), tmp_path).notices)
    for request in (Request(model_name="dante", resume_from="gold"), Request(model_name="other")):
        assert not any(said in n for n in resolve(request, tmp_path).notices)
    bundle(tmp_path, "dante", step=1000)
    assert not any(said in n for n in resolve(Request(model_name="dante"), tmp_path).notices)


def test_gold_that_is_not_there_is_refused(tmp_path: Path) -> None:
    bundle(tmp_path, "dante")
    assert "dante_gold" in refusal(tmp_path, model_name="dante", resume_from="gold")


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("warmup", "total", "steps", "clamped"),
    [("0.05", 1000, 50, False), ("100", 1000, 100, False), ("2000", 1000, 1000, True), ("0", 10, 0, False)],
)
def test_warm_up_is_a_number_or_a_share_and_never_longer_than_the_run(
    tmp_path: Path, warmup: str, total: int, steps: int, clamped: bool
) -> None:
    run = resolve(Request(given={"warmup_iters": warmup, "max_iters": total}), tmp_path)
    assert warmup_steps(run.settings) == steps
    assert bool(told(run, "warmup_iters")) == clamped
    assert str(run.values["warmup_iters"].source) == "command line"


def test_a_broken_number_of_warm_up_steps_is_refused(tmp_path: Path) -> None:
    assert "must be a whole number, or a fraction below 1" in refusal(tmp_path, given={"warmup_iters": "2.5"})


def test_everything_that_is_wrong_with_a_request_is_said_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        model_name="../up",
        config_file="150m",
        given={"learning_rat": "1", "max_iters": "x", "dropout": "3"},
    ).splitlines()
    assert len(said) == 5
    assert "command line: learning_rat: is not a setting; did you mean learning_rate?" in said
    for part in ("max_iters: must be a whole number", "dropout: must be less than 1", "150M", "model_name"):
        assert any(part in line for line in said)


@pytest.mark.parametrize(
    "name",
    ["a/b", "a\\b", "..", "a..b", "x_gold", "x_fp16", "a\x1b[2J", ".hidden", "-x", "a" * 300, "a:b", "x "],
)
def test_names_that_are_no_plain_names_are_refused(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, model_name=name)
    assert said.startswith("model_name: ") and "\x1b" not in said


def test_a_cross_check_does_not_speak_of_values_that_are_wrong_themselves(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        given={"n_head": "x", "n_embd": "385", "freeze_layers": "7", "precision": "fp16", "device": "cpu"},
    )
    assert said.splitlines() == [
        "command line: n_head: must be a whole number (got 'x')",
        "command line: freeze_layers: the model has only 6 layers (got 7)",
        "command line: precision: fp16 needs a GPU (got 'fp16'); use bf16 or fp32 on a CPU",
    ]


def test_what_does_not_fit_together_names_where_it_comes_from(tmp_path: Path) -> None:
    file = preset(tmp_path, curriculum=None, freeze_layers=5)
    assert refusal(tmp_path, config_file=file, given={"freeze_layers": "9"}).startswith(
        "command line: freeze_layers: "
    )
    bundle(tmp_path, "base_200M", n_layer=2)
    said = refusal(tmp_path, model_name="c", config_file=file, init_from_model="base_200M")
    assert said == "preset mine: freeze_layers: the model has only 2 layers (got 5)"


def test_a_survey_tells_what_is_sure_beside_what_is_wrong(tmp_path: Path) -> None:
    found = survey(Request(config_file="none", given={"max_iters": "7", "dropout": "x"}), tmp_path)
    assert found.resolved is not None and found.resolved.settings.max_iters == 7
    assert {"dropout", "n_layer", "input_file"} <= found.unsure and "max_iters" not in found.unsure
    assert len(found.problems) == 2
    assert survey(Request(), tmp_path).problems == () and survey(Request(), tmp_path).unsure == frozenset()


@pytest.mark.parametrize("field", ["config_file", "init_from_model"])
def test_an_empty_name_is_not_taken_for_none(tmp_path: Path, field: str) -> None:
    assert refusal(tmp_path, **{field: ""}).startswith(f"{field}: ")


def test_an_empty_path_is_not_taken_for_none(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, given={"input_file": ""}) == "command line: input_file: must not be empty (got '')"
    )


def test_a_name_that_the_file_system_takes_for_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, "dante")
    plain_stat = Path.stat

    def folded(path: Path, **how: bool) -> Any:
        # What macOS does, and Windows: Dante and dante are one folder.
        return plain_stat(path.with_name("dante") if path.name == "Dante" else path, **how)

    monkeypatch.setattr(Path, "stat", folded)
    said = refusal(tmp_path, model_name="Dante")
    assert said.startswith(
        "model_name: this file system takes it for dante, which is there already (got 'Dante')"
    )
    assert resolve(Request(model_name="dante"), tmp_path).mode is Mode.RESUME


def test_a_request_becomes_a_preset_that_asks_for_the_same(tmp_path: Path) -> None:
    file = preset(tmp_path, curriculum={"phases": [{"name": "a", "dataset_dir": "d"}]}, learning_rate=1e-3)
    given = {"batch_size": "8", "input_file": "a.txt", "warmup_iters": "10%", "eval_sets": "general=data/g"}
    values = preset_values(Request(config_file=file, given=given), tmp_path)
    assert values["description"].startswith("mine with batch_size=8, input_file=a.txt")
    assert values["batch_size"] == 8 and values["learning_rate"] == 1e-3 and "curriculum" not in values
    assert (values["warmup_iters"], values["eval_sets"]) == (0.1, {"general": "data/g"})
    bare = preset_values(Request(given={"n_layer": "2"}), tmp_path)
    assert set(SHAPE) <= set(bare) and bare["n_layer"] == 2
    with pytest.raises(UserError) as caught:
        preset_values(Request(config_file="none", given={"n_layer": "x"}), tmp_path)
    assert len(caught.value.problems) == 2


def test_a_name_that_was_mistyped_is_not_trained_in_silence(tmp_path: Path) -> None:
    bundle(tmp_path, "dante")
    said = resolve(Request(model_name="dnate", given={"max_iters": "2000"}), tmp_path).notices
    assert said == [
        "there is no checkpoint dnate to resume (did you mean dante?): a new model is trained, on the built-in stories"
    ]
    for meant in (
        Request(model_name="new", given={"input_file": "builtin:stories"}),
        Request(model_name="new", config_file="tiny_char"),
        Request(given={"max_iters": "20"}),
    ):
        assert not any("to resume" in notice for notice in resolve(meant, tmp_path).notices)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"max_iters": "3000"},
            "the learning rate goes on at 9.55e-4, after 1e-4 at step 440: its cosine now ends at 3000, not at 440; the "
            "loss may rise at first; --learning_rate 0.0001 goes on where it was",
        ),
        ({"max_iters": "3000", "learning_rate": "0.0001"}, ""),
        ({"max_iters": "441"}, ""),
        ({"max_iters": "440"}, ""),
        ({}, ""),
        ({"learning_rate": "0.01"}, ""),
    ],
)
def test_a_learning_rate_that_does_not_go_on_where_it_was_is_said(
    tmp_path: Path, given: dict[str, str], said: str
) -> None:
    bundle(tmp_path, "dante", step=440, learning_rate=0.001, max_iters=440, warmup_iters=10)
    run = resolve(Request(model_name="dante", given=given), tmp_path)
    assert told(run, "the learning rate goes on") == ([said] if said else [])


def test_a_learning_rate_that_falls_faster_is_said(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", step=440, learning_rate=0.001, max_iters=4000, warmup_iters=10)
    (said,) = told(resolve(Request(model_name="dante", given={"max_iters": "500"}), tmp_path), "goes on at")
    assert said == (
        "the learning rate goes on at 1.32e-4, after 9.74e-4 at step 440: its cosine now ends at 500, not at 4000"
    )
    spoilt: list[tuple[str, object]] = [
        ("max_iters", "many"),
        ("max_iters", None),
        ("warmup_iters", []),
        ("max_iters", 10**299),
    ]
    for name, broken in spoilt:
        state = tmp_path / "checkpoints" / "dante" / "training_state.json"
        content = json.loads(state.read_text())
        state.write_text(
            json.dumps({**content, "training_config": {**content["training_config"], name: broken}})
        )
        again = resolve(Request(model_name="dante", given={"max_iters": "500"}), tmp_path)
        assert not told(again, "goes on at"), (name, broken)
