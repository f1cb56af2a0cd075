from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.watch import order
from mypt.watch.facts import STATE_ORDER, Look
from mypt.watch.order import Order, arranged, sort_key


def look(item: dict[str, Any]) -> Look:
    return item.get


def names(items: list[dict[str, Any]], by: Order) -> str:
    return "".join(item["id"] for item in arranged(items, by, look))


def test_unknown_values_come_last_in_both_directions() -> None:
    items: list[dict[str, Any]] = [
        {"id": "a", "val": 2.0},
        {"id": "b"},
        {"id": "c", "val": 1.0},
        {"id": "d", "val": math.nan},
        {"id": "e", "val": 2.0},
    ]
    assert names(items, Order("val")) == "caebd"
    # Those that are equal keep their order when it is turned round.
    assert names(items, Order("val", reverse=True)) == "aecbd"


def test_what_is_better_when_high_begins_high() -> None:
    items: list[dict[str, Any]] = [{"id": "a", "tokens_per_sec": 5}, {"id": "b", "tokens_per_sec": 9}]
    assert names(items, Order("tokens_per_sec")) == "ba"
    assert names(items, Order("tokens_per_sec", reverse=True)) == "ab"
    assert names(items, Order("n_layer")) == "ab"


def test_names_are_sorted_as_people_do() -> None:
    items: list[dict[str, Any]] = [
        {"id": str(n), "name": name} for n, name in enumerate(["exp10", "Exp2", "exp1", "dante"])
    ]
    assert names(items, Order("name")) == "3210"


def test_states_are_sorted_by_what_needs_a_look() -> None:
    items = [{"id": state.value[0], "state": state} for state in RunState]
    assert names(items, Order("state")) == "".join(state.value[0] for state in STATE_ORDER)
    assert set(STATE_ORDER) == set(RunState)


@pytest.mark.parametrize("text", ["val", "-val", "loss", "learning-rate", "eval.general", "started"])
def test_names_are_understood(text: str) -> None:
    found = order.parse(text)
    assert found.reverse is text.startswith("-")


def test_a_name_that_nothing_has_is_refused() -> None:
    with pytest.raises(UserError, match=r"learning_rat: nothing to sort by; did you mean learning_rate\?"):
        order.parse("learning_rat")
    with pytest.raises(UserError, match="nothing to sort by; there are name, state"):
        order.parse("")
    assert order.parse("odd", ["odd"]).by == "odd"


mixed = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(RunState)
)


@given(st.lists(mixed), st.booleans())
def test_any_values_can_be_sorted_and_none_is_lost(values: list[Any], reverse: bool) -> None:
    items = [{"id": number, "x": value} for number, value in enumerate(values)]
    found = arranged(items, Order("x", reverse), look)
    assert sorted(item["id"] for item in found) == list(range(len(values)))
    unknown = [sort_key(item["x"]) is None for item in found]
    assert unknown == sorted(unknown)
    assert arranged(found, Order("x", reverse), look) == found
