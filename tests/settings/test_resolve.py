from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt.cli import train as train_command
from mypt.errors import UserError
from mypt.settings import fields
from mypt.settings.resolve import Mode, Request, Resolved, as_text, resolve, warmup_steps

SHAPE: dict[str, Any] = {
    "batch_size": 4,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 16,
    "n_head": 2,
    "n_layer": 1,
    "dropout": 0.1,
    "bias": False,
}


def bundle(workspace: Path, name: str, *, step: int = 1000, chars: str = "", **values: Any) -> None:
    """A checkpoint as far as settings look into it."""
    folder = workspace / "checkpoints" / name
    folder.mkdir(parents=True)
    config = {**SHAPE, "device": "cpu", **{k: v for k, v in values.items() if k in SHAPE or k in _VARIANTS}}
    training = {k: v for k, v in values.items() if k not in config}
    tokenizer = {"token_kind": "char", "chars": list(chars)} if chars else {"token_kind": "gpt2"}
    state = {"step": step, "training_config": {"input_file": "input.txt", **training}}
    for file, content in (("config", config), ("training_state", state), ("tokenizer", tokenizer)):
        (folder / f"{file}.json").write_text(json.dumps(content))
    (folder / "model.pt").write_bytes(b"weights")


_VARIANTS = (
    "pos_encoding",
    "mlp_type",
    "norm_type",
    "tie_weights",
    "rope_scale",
    "rope_theta",
    "use_loss_mask",
)


def preset(workspace: Path, name: str = "mine", **values: Any) -> str:
    (workspace / "configs").mkdir(exist_ok=True)
    (workspace / "configs" / f"{name}.json").write_text(json.dumps({**SHAPE, **values}))
    return name


def refusal(workspace: Path, **request: Any) -> str:
    with pytest.raises(UserError) as caught:
        resolve(Request(**request), workspace)
    return str(caught.value)


def told(run: Resolved, name: str) -> list[str]:
    return [notice for notice in run.notices if name in notice]


# ── where a value comes from ────────────────────────────────────────────────────────────────────────────────────

P, G, C, B, D = "preset mine", "command line", "checkpoint dante step 1000", "base model base_200M", "default"

# A setting of each rule, its value in: preset, command line, checkpoint, base model.
OFFERS: dict[str, tuple[Any, Any, Any, Any]] = {
    "n_layer": (1, 2, 3, 4),
    "pos_encoding": ("rope", "learned", "rope", "learned"),
    "tie_weights": (True, False, True, False),
    "block_size": (16, 32, 64, 128),
    "rope_scale": (1.5, 2.0, 3.0, 4.0),
    "dropout": (0.1, 0.2, 0.3, 0.4),
    "batch_size": (4, 5, 6, 7),
    "use_loss_mask": (True, False, True, False),
    "learning_rate": (1e-4, 2e-4, 3e-4, 4e-4),
    "eval_interval": (10, 20, 30, 40),
    "sample_prompt": ("a", "b", "c", "d"),
}

# For each situation, who is heard first. A base model's training settings are its own history, and no offer.
ORDERS: dict[tuple[Mode, str], str] = {
    (Mode.NEW, "n_layer"): "PG",
    (Mode.NEW, "pos_encoding"): "PG",
    (Mode.NEW, "tie_weights"): "PG",
    (Mode.NEW, "block_size"): "PG",
    (Mode.NEW, "rope_scale"): "PG",
    (Mode.NEW, "dropout"): "PG",
    (Mode.NEW, "batch_size"): "PG",
    (Mode.NEW, "use_loss_mask"): "PG",
    (Mode.NEW, "learning_rate"): "GP",
    (Mode.NEW, "eval_interval"): "GP",
    (Mode.NEW, "sample_prompt"): "GP",
    (Mode.RESUME, "n_layer"): "C",
    (Mode.RESUME, "pos_encoding"): "C",
    (Mode.RESUME, "tie_weights"): "C",
    (Mode.RESUME, "block_size"): "C",
    (Mode.RESUME, "rope_scale"): "C",
    (Mode.RESUME, "dropout"): "GC",
    (Mode.RESUME, "batch_size"): "GC",
    (Mode.RESUME, "use_loss_mask"): "GC",
    (Mode.RESUME, "learning_rate"): "GC",
    (Mode.RESUME, "eval_interval"): "GC",
    (Mode.RESUME, "sample_prompt"): "GC",
    (Mode.FINE_TUNE, "n_layer"): "B",
    (Mode.FINE_TUNE, "pos_encoding"): "B",
    (Mode.FINE_TUNE, "tie_weights"): "B",
    (Mode.FINE_TUNE, "block_size"): "PGB",
    (Mode.FINE_TUNE, "rope_scale"): "PGB",
    (Mode.FINE_TUNE, "dropout"): "PGB",
    (Mode.FINE_TUNE, "batch_size"): "PGB",
    (Mode.FINE_TUNE, "use_loss_mask"): "PGB",
    (Mode.FINE_TUNE, "learning_rate"): "GP",
    (Mode.FINE_TUNE, "eval_interval"): "GP",
    (Mode.FINE_TUNE, "sample_prompt"): "GP",
}
ALWAYS = {"RESUME": "C", "FINE_TUNE": "B", "NEW": ""}
CASES = [(mode, name, present) for (mode, name) in ORDERS for present in ("", "P", "G", "PG")]


