"""A fine-tune beside its base: what is inherited, what is new, what is ignored, and what that means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt.settings.resolve import Request, resolve
from tui.screens.launch.beside import Inheritance, inheritance

SHAPE = {
    "batch_size": 2,
    "block_size": 8,
    "vocab_size": 2,
    "n_embd": 8,
    "n_head": 2,
    "n_layer": 3,
    "dropout": 0.0,
    "bias": False,
}
PRESET = {**SHAPE, "n_layer": 6, "dropout": 0.1, "learning_rate": 1e-4}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mini.json").write_text(json.dumps(PRESET))
    base(tmp_path, "tales")
    return tmp_path


def base(place: Path, name: str, **config: Any) -> None:
    folder = place / "checkpoints" / name
    folder.mkdir(parents=True)
    settings = {"max_iters": 10, "learning_rate": 3e-4, "weight_decay": 0.1, "input_file": "builtin:stories"}
    state = {"step": 12000, "training_config": settings}
    (folder / "config.json").write_text(json.dumps(SHAPE | config))
    (folder / "training_state.json").write_text(json.dumps(state))
    (folder / "tokenizer.json").write_text(json.dumps({"token_kind": "char", "chars": ["a", "b"]}))
    (folder / "model.pt").write_bytes(b"x")


def found(place: Path, preset: str | None = None, model: str = "tales", **given: str) -> Inheritance:
    request = Request(
        model_name="child",
        config_file=preset,
        init_from_model=model,
        given={"input_file": "builtin:python", **given},
        given_by="form",
    )
    beside = inheritance(resolve(request, place))
    assert beside is not None
    return beside


def rows(beside: Inheritance) -> dict[str, tuple[str, str, str, str]]:
    return {row.name: (row.kind, row.base, row.run, row.source) for row in beside.rows}


def test_shape_and_tokenizer_are_inherited(place: Path) -> None:
    beside = found(place)
    told = rows(beside)
    assert beside.base == "tales step 12\u202f000"
    assert told["n_layer"] == ("inherited", "3", "3", "inherited")
    assert told["tokenization"] == ("inherited", "char", "char", "inherited")
    assert beside.said == ()


def test_what_is_otherwise_says_where_it_comes_from_and_typed_ones_come_first(place: Path) -> None:
    beside = found(place, "mini", max_iters="50")
    told = rows(beside)
    assert told["max_iters"] == ("new", "10", "50", "you")
    assert told["learning_rate"] == ("new", "3e-4", "1e-4", "preset mini")
    assert told["dropout"] == ("new", "0.0", "0.1", "preset mini")
    assert [row.name for row in beside.of("new")][:2] == ["input_file", "max_iters"]


def test_what_is_the_same_from_elsewhere_is_apart(place: Path) -> None:
    told = rows(found(place, learning_rate="3e-4"))
    assert told["learning_rate"][0] == "same" and told["weight_decay"] == ("same", "0.1", "0.1", "default")
    assert "save_every" not in told and "device" not in told and "log_file" not in told


def test_what_loses_is_said_beside_what_wins(place: Path) -> None:
    [row] = [row for row in found(place, "mini", n_layer="9").rows if row.name == "n_layer"]
    assert row.kind == "inherited"
    assert row.ignored == "6 from preset mini and 9 from you ignored"


@pytest.mark.parametrize(
    ("config", "given", "words"),
    [
        (
            {"pos_encoding": "learned"},
            {"block_size": "16"},
            "context 8 → 16 tokens: positions 8 to 15 begin untrained",
        ),
        (
            {"pos_encoding": "learned"},
            {"block_size": "4"},
            "context 8 → 4 tokens: positions from 4 on are left away",
        ),
        ({"pos_encoding": "rope"}, {"block_size": "16"}, "context 8 → 16 tokens: rotary positions go on"),
        ({"pos_encoding": "rope"}, {"rope_scale": "2"}, "rope_scale 1 → 2"),
        ({}, {"dropout": "0.2"}, "dropout 0 → 0.2 in every layer"),
        (
            {},
            {"use_loss_mask": "true", "dataset_dir": "d"},
            "only the tokens that the data's mask marks count",
        ),
        ({}, {"freeze_layers": "1"}, "the first 1 layer stays as in the base"),
        ({}, {"freeze_layers": "2"}, "the first 2 layers stay as in the base"),
        ({}, {"freeze_embeddings": "true"}, "the embeddings stay as in the base"),
    ],
)
def test_what_changes_in_the_model_is_said(
    place: Path, config: dict[str, Any], given: dict[str, str], words: str
) -> None:
    base(place, "other", **config)
    if "dataset_dir" in given:
        (place / "d").mkdir()
        beside = inheritance(
            resolve(Request(model_name="c", init_from_model="other", given=given, given_by="form"), place)
        )
        assert beside is not None
    else:
        beside = found(place, model="other", **given)
    assert any(sentence.startswith(words) for sentence in beside.said), beside.said


def test_a_new_run_and_a_resumed_one_have_no_base_to_stand_beside(place: Path) -> None:
    given = {"input_file": "builtin:stories"}
    assert inheritance(resolve(Request(model_name="x", config_file="mini", given=given), place)) is None
    again = Request(model_name="tales", init_from_model="tales", given=given)
    assert inheritance(resolve(again, place)) is None


def test_hostile_names_are_escaped(place: Path) -> None:
    base(place, "\x1b[31mred")
    assert found(place, model="\x1b[31mred").base.startswith("\\x1b[31mred")
