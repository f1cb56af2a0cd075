from __future__ import annotations

from typing import Any

import pytest

from mypt.settings import fields
from mypt.settings.fields import Settings
from mypt.settings.problems import validate


def one(name: str, value: Any, *, strict: bool = False) -> tuple[Any, str]:
    """What a single value becomes, and what is said against it."""
    values, problems = validate({name: value}, where="command line", strict=strict)
    assert len(problems) <= 1
    return values.get(name), str(problems[0]) if problems else ""


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_iters", "1e5", 100_000),
        ("max_iters", "50_000", 50_000),
        ("max_iters", "50 000", 50_000),
        ("max_iters", " 7 ", 7),
        ("learning_rate", "3e-4", 3e-4),
        ("warmup_iters", "5%", 0.05),
        ("warmup_iters", "0.05", 0.05),
        ("warmup_iters", "100", 100),
        ("bias", "true", True),
        ("bias", "no", False),
        ("device", "cuda:1", "cuda:1"),
        ("eval_sets", "general=data/a, code=data/b", {"general": "data/a", "code": "data/b"}),
        ("eval_sets", '{"general": "data/a,b"}', {"general": "data/a,b"}),
    ],
)
def test_text_is_taken_as_people_type_it(name: str, text: str, value: Any) -> None:
    assert one(name, text) == (value, "")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_iters", "many", "max_iters: must be a whole number (got 'many')"),
        ("max_iters", "2.5", "must be a whole number"),
        ("max_iters", "0", "must be at least 1"),
        ("max_iters", "9" * 50, "must be at most 1000000000000"),
        ("learning_rate", "nan", "must be a finite number"),
        ("learning_rate", "0", "must be more than 0"),
        ("dropout", "1", "must be less than 1"),
        ("dropout", "-0.1", "must be at least 0"),
        ("tokenization", "char2", "must be one of char, gpt2 or bpe (got 'char2'); did you mean char?"),
        ("device", "gpu", "must be auto, cpu, cuda, cuda:<number> or mps"),
        ("bias", "perhaps", "must be true or false"),
        ("log_file", "a\0b", "cannot name a file: it holds a zero byte (got 'a\\x00b')"),
        ("eval_sets", "general=a\0b", "it holds a zero byte"),
        ("eval_sets", "general=data/a,code", "must be an object"),
        ("curriculum", "{not json", "must be an object"),
        ("gold_selection", '{"guards": {"overfit": 3}}', "guards.overfit: is not known"),
        ("curriculum", '{"phases": []}', "curriculum.phases: must not be empty"),
    ],
)
def test_what_cannot_be_is_said_with_the_value(name: str, value: str, message: str) -> None:
    typed, said = one(name, value)
    assert typed is None
    assert message in said
    assert said.startswith(f"command line: {name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_iters", "100"),
        ("max_iters", True),
        ("learning_rate", "3e-4"),
        ("dropout", False),
        ("bias", "true"),
        ("bias", 1),
        ("warmup_iters", "5%"),
        ("warmup_iters", True),
        ("input_file", 5),
        ("eval_sets", "general=data/a"),
    ],
)
def test_in_json_a_number_is_a_number(name: str, value: Any) -> None:
    typed, said = one(name, value, strict=True)
    assert typed is None and said.startswith(f"command line: {name}: must be")


@pytest.mark.parametrize(("name", "value", "typed"), [("max_iters", 100.0, 100), ("learning_rate", 1, 1.0)])
def test_json_has_one_kind_of_number(name: str, value: Any, typed: Any) -> None:
    assert one(name, value, strict=True) == (typed, "")


def test_all_problems_come_at_once_and_the_rest_is_kept() -> None:
    values, problems = validate(
        {"max_iters": "x", "dropout": 2, "n_layer": "4", "bias": "maybe"}, where="", strict=False
    )
    assert {p.field for p in problems} == {"max_iters", "dropout", "bias"}
    assert values == {"n_layer": 4}


@pytest.mark.parametrize("name", fields.names())
def test_every_setting_says_what_it_is(name: str) -> None:
    assert len(fields.help_text(name)) > 10
    assert fields.rule(name) in fields.Rule
    assert fields.group(name) in fields.Group
    default = fields.default(name)
    if default is not None:
        assert one(name, default, strict=True) == (default, "")
    for word in fields.choices(name):
        assert one(name, word)[1] == ""


def test_the_defaults_are_a_run() -> None:
    from mypt.settings.checks import cross_checks

    assert cross_checks(Settings().model_dump()) == []