@pytest.mark.parametrize(("mode", "name", "present"), CASES)
def test_precedence(tmp_path: Path, mode: Mode, name: str, present: str) -> None:
    of_preset, of_flag, of_checkpoint, of_base = OFFERS[name]
    everything = {"n_embd": 48, "n_head": 2, name: of_checkpoint}
    if mode is Mode.RESUME:
        bundle(tmp_path, "dante", **everything)
    if mode is Mode.FINE_TUNE:
        bundle(tmp_path, "base_200M", **{**everything, name: of_base})
    # Every preset has the eight required fields, so without `P` there is none.
    file = preset(tmp_path, **{name: of_preset}) if "P" in present else None
    run = resolve(
        Request(
            model_name="dante",
            config_file=file,
            init_from_model="base_200M" if mode is Mode.FINE_TUNE else None,
            given={name: as_text(of_flag)} if "G" in present else {},
        ),
        tmp_path,
    )
    assert run.mode is mode
    heard = [who for who in ORDERS[mode, name] if who in present + ALWAYS[mode.name]]
    value, source = {
        "P": (of_preset, P),
        "G": (of_flag, G),
        "C": (of_checkpoint, C),
        "B": (of_base, B),
        "D": (fields.default(name), D),
    }[heard[0] if heard else "D"]
    effective = run.values[name]
    assert (effective.value, str(effective.source)) == (value, source)
    assert getattr(run.settings, name) == value
    if "G" in present:
        loses = heard[0] != "G" and value != of_flag
        said = [
            n for n in run.notices if n.startswith(f"{name}={as_text(of_flag)} (command line) is ignored: ")
        ]
        assert bool(said) == loses
        assert all(f"{source} has {as_text(value)}" in line for line in said)


@pytest.mark.parametrize("flag", [None, "cpu"])
def test_the_device_is_never_the_checkpoints(tmp_path: Path, flag: str | None) -> None:
    bundle(tmp_path, "dante")
    config = tmp_path / "checkpoints" / "dante" / "config.json"
    config.write_text(config.read_text().replace('"cpu"', '"cuda:7"'))
    run = resolve(Request(model_name="dante", given={"device": flag} if flag else {}), tmp_path)
    assert run.settings.device == (flag or "auto")
    assert (
        resolve(Request(model_name="new", config_file=preset(tmp_path, device="mps")), tmp_path)
        .values["device"]
        .source.kind
        == "preset"
    )


@pytest.mark.parametrize("name", ["dropout", "batch_size", "use_loss_mask"])
def test_a_flag_that_ends_exactness_says_so(tmp_path: Path, name: str) -> None:
    of_flag, of_checkpoint = OFFERS[name][1:3]
    bundle(tmp_path, "dante", **{name: of_checkpoint})
    run = resolve(Request(model_name="dante", given={name: of_flag}), tmp_path)
    (said,) = told(run, "no exact continuation")
    assert said.startswith(f"{name} changes from {as_text(of_checkpoint)} (checkpoint dante step 1000) to ")
    same = resolve(Request(model_name="dante", given={name: of_checkpoint}), tmp_path)
    assert told(same, name) == []


