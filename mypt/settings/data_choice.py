"""Which data a run gets, and with which tokens: the fields that name data come together, from one source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.settings import fields
from mypt.settings.checks import DATA_FIELDS
from mypt.settings.precedence import Layers
from mypt.settings.request import DEFAULT, Effective, Mode, Source

DEMO_DATA = "builtin:stories"


def decide_data(
    values: dict[str, Effective], layers: Layers, mode: Mode, workspace: Path, notices: list[str]
) -> list[Problem]:
    """Set the data fields and `tokenization` in `values`: from the strongest source that names any data at all.

    Returns what is wrong with the wish for another tokenizer than the model's or the dataset's.
    """
    chosen: tuple[dict[str, Any], Source] | None = None
    for place in ("given", "checkpoint", "preset"):
        layer = layers.layer(place)
        if layer and any(layer[0].get(name) is not None for name in DATA_FIELDS):
            chosen = layer
            break
    if chosen:
        notices += _replaced_curricula(values, layers, chosen)
    for name in DATA_FIELDS:
        if chosen and chosen[0].get(name) is not None:
            values[name] = Effective(name, chosen[0][name], chosen[1])
        else:
            values[name] = Effective(name, None, DEFAULT)
    if chosen is None and mode is Mode.NEW:
        values["input_file"] = Effective("input_file", DEMO_DATA, DEFAULT)
    if layers.checkpoint or layers.base:
        return list(_tokens_of_model(values, layers, mode))
    return list(_tokens_of_dataset(values, layers, workspace))


def _replaced_curricula(
    values: dict[str, Effective], layers: Layers, chosen: tuple[dict[str, Any], Source]
) -> Iterator[str]:
    for kind in ("checkpoint", "preset"):
        layer = layers.layer(kind)
        if not layer or layer is chosen or layer[0].get("curriculum") is None:
            continue
        own, source = layer
        # A checkpoint usually has its curriculum from the preset that is named again: once is enough.
        if kind == "preset" and (saved := layers.layer("checkpoint")) and saved[0].get("curriculum"):
            continue
        yield f"the curriculum of {source} is not used: data comes from the {chosen[1]}"
        if own.get("eval_sets") and values["eval_sets"].source == source:
            yield f"eval_sets of {source} stay in use"


def _tokens_of_model(values: dict[str, Effective], layers: Layers, mode: Mode) -> Iterator[Problem]:
    info = layers.checkpoint or layers.base
    assert info is not None
    kind = info.tokenizer.get("token_kind")
    if kind not in fields.choices("tokenization"):
        return
    source = Source("checkpoint" if layers.checkpoint else "base model", info.name)
    asked = layers.given.get("tokenization")
    if asked and asked != kind and mode is Mode.FINE_TUNE:
        yield Problem(
            f"the base model {info.name} was trained on {kind} tokens",
            where=layers.request.given_by,
            field="tokenization",
            value=asked,
            remedy="leave the flag away, or train a new model",
        )
    values["tokenization"] = Effective("tokenization", kind, source, _others(layers, kind))


def _tokens_of_dataset(values: dict[str, Effective], layers: Layers, workspace: Path) -> Iterator[Problem]:
    folder = values["dataset_dir"].value
    if values["curriculum"].value is not None:
        folder = values["curriculum"].value.phases[0].dataset_dir
    state = workspace / folder / "tokenizer_state.json" if folder else None
    if state is None or not state.is_file():
        return
    try:
        stored = bundle.read_json_object(state).get("token_kind")
    except UserError:
        return  # whoever opens the dataset says what is wrong with the file
    asked = layers.given.get("tokenization")
    if asked and stored and asked != stored:
        yield Problem(
            f"the dataset {folder} holds {stored} tokens",
            where=layers.request.given_by,
            field="tokenization",
            value=asked,
            remedy="leave the flag away, or prepare the dataset anew",
        )
    if stored in fields.choices("tokenization"):
        source = Source("dataset", str(folder))
        values["tokenization"] = Effective("tokenization", stored, source, _others(layers, stored))


def _others(layers: Layers, kind: str) -> tuple[tuple[Any, Source], ...]:
    """Who asked for other tokens than `kind`."""
    found = (layers.layer("given"), layers.layer("preset"))
    return tuple(
        (layer[0]["tokenization"], layer[1])
        for layer in found
        if layer and layer[0].get("tokenization", kind) != kind
    )
