"""Whether two runs came out the same: every bit of their bundles, and every value of their logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.workbench import clean

_OF_THE_CLOCK = ("elapsed_s", "started_at")
_OF_NO_MATTER = ("device", "async_save")


def leaves(file: Path) -> list[tuple[str, Any]]:
    """Every value in a saved file by its place."""

    def walk(value: Any, place: str) -> list[tuple[str, Any]]:
        if isinstance(value, dict):
            return [leaf for key, item in value.items() for leaf in walk(item, f"{place}/{key}")]
        if isinstance(value, list):
            return [leaf for key, item in enumerate(value) for leaf in walk(item, f"{place}/{key}")]
        return [(place, value)]

    return walk(torch.load(file, weights_only=True), "")


def assert_same_file(one: Path, two: Path) -> None:
    """The same values under the same names, bit for bit."""
    ours, theirs = leaves(one), leaves(two)
    assert [place for place, _ in ours] == [place for place, _ in theirs] and len(ours) > 10
    for (place, a), (_, b) in zip(ours, theirs, strict=True):
        equal = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        assert equal, f"{two}: {place} differs"


def state_of(workspace: Path, bundle: str) -> dict[str, Any]:
    """A bundle's training state without what clocks and the number of processes decide, where and when it was saved."""
    state: dict[str, Any] = json.loads(
        (workspace / "checkpoints" / bundle / "training_state.json").read_text()
    )
    state["training_config"].pop("start_step")
    for name in _OF_NO_MATTER:
        state["training_config"].pop(name, None)
        state["sources"].pop(name, None)
    for name in _OF_THE_CLOCK:
        state["progress"].pop(name)
    return state


def assert_same_run(whole: Path, broken: Path, name: str, *, gold: bool = True) -> None:
    """All bundles of model `name` are equal in both workspaces, so are its logs, and nothing else lies about."""
    kinds = [name, f"{name}_fp16", *([f"{name}_gold"] if gold else [])]
    assert sorted(p.name for p in (broken / "checkpoints").iterdir()) == kinds
    for bundle in kinds:
        for file in ("model.pt", "optimizer.pt"):
            if (whole / "checkpoints" / bundle / file).exists():
                assert_same_file(*(root / "checkpoints" / bundle / file for root in (whole, broken)))
        assert state_of(whole, bundle) == state_of(broken, bundle), bundle
    assert clean(broken, name) == clean(whole, name)