def test_an_edited_preset_is_not_silently_ignored_on_a_resume(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", learning_rate=3e-4, n_layer=3, warmup_iters=250, eval_interval=20)
    file = preset(tmp_path, learning_rate=1e-4, n_layer=1, warmup_iters=0.05, eval_interval=20)
    run = resolve(Request(model_name="dante", config_file=file), tmp_path)
    assert run.settings.learning_rate == 3e-4
    (rate,) = told(run, "learning_rate")
    assert rate == (
        "learning_rate=0.0001 (preset mine) is ignored: checkpoint dante step 1000 has 0.0003; "
        "--learning_rate changes it"
    )
    (layers,) = told(run, "n_layer")
    assert layers == "n_layer=1 (preset mine) is ignored: checkpoint dante step 1000 has 3"
    assert told(run, "warmup_iters") == told(run, "eval_interval") == []


def test_the_same_command_again_has_nothing_to_tell(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", learning_rate=1e-4, max_iters=100)
    file = preset(tmp_path, learning_rate=1e-4)
    run = resolve(Request(model_name="dante", config_file=file, given={"max_iters": "100"}), tmp_path)
    assert run.mode is Mode.RESUME and run.notices == []


def test_a_saved_wish_does_not_beat_the_shape_of_the_weights(tmp_path: Path) -> None:
    # A char model's vocabulary is its text's, whatever its preset asked for.
    bundle(tmp_path, "dante", vocab_size=29, chars="ab")
    state = tmp_path / "checkpoints" / "dante" / "training_state.json"
    value = json.loads(state.read_text())
    value["training_config"] |= {"vocab_size": 256, "n_layer": 9}
    state.write_text(json.dumps(value))
    run = resolve(Request(model_name="dante"), tmp_path)
    assert (run.config.vocab_size, run.config.n_layer) == (29, 1)


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


def test_another_tokenizer_than_the_bases_is_refused(tmp_path: Path) -> None:
    bundle(tmp_path, "base_200M")
    said = refusal(tmp_path, model_name="c", init_from_model="base_200M", given={"tokenization": "char"})
    assert "tokenization: the base model base_200M was trained on gpt2 tokens (got 'char')" in said


def test_another_tokenizer_is_ignored_and_said_on_a_resume(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", chars="ab")
    run = resolve(Request(model_name="dante", given={"tokenization": "gpt2"}), tmp_path)
    assert run.settings.tokenization == "char"
    assert told(run, "tokenization=gpt2 (command line) is ignored")


# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────

CURRICULUM = {
    "phases": [
        {"name": "one", "dataset_dir": "data/one", "until_iter": 5},
        {"name": "two", "dataset_dir": "d"},
    ]
}


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


# ── the command line that means the same ────────────────────────────────────────────────────────────────────────

_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
_PATH = st.text(
    st.characters(whitelist_categories=("L", "N"), whitelist_characters=" -_./=,{"), min_size=1, max_size=12
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "n_layer": st.integers(1, 50),
    "n_embd": st.sampled_from([12, 24, 384]),
    "dropout": st.floats(0, 0.9),
    "bias": st.booleans(),
    "tie_weights": st.booleans(),
    "learning_rate": st.floats(1e-9, 10),
    "max_iters": st.integers(1, 10**12),
    "warmup_iters": st.one_of(st.integers(0, 10**6), st.floats(0.001, 0.999)),
    "seed": st.integers(0, 2**63 - 1),
    "sample_prompt": _TEXT,
    "log_file": _PATH,
    "input_file": _PATH,
    "eval_sets": st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_]{0,5}\Z"), _PATH, min_size=1, max_size=3),
    "tokenization": st.sampled_from(["char", "gpt2"]),
    "precision": st.sampled_from(["auto", "fp32"]),
    "save_every": st.integers(1, 1000),
}


def parsed(argv: list[str]) -> Request:
    """What `mypt train` makes of an argument list."""
    from mypt.cli import Parser, _with_underscores

    parser = Parser(prog="mypt train", allow_abbrev=False)
    train_command.add_arguments(parser)
    return train_command.request_of(parser.parse(_with_underscores(argv)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.fixed_dictionaries({}, optional=VALUES), reset=st.booleans())
def test_the_shown_command_line_means_the_same(tmp_path: Path, wanted: dict[str, Any], reset: bool) -> None:
    run = resolve(Request(model_name="dante", reset_optimizer=reset, given=wanted), tmp_path)
    again = resolve(parsed(run.argv()), tmp_path)
    assert {n: e.value for n, e in again.values.items()} == {n: e.value for n, e in run.values.items()}
    assert again.argv() == run.argv()
    assert again.request.reset_optimizer is reset


def test_the_shown_command_line_is_short(tmp_path: Path) -> None:
    bundle(tmp_path, "base_200M")
    request = Request(
        model_name="chat",
        config_file=preset(tmp_path),
        init_from_model="base_200M",
        given={"learning_rate": "3e-5", "use_amp": False, "sample_prompt": "--x"},
    )
    assert resolve(request, tmp_path).argv() == [
        *("--config_file", "mine", "--model_name", "chat", "--init_from_model", "base_200M"),
        *("--learning_rate", "3e-5", "--use_amp", "false", "--sample_prompt=--x"),
    ]


def test_a_path_with_spaces_around_survives_the_command_line(tmp_path: Path) -> None:
    run = resolve(Request(given={"eval_sets": {"a": "x ", "b": " y"}}), tmp_path)
    assert resolve(parsed(run.argv()), tmp_path).settings.eval_sets == {"a": "x ", "b": " y"}


def test_a_curriculum_survives_the_command_line(tmp_path: Path) -> None:
    run = resolve(Request(model_name="a", given={"curriculum": CURRICULUM}), tmp_path)
    again = resolve(parsed(run.argv()), tmp_path)
    assert again.settings.curriculum == run.settings.curriculum is not None


def test_the_flags_of_a_parser_are_the_settings() -> None:
    parser = argparse.ArgumentParser()
    train_command.add_arguments(parser)
    flags = {option.removeprefix("--") for action in parser._actions for option in action.option_strings}
    assert set(fields.names()) <= flags
