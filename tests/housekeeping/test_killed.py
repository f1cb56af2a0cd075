"""Real kills: before every single file operation of a rename and of a delete."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mypt import housekeeping
from mypt.runs.record import list_records
from mypt.watch.inventory import Workspace
from mypt.watch.renames import read_renames
from tests.housekeeping.models import model, names, save
from tests.training.killer import KILLED, Killer

OLD = ["dante", "dante_fp16", "dante_gold"]
NEW = ["virgil", "virgil_fp16", "virgil_gold"]


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A workspace to be copied for each kill."""
    model(tmp_path / "ground", "dante")
    save(tmp_path / "ground", "child", base="dante")
    return tmp_path / "ground"


def test_a_rename_is_whole_or_not_at_all(killer: Killer, ground: Path, tmp_path: Path) -> None:
    status, operations = killer.run(_copy(ground, tmp_path / "all"), "rename", "dante", "virgil")
    assert status == 0 and len(operations) > 10
    seen = set()
    for number in range(1, len(operations) + 1):
        place = _copy(ground, tmp_path / f"at{number}")
        assert killer.run(place, "rename", "dante", "virgil", kill_at=number)[0] == KILLED
        # Each bundle is whole, under one of its two names.
        there = names(place)
        assert [old in there or new in there for old, new in zip(OLD, NEW, strict=True)] == [True] * 3
        assert len(there) == 4
        housekeeping.recover(place)
        [kept] = list_records(place).records
        [root] = Workspace(place).lineage()
        logs = [path.name for path in (place / "logs" / "train").iterdir()]
        renamed = kept.model_name == "virgil"
        assert sorted([*(NEW if renamed else OLD), "child"]) == names(place)
        assert logs == [f"{kept.model_name}_eval.jsonl"]
        assert (root.name, [m.name for m in root.children]) == (kept.model_name, ["child"])
        assert len(read_renames(place)) == renamed
        seen.add(renamed)
        # And it goes on from there.
        assert killer.run(place, "rename", kept.model_name, "beatrice")[0] == 0
        assert names(place) == ["beatrice", "beatrice_fp16", "beatrice_gold", "child"]
    assert seen == {True, False}


def test_a_train_command_ends_a_rename_that_was_cut_off(killer: Killer, ground: Path, tmp_path: Path) -> None:
    place = _copy(ground, tmp_path / "place")
    moved = "os.rename checkpoints/dante_gold"
    _, operations = killer.run(_copy(ground, tmp_path / "all"), "rename", "dante", "virgil")
    killer.run(place, "rename", "dante", "virgil", kill_at=operations.index(moved) + 1)
    assert "dante_gold" in names(place) and "virgil" in names(place)
    # What it trains is wrong here, and it says so; what was cut off is complete all the same.
    killer.run(place, "train", "--model_name", "x", "--config_file", "nothing")
    assert names(place) == ["child", *NEW]


def test_a_delete_leaves_no_half_of_a_bundle(killer: Killer, ground: Path, tmp_path: Path) -> None:
    status, operations = killer.run(_copy(ground, tmp_path / "all"), "delete", "dante", "--yes")
    assert status == 0 and len(operations) > 8
    counts = set()
    for number in range(1, len(operations) + 1):
        place = _copy(ground, tmp_path / f"at{number}")
        assert killer.run(place, "delete", "dante", "--yes", kill_at=number)[0] == KILLED
        there = names(place)
        counts.add(len(there))
        housekeeping.recover(place)
        assert names(place) == there
        assert [p.name for p in (place / "checkpoints").iterdir() if p.name.startswith(".")] == []
    assert counts == {4, 3, 2, 1}


def _copy(ground: Path, place: Path) -> Path:
    return Path(shutil.copytree(ground, place))
