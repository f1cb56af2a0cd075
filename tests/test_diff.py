"""Checkpoints side by side: what differs, what only looks so, and how it is written down."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mypt import bundle
from mypt.diff import (
    GROUPS,
    MISSING,
    Cell,
    Row,
    Side,
    compare,
    flatten,
    real_parameters,
    same,
    side_of,
    spelled,
    to_csv,
    to_json,
    to_markdown,
    tokenizer_of,
    value_text,
)

CONFIG = {
    "batch_size": 8,
    "block_size": 32,
    "vocab_size": 55,
    "n_embd": 48,
    "n_head": 3,
    "n_layer": 2,
    "dropout": 0.1,
    "bias": False,
}


def rows_of(*sides: Side) -> dict[tuple[str, str], Row]:
    return {(row.group, row.name): row for row in compare(sides)}


def configs(*values: dict[str, Any]) -> dict[str, Row]:
    sides = [Side(f"s{n}", config=CONFIG | value) for n, value in enumerate(values)]
    return {row.name: row for row in compare(sides)}


def trainings(*values: dict[str, Any]) -> dict[str, Row]:
    sides = [Side(f"s{n}", training_state={"training_config": v}) for n, v in enumerate(values)]
    return {row.name: row for row in compare(sides)}


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (3e-4, 0.0003, True),
        (1, 1.0, True),
        (0.0, -0.0, True),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (math.nan, math.nan, True),
        (math.nan, None, False),
        (math.inf, -math.inf, False),
        (None, MISSING, False),
        (MISSING, MISSING, True),
        ("1", 1, False),
        ("a", "a", True),
        ([1, 2.0], [1.0, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ([True], [1], False),
        ({}, {}, True),
        ({}, [], False),
        (2**60 + 1, float(2**60), False),
    ],
)
def test_values_are_compared_by_what_they_mean(a: Any, b: Any, equal: bool) -> None:
    assert same(a, b) is equal
    assert same(b, a) is equal


def test_nesting_beyond_reason_is_different_and_no_error() -> None:
    deep: Any = []
    other: Any = []
    for _ in range(20_000):
        deep, other = [deep], [other]
    assert same(deep, other) is False
    assert len(list(flatten({"a": deep}))) == 1


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        ({"a": 1, "b": {"c": 2, "d": {"e": None}}}, [("a", 1), ("b.c", 2), ("b.d.e", None)]),
        ({"p": [{"n": "x"}, {"n": "y"}]}, [("p[0].n", "x"), ("p[1].n", "y")]),
        ({"betas": [0.9, 0.95]}, [("betas", [0.9, 0.95])]),
        ({"empty": {}, "none": []}, [("empty", {}), ("none", [])]),
        ({"a.b": 1, "a": {"b": 2}}, [('"a.b"', 1), ("a.b", 2)]),
        ({"": 1}, [('""', 1)]),
        ({}, []),
    ],
)
def test_nested_values_get_dotted_names(value: dict[str, Any], flat: list[tuple[str, Any]]) -> None:
    assert list(flatten(value)) == flat


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("learning_rate", 0.0003, "3e-4"),
        ("learning_rate", 1.5e-4, "1.5e-4"),
        ("learning_rate", 0.003, "3e-3"),
        ("weight_decay", 0.1, "0.1"),
        ("rope_theta", 10000.0, "10000"),
        ("dropout", 0.0, "0"),
        ("tie_weights", True, "yes"),
        ("use_loss_mask", False, "no"),
        ("save_every", None, "none"),
        ("step", 36000, "36\u202f000"),
        ("seed", 123456, "123456"),
        ("val_loss", 2.3771234, "2.3771"),
        ("gold.best", 1.1872, "1.1872"),
        ("val_loss", math.nan, "nan"),
        ("parameters", 152_100_000, "152.1M"),
        ("trained_s", 11520.0, "3h 12m"),
        ("size", 399_000_000, "399 MB"),
        ("x", MISSING, "–"),
        ("x", "", '""'),
        ("x", [1, "a", None], "[1, a, none]"),
        ("x", {}, "{}"),
        ("x", "\x1b[31mred\n", "\\x1b[31mred\\x0a"),
        ("x", 10**400, "1000000000000000000000000000000000000000"[:39] + "…"),
    ],
)
def test_values_read_as_people_write_them(name: str, value: Any, text: str) -> None:
    assert value_text(name, value) == text


def test_equal_configs_do_not_differ() -> None:
    assert not any(row.differs for row in configs({}, {}).values())


def test_a_different_value_differs_and_the_rest_does_not() -> None:
    rows = configs({}, {"n_layer": 4})
    assert [name for name, row in rows.items() if row.differs] == ["n_layer"]
    assert rows["n_layer"].texts == ("2", "4")
    assert rows["n_layer"].unlike_first == (False, True)


def test_the_same_number_written_differently_is_the_same() -> None:
    assert not trainings({"learning_rate": 3e-4}, {"learning_rate": 0.0003})["learning_rate"].differs
    assert not configs({"dropout": 0}, {"dropout": 0.0})["dropout"].differs


def test_an_absent_field_has_the_default_of_the_original() -> None:
    row = configs({}, {"tie_weights": False})["tie_weights"]
    assert row.texts == ("no", "no") and row.notes == ("default", "")
    assert not row.differs
    row = configs({}, {"tie_weights": True})["tie_weights"]
    assert row.texts == ("no", "yes")
    assert row.differs


def test_biases_absent_are_true_and_ours_are_false() -> None:
    row = configs({}, {"head_bias": False})["head_bias"]
    assert row.texts == ("yes", "no") and row.notes == ("default", "")


def test_null_in_a_config_means_the_default() -> None:
    row = configs({"rope_theta": None}, {"rope_theta": 10000})["rope_theta"]
    assert not row.differs
    assert row.cells[0] == Cell(10000.0, default=True, source="default")


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [("n_kv_head", 1, 3), ("mlp_hidden", 100, 192), ("norm_eps", 1e-6, 1e-5), ("activation", "relu", "gelu")],
)
def test_defaults_that_follow_from_other_fields_are_worked_out(name: str, value: Any, default: Any) -> None:
    row = configs({}, {name: value})[name]
    assert row.cells[0] == Cell(default, default=True, source="default")
    assert row.differs


def test_fields_that_no_side_has_are_not_listed() -> None:
    assert "tie_weights" not in configs({}, {})


def test_an_unknown_field_is_missing_where_it_is_not() -> None:
    row = configs({}, {"sparsity": 0.5})["sparsity"]
    assert row.cells[0].missing
    assert row.texts == ("–", "0.5")
    assert row.differs
    assert row.group == "Model"


def test_not_set_is_not_set_whether_a_file_says_so_or_not() -> None:
    row = trainings({"a": 1}, {"a": 1, "save_every": None}, {"a": 1, "save_every": 5})["save_every"]
    assert row.texts == ("–", "none", "5")
    assert row.unlike_first == (False, False, True)


def test_null_above_is_null_below() -> None:
    rows = trainings({"eval_sets": None}, {"eval_sets": {"general": "data/g"}})
    assert "eval_sets" not in rows
    assert rows["eval_sets.general"].texts == ("none", "data/g")
    assert rows["eval_sets.general"].differs


def test_null_on_all_sides_stays_a_row() -> None:
    assert trainings({"eval_sets": None}, {"eval_sets": None})["eval_sets"].texts == ("none", "none")


def test_curricula_are_compared_phase_by_phase() -> None:
    phases = [{"name": "one", "until_iter": 10}, {"name": "two", "until_iter": None}]
    longer = [{"name": "one", "until_iter": 20}, {"name": "two", "until_iter": None}]
    rows = trainings({"curriculum": {"phases": phases}}, {"curriculum": {"phases": longer}})
    assert [name for name, row in rows.items() if row.differs] == ["curriculum.phases[0].until_iter"]


def test_groups_and_important_fields_come_first() -> None:
    state = {"training_config": {"zebra": 1, "max_iters": 5, "learning_rate": 1e-3}, "base": {"name": "b"}}
    side = Side("s", CONFIG, state, {"val_loss": 2.0, "step": 3}, {"token_kind": "gpt2"}, {"model.pt": 9})
    rows = compare([side, side])
    groups = list(dict.fromkeys(row.group for row in rows))
    assert groups == [group for group in GROUPS if group in groups]
    assert [row.name for row in rows if row.group == "Model"][:3] == ["n_layer", "n_head", "n_embd"]
    training = [row.name for row in rows if row.group == "Training"]
    assert training == ["base.name", "learning_rate", "max_iters", "batch_size", "dropout", "zebra"]
    assert [row.name for row in rows if row.group == "Results"] == ["step", "val_loss"]


def test_the_order_does_not_depend_on_the_order_of_the_file() -> None:
    back = dict(reversed(CONFIG.items()))
    names = [row.name for row in compare([Side("a", CONFIG)])]
    assert [row.name for row in compare([Side("a", back)])] == names


def test_what_config_and_training_say_alike_is_said_once() -> None:
    state = {"training_config": {"n_layer": 2, "dropout": 0.1, "model_params": {"n_embd": 48, "bias": False}}}
    rows = rows_of(Side("a", CONFIG, state), Side("b", CONFIG, state))
    assert ("Model", "n_layer") in rows
    assert not any(group in ("Training", "Details") and "n_" in name for group, name in rows)


def test_what_config_and_training_say_differently_is_said_twice() -> None:
    rows = rows_of(Side("a", CONFIG, {"training_config": {"dropout": 0.3}}), Side("b", CONFIG))
    assert rows["Details", "training_config.dropout"].texts[0] == "0.3"
    assert rows["Training", "dropout"].texts == ("0.1", "0.1")


def test_of_a_side_that_could_not_be_read_nothing_differs() -> None:
    rows = rows_of(Side("a", CONFIG, results={"step": 3}), Side("broken"), Side("c", CONFIG | {"n_layer": 3}))
    assert rows["Model", "n_embd"].texts == ("48", "–", "48")
    assert not rows["Model", "n_embd"].differs
    assert rows["Model", "n_layer"].unlike_first == (False, False, True)
    assert not rows["Results", "step"].differs


def test_when_the_first_cannot_be_read_the_second_is_what_others_differ_from() -> None:
    rows = rows_of(Side("broken"), Side("b", CONFIG), Side("c", CONFIG | {"n_layer": 3}))
    assert rows["Model", "n_layer"].unlike_first == (False, False, True)


def test_values_that_differ_never_read_the_same() -> None:
    results = [{"val_loss": 2.33331}, {"val_loss": 2.33332}]
    rows = compare([Side("a", results=results[0]), Side("b", results=results[1])])
    assert rows[0].texts == ("2.33331", "2.33332")
    sizes = compare([Side("a", files={"m.pt": 10_000_001}), Side("b", files={"m.pt": 10_000_002})])
    assert sizes[0].texts == ("10\u202f000\u202f001 B", "10\u202f000\u202f002 B")


def test_large_tables_that_differ_are_numbered() -> None:
    def tokenizer(word: str) -> dict[str, Any]:
        return tokenizer_of(
            {
                "token_kind": "bpe",
                "tokenizer": {"model": {"vocab": {word: 0}, "merges": []}, "added_tokens": []},
            }
        )

    sides = [Side(str(n), tokenizer=tokenizer(word)) for n, word in enumerate(("a", "b", "a"))]
    row = rows_of(*sides)["Tokenizer", "content"]
    assert row.texts == ("1 tokens, 0 merges (1)", "1 tokens, 0 merges (2)", "1 tokens, 0 merges (1)")
    assert rows_of(*sides)["Tokenizer", "vocabulary"].texts == ("1", "1", "1")


def test_tokenizers_of_characters_are_compared_by_their_characters() -> None:
    sides = [Side(c, tokenizer=tokenizer_of({"token_kind": "char", "chars": ["\n", " ", c]})) for c in "ab"]
    row = rows_of(*sides)["Tokenizer", "characters"]
    assert row.texts == ("\\n␣a", "\\n␣b")
    assert row.differs


def test_characters_are_spelled_out_safely() -> None:
    assert spelled(["\x1b", "\t", "é", "\u202e", "\ud800"], " ") == "\\x1b \\t é \\u202e \\ud800"
    assert spelled([["a"], None, 3]) == "???"
    assert spelled(["x"] * 3000).endswith("… and 1000 more")


@pytest.mark.parametrize(
    "state",
    [
        {"token_kind": "char", "chars": "abc"},
        {"token_kind": "char", "chars": [1, None, {}]},
        {"token_kind": "bpe", "tokenizer": 7},
        {"token_kind": "bpe", "tokenizer": {"model": {"vocab": 3}}},
        {"token_kind": ["odd"], "special_token_encoder": 3, "special_tokens_by_name": 4},
        {"token_kind": "gpt2", "base_vocab_size": "many"},
    ],
)
def test_odd_tokenizers_are_shown_and_no_error(state: dict[str, Any]) -> None:
    side = Side("a", tokenizer=tokenizer_of(state))
    assert all(isinstance(text, str) for row in compare([side, side]) for text in row.texts)


@pytest.mark.parametrize(
    "state",
    [
        {"training_config": None},
        {"training_config": [1, {"a": 2}]},
        {"step": "twelve", "progress": 3, "gold": [], "base": "b"},
        {"progress": {"val_loss": {"deep": 1}}},
    ],
)
def test_odd_training_states_are_shown_whole(state: dict[str, Any]) -> None:
    rows = compare([Side("a", training_state=state)])
    assert {name for name, _ in flatten(state)} <= {row.name for row in rows} | {"training_config"}
    assert all(isinstance(text, str) for row in rows for text in row.texts)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"n_layer": "two"},
        CONFIG | {"arch": "unheard_of"},
        CONFIG | {"n_embd": 10**300},
        CONFIG | {"n_embd": 10**600 * 3},
        CONFIG | {"n_head": 7},
    ],
)
def test_parameters_are_not_counted_for_what_cannot_be_built(config: dict[str, Any]) -> None:
    assert real_parameters(config) is None
    compare([Side("a", config), Side("b", CONFIG | {"mlp_hidden": 3})])


def test_the_original_s_bundle_is_read_with_the_number_it_says(samples: Path) -> None:
    info = bundle.read_info(samples / "original/checkpoints/a_char_learned")
    side = side_of(info, val_loss=2.48)
    assert side.results["parameters"] == 63127
    assert side.results["step"] == 59
    assert side.results["val_loss"] == 2.48
    rows = {row.name: row for row in compare([side, side])}
    assert not any("total_params" in name for name in rows)
    assert rows["token_accuracy_saturation.action"].texts[0] == "log_and_flag"
    assert rows["save_dtype"].texts[0] == "none"


def test_what_the_bundle_says_is_not_replaced_by_its_log(trained_once: Path) -> None:
    info = bundle.read_info(trained_once / "checkpoints" / "dante")
    assert side_of(info, val_loss=-1.0).results["val_loss"] > 0


def test_last_and_gold_of_a_real_run(trained_once: Path) -> None:
    sides = [side_of(bundle.read_info(trained_once / "checkpoints" / n)) for n in ("dante", "dante_gold")]
    rows = compare(sides)
    assert not any(row.differs for row in rows if row.group in ("Model", "Tokenizer"))
    assert not any(row.differs for row in rows if row.group == "Training")
    told = {row.name for row in rows if row.group == "Results"}
    assert {"step", "val_loss", "gold_loss", "gold_step", "tokens"} <= told
    # What a checkpoint keeps for itself stands apart.
    details = {row.name for row in rows if row.group == "Details"}
    assert {"size", "files.model.pt", "gold.rises", "versions.torch", "log_file", "start_step"} <= details


def test_where_a_setting_came_from_stands_beside_it() -> None:
    state = {"training_config": {"learning_rate": 3e-5, "seed": 1, "max_iters": 10}}
    told = Side("a", CONFIG, state, sources={"learning_rate": "command line", "max_iters": "preset mini"})
    silent = Side("b", CONFIG, state)
    rows = {row.name: row for row in compare([told, silent])}
    assert rows["learning_rate"].notes == ("command line", "")
    assert rows["max_iters"].notes == ("preset mini", "")
    assert rows["seed"].notes == ("default", "")
    assert "| learning\\_rate | 3e-5 (command line) | 3e-5 |" in to_markdown(
        compare([told, silent]), [told, silent]
    )
    described = json.loads(to_json(list(rows.values()), [told, silent]))["rows"]
    values = next(row["values"] for row in described if row["setting"] == "learning_rate")
    assert values == [
        {"value": 3e-5, "from": "file", "source": "command line"},
        {"value": 3e-5, "from": "file"},
    ]


def test_a_loss_says_how_far_it_is_from_the_first() -> None:
    sides = [
        Side(n, results={"val_loss": v, "step": 5}) for n, v in (("a", 2.0), ("b", 1.75), ("c", math.nan))
    ]
    rows = {row.name: row for row in compare(sides)}
    assert rows["val_loss"].notes == ("", "−0.2500", "")
    assert rows["step"].notes == ("", "", "")
    assert rows["val_loss"].label == "validation loss"


def test_times_that_read_the_same_are_the_same() -> None:
    sides = [Side(n, results={"trained_s": v}) for n, v in (("a", 2.0812), ("b", 2.0888), ("c", 130.0))]
    (row,) = compare(sides)
    assert row.unlike_first == (False, False, True)
    assert row.texts[2] == "2m 10s" and row.label == "time trained"


def test_a_preset_that_a_resume_forgot_is_not_said_to_be_none() -> None:
    def side(preset: str | None, start: int, sources: dict[str, str] | None) -> Side:
        config = {"config_file": preset, "start_step": start}
        return Side("a", CONFIG, {"training_config": config}, sources=sources)

    sides = [side("tiny", 0, None), side(None, 40, None), side(None, 40, {})]
    row = {row.name: row for row in compare(sides)}["config_file"]
    assert row.label == "preset"
    assert row.texts == ("tiny", "–", "none") and row.notes == ("", "", "")
    assert row.unlike_first == (False, False, True)


def test_markdown_escapes_what_would_break_the_table() -> None:
    sides = [Side("a|b", CONFIG | {"odd|field": "x|y\n`z`"}), Side("[red]c[/]", CONFIG)]
    rows = [row for row in compare(sides) if row.differs]
    assert to_markdown(rows, sides).splitlines() == [
        "### Model",
        "",
        "|  | setting | a\\|b | \\[red\\]c\\[/\\] |",
        "| --- | --- | --- | --- |",
        "| ≠ | odd\\|field | x\\|y\\\\x0a\\`z\\` | – |",
    ]


def test_csv_keeps_missing_null_and_text_apart_and_starts_no_formula() -> None:
    sides = [
        Side("=a", CONFIG | {"x": None, "y": "=1+1", "z": -3}),
        Side("b", CONFIG | {"y": "null", "z": -0.5}),
    ]
    table = list(csv.reader(io.StringIO(to_csv(compare(sides), sides))))
    assert table[0] == ["group", "setting", "differs", "'=a", "b"]
    found = {line[1]: line[2:] for line in table}
    assert found["x"] == ["no", "null", ""]
    assert found["y"] == ["yes", "'=1+1", "null"]
    assert found["z"] == ["yes", "-3", "-0.5"]
    assert found["bias"] == ["no", "false", "false"]


def test_json_says_where_each_value_is_from() -> None:
    sides = [Side("a", CONFIG | {"head_bias": False, "odd": [math.nan]}), Side("b", CONFIG), Side("c")]
    content = json.loads(to_json(compare(sides), sides), parse_constant=pytest.fail)
    assert content["sides"] == ["a", "b", "c"]
    found = {row["setting"]: row for row in content["rows"]}
    assert found["head_bias"]["values"] == [
        {"value": False, "from": "file"},
        {"value": True, "from": "default"},
        {"value": None, "from": "unread"},
    ]
    assert found["odd"]["values"][:2] == [
        {"value": ["nan"], "from": "file"},
        {"value": None, "from": "missing"},
    ]
    assert found["odd"]["differs"] is True


def test_neither_torch_nor_textual_is_imported() -> None:
    code = "import sys, mypt.diff; print([m for m in ('torch', 'textual', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_where_a_setting_came_from_is_shown_escaped() -> None:
    state = {"training_config": {"seed": 1, "max_iters": 2}}
    sides = [Side("s", CONFIG, state | {"x": n}, sources={"seed": "\u202epreset\n"}) for n in range(2)]
    (row,) = (row for row in compare(sides) if row.name == "seed")
    assert [cell.source for cell in row.cells] == ["\\u202epreset\\x0a"] * 2
