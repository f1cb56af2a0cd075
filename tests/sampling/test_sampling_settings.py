"""How a text is drawn, as people type it."""

from __future__ import annotations

import pytest

from mypt.errors import UserError
from mypt.generate import Sampling
from mypt.sampling.settings import FIELDS, Settings, parse, problem_of


def test_nothing_typed_means_the_defaults() -> None:
    assert parse({}) == Settings()
    assert parse({field.name: "  " for field in FIELDS}) == Settings()


def test_what_an_empty_field_shows_is_what_it_means() -> None:
    shown = {field.name: field.unset for field in FIELDS if field.name != "seed"}
    assert parse(shown) == Settings()


def test_everything_typed() -> None:
    given = {
        "temperature": "0",
        "top_k": "40",
        "top_p": "0.9",
        "repetition_penalty": "1.2",
        "max_new_tokens": "1_000",
        "seed": str(2**63 - 1),
    }
    wanted = Settings(
        temperature=0.0, top_k=40, top_p=0.9, repetition_penalty=1.2, max_new_tokens=1000, seed=2**63 - 1
    )
    assert parse(given) == wanted


WRONG = {
    "temperature": ["-1", "hot", "nan", "inf", "1e999"],
    "top_k": ["0", "-3", "2.5", "many"],
    "top_p": ["0", "1.1", "nan", "x"],
    "repetition_penalty": ["0", "-1", "inf"],
    "max_new_tokens": ["0", "-5", "1000001", "1.5", "ten"],
    "seed": ["-1", str(2**63), "0.5", "dice"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_what_means_nothing_is_refused_with_what_would_be_right(name: str, text: str) -> None:
    assert problem_of(name, text).startswith("must be ")
    with pytest.raises(UserError, match=f"{name}: must be .*got '{text}'"):
        parse({name: text})


def test_all_problems_come_at_once() -> None:
    with pytest.raises(UserError) as refused:
        parse({"temperature": "x", "top_k": "0", "seed": "1"})
    assert [problem.field for problem in refused.value.problems] == ["temperature", "top_k"]


def test_what_passes_here_passes_where_it_is_drawn() -> None:
    for given in ({"temperature": "0"}, {"top_k": "1"}, {"top_p": "1"}, {"repetition_penalty": "0.01"}):
        s = parse(given)
        Sampling(s.temperature, s.top_k, s.top_p, s.repetition_penalty)
