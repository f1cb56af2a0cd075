"""The command line that means the same as a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt.cli import train as train_command
from mypt.settings import fields
from mypt.settings.resolve import Request, resolve
from tests.settings.ground import CURRICULUM, bundle, preset

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
