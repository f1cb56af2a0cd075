from __future__ import annotations

import math
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.settings import fields
from mypt.settings.problems import validate
from mypt.text import printable
from mypt.watch import facts
from mypt.watch.facts import Kind, Look
from mypt.watch.query import Query, QueryError, begins_a_name, number, parse, span, states, switch

DANTE: dict[str, Any] = {
    "name": "dante_150M",
    "state": RunState.RUNNING,
    "phase": "balanced",
    "learning_rate": 3e-4,
    "n_layer": 16,
    "dropout": 0.1,
    "bias": False,
    "mlp_type": "swiglu",
    "input_file": "data/Divina Commedia.txt",
    "val": 2.318,
    "progress": 0.41,
    "age": 95.0,
    "eta": 11_520.0,
    "params": 152_100_000,
    "base": None,
    "eval.general": 2.41,
    "odd_field": "Strange",
    "odd_number": 7,
    "odd_switch": True,
}
MORE = ("eval.general", "odd_field", "odd_number", "odd_switch")


def of(values: dict[str, Any]) -> Look:
    return values.get


def holds(text: str, values: dict[str, Any] = DANTE) -> bool:
    return parse(text, MORE).holds(of(values))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "dante",
        "DANTE",
        "150m",
        "dan*150*",
        '"dante_150M"',
        "-exp",
        "!state:finished",
        "-state:finished,failed",
        "learning_rate>=1e-4 state:running dante",
        "learning_rate >= 3e-4",
        "learning_rate=0.0003",
        "learning_rate==3e-4",
        "learning-rate<=0.0003",
        "LEARNING_RATE>0.02%",
        "n_layer:8,16",
        "n_layer!=8",
        "n_layer!=8,12",
        "bias=no",
        "bias:off",
        "-bias=true",
        "mlp_type=SwiGLU",
        "mlp_type:swi",
        "mlp_type=swi*",
        "input_file:commedia",
        'input_file="data/Divina Commedia.txt"',
        "input_file:'divina commedia'",
        "val<2.5 val>2",
        "val_loss<2.5",
        "progress>=40%",
        "progress<0.5",
        "age<2m",
        "age>90",
        "eta<=3h12m",
        'eta="3h 12m"',
        "params>100M",
        "params<0.2B",
        "params=152_100_000",
        "params='152 100 000'",
        "base=none",
        "-base:*",
        "phase:bal",
        "state:run",
        "state=RUNNING",
        "eval.general<2.5",
        "odd_field=strange",
        "odd_field:rang",
        "odd_number>=7",
        "odd_switch=yes",
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "beatrice",
        "dante beatrice",
        "-dante",
        "dante*x",
        "learning_rate>3e-4",
        "learning_rate<1e-4",
        "n_layer:8,12",
        "n_layer!=16",
        "n_layer!=8,16",
        "bias=true",
        "mlp_type=swi",
        "mlp_type!=swiglu",
        "state:failed,finished",
        "base:tales",
        "base!=none",
        "age>2m",
        # What a run does not have is in no order to anything.
        "gold<100",
        "gold>0",
        "gold=2",
        "odd_field>3",
        "odd_number<7",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not holds(text)


def test_an_unknown_value_differs_from_every_value() -> None:
    assert holds("gold!=2")
    assert holds("gold=none")
    assert holds("-gold>0")


def test_a_loss_that_is_no_number_is_found_as_such() -> None:
    values = DANTE | {"val": math.nan}
    assert holds("val=nan", values)
    assert not holds("val<5", values)
    assert not holds("val>=0", values)


