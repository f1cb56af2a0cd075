"""Drafts that are kept between two openings of the form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mypt.slurm.ask import Ask
from tui.prefs import Preferences
from tui.screens.launch.draft import Draft
from tui.screens.launch.keep import Kept, KeptPlace

DRAFT = Draft(
    "m",
    "tiny",
    "base",
    "gold",
    ("input_file", "a.txt"),
    {"max_iters": "7", "sample_prompt": ""},
    slurm=Ask(nodes="2"),
)


def kept(tmp_path: Path, purpose: str = "new") -> Kept:
    return Kept(Preferences(tmp_path / "prefs.json"), tmp_path, purpose)


def test_a_draft_comes_back_as_it_was(tmp_path: Path) -> None:
    assert kept(tmp_path).load() is None
    kept(tmp_path).save(DRAFT)
    assert kept(tmp_path).load() == DRAFT
    assert kept(tmp_path, "base x").load() is None
    kept(tmp_path).drop()
    assert kept(tmp_path).load() is None


def test_what_was_asked_of_slurm_comes_back_in_its_workspace(tmp_path: Path) -> None:
    prefs = Preferences(tmp_path / "prefs.json")
    ask = Ask(nodes="2", time="1:00:00")
    assert KeptPlace(prefs, tmp_path).load() == (Ask(), False)
    KeptPlace(prefs, tmp_path).save(ask, last=True)
    assert KeptPlace(prefs, tmp_path).load() == (ask, True)
    assert KeptPlace(prefs, tmp_path / "other").load() == (Ask(), False)
    # One that was started here is the last; what was asked of SLURM is not forgotten for that.
    KeptPlace(prefs, tmp_path).save(ask, last=False)
    assert KeptPlace(prefs, tmp_path).load() == (ask, False)
    prefs["slurm"] = {str(tmp_path): {"nodes": 2, "last": True}}
    assert KeptPlace(prefs, tmp_path).load() == (Ask(), False)


def test_only_the_latest_drafts_are_kept(tmp_path: Path) -> None:
    for number in range(30):
        kept(tmp_path, f"base {number}").save(DRAFT)
    assert kept(tmp_path, "base 29").load() == DRAFT and kept(tmp_path, "base 10").load() == DRAFT
    assert kept(tmp_path, "base 9").load() is None


@pytest.mark.parametrize(
    "value",
    [None, 3, [], {}, {"model_name": 3, "given": {}}, {"model_name": "m", "given": {"a": 1}},
     {"model_name": "m", "given": {}, "data": ["input_file"]}, {"model_name": "m", "given": {}, "preset": 1}],
)  # fmt: skip
def test_what_was_edited_by_hand_into_something_else_is_no_draft(tmp_path: Path, value: Any) -> None:
    prefs = Preferences(tmp_path / "prefs.json")
    prefs["drafts"] = {f"{tmp_path}: new": value}
    assert Kept(prefs, tmp_path, "new").load() is None