@pytest.mark.parametrize(
    ("text", "start", "end", "said"),
    [
        ("learning_rat>1", 0, 12, "learning_rat: no such setting or result; did you mean learning_rate?"),
        ("dante learing_rate>1", 6, 18, "did you mean learning_rate?"),
        ("nonsense:3", 0, 8, "nonsense: no such setting or result"),
        ("eval.code<3", 0, 9, "eval.code: no such eval set; there are eval.general"),
        ("state:runing", 6, 12, "no such state: runing; did you mean running?"),
        ("dropout>", 0, 8, "a value is missing after dropout>"),
        ("dropout>=  ", 0, 11, "a value is missing after dropout>="),
        ("n_layer:4,", 0, 10, "a value is missing"),
        ("learning_rate>=fast", 15, 19, "learning_rate: fast is not a number"),
        ("age<soon", 4, 8, "age: soon is no time; write 90s, 5m, 2h or 3d"),
        ("bias=perhaps", 5, 12, "bias: perhaps is neither true nor false"),
        ("compile=offf", 8, 12, "compile: offf is none of auto, on, off"),
        ("mlp_type>gelu", 0, 9, "mlp_type is a text: compare it with = or :"),
        ("state<running", 0, 6, "state has no order"),
        (">=3", 0, 3, "a name is missing before it"),
        ('x "open', 2, 7, "the quotation is not closed"),
        ("- dante", 0, 7, "nothing follows that is to be left out"),
        ("\x1b[2J>3", 0, 4, "\\x1b[2J: no such setting"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, start: int, end: int, said: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(text, MORE)
    assert said in str(error.value)
    assert str(error.value).endswith(f"(character {start + 1})")
    assert (error.value.start, error.value.end) == (start, end)
    assert isinstance(error.value, UserError)


def test_names_that_only_logs_know() -> None:
    with pytest.raises(QueryError):
        parse("odd_field=x")
    assert parse("odd_field=x", ["odd_field"]).terms[0].kind is Kind.ANY
    # A filter that was kept from another day is understood before any log is read.
    assert parse("odd_field=x", None).terms[0].kind is Kind.ANY


def test_every_setting_and_result_can_be_asked_for() -> None:
    for name in facts.names():
        term = parse(f"{name}=none").terms[0]
        assert term.name == name
        assert term.kind is not Kind.ANY
    assert not set(facts.RESULTS) & set(fields.names())
    assert not set(facts.ALIASES) & set(facts.names())
    assert set(facts.ALIASES.values()) <= set(facts.RESULTS)


def test_kinds_follow_from_the_settings() -> None:
    kinds = {name: facts.kind_of(name) for name in facts.names()}
    assert kinds["learning_rate"] is kinds["warmup_iters"] is kinds["pad_token_id"] is Kind.NUMBER
    assert kinds["bias"] is kinds["epoch_shuffle"] is Kind.SWITCH
    assert kinds["mlp_type"] is kinds["input_file"] is kinds["curriculum"] is Kind.TEXT
    assert kinds["eta"] is kinds["age"] is Kind.SPAN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("50_000", 50_000),
        ("50 000", 50_000),
        ("50\u202f000", 50_000),
        ("10%", 0.1),
        ("12.5k", 12_500),
        ("1.2M", 1.2e6),
        ("0.7B", 0.7e9),
        ("-3", -3),
        (".5", 0.5),
        ("inf", math.inf),
        ("k", None),
        ("", None),
        ("1e", None),
        ("many", None),
        ("1e400", math.inf),
    ],
)
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == (pytest.approx(value) if value is not None else None)


@pytest.mark.parametrize("text", ["50_000", "1e5", "5 000", "3", "+7", "1\u202f000"])
def test_whole_numbers_are_those_that_settings_take(text: str) -> None:
    typed, problems = validate({"max_iters": text}, where="", strict=False)
    assert not problems
    assert typed["max_iters"] == number(text)


@pytest.mark.parametrize("text", ["1e-4", "0.25", ".5", "3", "+7", "1_0.5"])
def test_numbers_are_those_that_settings_take(text: str) -> None:
    typed, problems = validate({"weight_decay": text}, where="", strict=False)
    assert problems or typed["weight_decay"] == number(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("3h 12m", 11_520), ("1.5d", 129_600), ("1w", 604_800)],
)
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5x", "m", "-3", "5m3"])
def test_what_is_no_span(text: str) -> None:
    assert span(text) is None


def test_truth_has_the_words_of_the_settings() -> None:
    for word in ("true", "False", "yes", "no", "on", "off", "1", "0"):
        typed, problems = validate({"bias": word}, where="", strict=False)
        assert not problems
        assert switch(word) is typed["bias"]


def test_states_are_told_by_their_beginning() -> None:
    assert states("st") == (RunState.STARTING, RunState.STOPPED, RunState.STALLED)
    assert states("last seen") == states("LAST-SEEN") == (RunState.LAST_SEEN,)
    assert states("x") == states("") == ()


def test_a_word_that_may_become_a_name() -> None:
    assert begins_a_name("dante learning_r")
    assert begins_a_name("-va")
    assert not begins_a_name("dante ")
    assert not begins_a_name("")
    assert not begins_a_name("beatrice")


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────────────────────

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
words = st.text(string.ascii_letters + string.digits + "_.", min_size=1, max_size=12)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_in_a_sentence(text: str) -> None:
    try:
        query = parse(text, MORE)
    except QueryError as error:
        assert 0 <= error.start <= error.end <= len(text)
        assert printable(str(error)) == str(error)
    else:
        assert query.holds(of(DANTE)) in (True, False)


@given(numbers, numbers)
def test_comparisons_are_those_of_numbers(have: float, wanted: float) -> None:
    values = {"val": have}
    close = math.isclose(have, wanted, rel_tol=1e-9)
    assert holds(f"val<{wanted!r}", values) is (have < wanted and not close)
    assert holds(f"val>={wanted!r}", values) is (have >= wanted or close)
    assert holds(f"val<={wanted!r}", values) is (not holds(f"val>{wanted!r}", values))
    assert holds(f"val={wanted!r}", values) is (not holds(f"val!={wanted!r}", values))


@given(words, words)
def test_a_quoted_word_is_part_of_the_name_or_not(name: str, part: str) -> None:
    values = {"name": name}
    assert holds(f'"{part}"', values) is (part.casefold() in name.casefold())
    assert holds(f'name="{part}"', values) is (part.casefold() == name.casefold())


@given(st.sampled_from(["dante", "n_layer>8", "state:run", "bias=yes", "val!=2", "base:none"]))
def test_turning_a_word_round_twice(word: str) -> None:
    assert holds(f"-{word}") is (not holds(word))


@given(st.lists(st.sampled_from(["dante", "n_layer>8", "state:fin", "-exp", "val<2", "age<2m"]), max_size=5))
def test_every_word_must_hold_in_any_order(some: list[str]) -> None:
    assert holds(" ".join(some)) is all(holds(word) for word in some)
    assert holds(" ".join(reversed(some))) is holds(" ".join(some))


def test_an_empty_filter_is_none() -> None:
    assert not parse(" ")
    assert parse("x")
    assert Query("").holds(of({}))
