"""Checkpoints that go: which, what that gives back, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mypt import housekeeping
from mypt.bundle import Kind
from mypt.errors import UserError
from mypt.runs.lock import ModelLock
from mypt.watch.inventory import Workspace
from tests.housekeeping.models import in_checkpoints, model, names, save


def test_a_model_goes_with_all_its_bundles_and_the_bytes_are_said(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    save(tmp_path, "other")
    expected = sum(
        file.stat().st_size for file in (tmp_path / "checkpoints").rglob("dante*/*") if file.is_file()
    )
    done = housekeeping.delete(tmp_path, ["dante"])
    assert [part.name for part in done.parts] == ["dante", "dante_gold", "dante_fp16"]
    assert done.size == expected
    assert names(tmp_path) == ["other"]
    assert in_checkpoints(tmp_path) == ["other"]
    assert (tmp_path / "logs" / "train" / "dante_eval.jsonl").exists()


def test_one_bundle_goes_alone(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    housekeeping.delete(tmp_path, ["dante_fp16"])
    assert names(tmp_path) == ["dante", "dante_gold"]
    housekeeping.delete(tmp_path, ["dante"], [Kind.LAST])
    assert names(tmp_path) == ["dante_gold"]


def test_looking_removes_nothing(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    assert housekeeping.look(tmp_path, ["dante", "dante_gold"]).size > 3000
    assert len(names(tmp_path)) == 3


def test_fine_tunes_stay_and_are_named_where_they_lose_their_base(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    save(tmp_path, "child", base="dante_gold")
    save(tmp_path, "grandchild", base="child")
    assert housekeeping.look(tmp_path, ["dante_gold"]).fine_tunes == ()
    assert housekeeping.look(tmp_path, ["dante", "child"]).fine_tunes == ("grandchild",)
    assert housekeeping.delete(tmp_path, ["dante"]).fine_tunes == ("child",)
    [root] = Workspace(tmp_path).lineage()
    assert (root.name, root.bundles, [m.name for m in root.children]) == ("dante", {}, ["child"])


def test_one_unknown_name_and_nothing_is_deleted(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    with pytest.raises(UserError, match="virgil"):
        housekeeping.delete(tmp_path, ["dante", "virgil"])
    with pytest.raises(UserError, match="no last checkpoint"):
        housekeeping.delete(tmp_path, ["dante_gold"], [Kind.LAST])
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("name", ["../dante", "/etc", ".", "..", "", "dante/..", ".gone.x"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    model(tmp_path, "dante")
    with pytest.raises(UserError):
        housekeeping.delete(tmp_path, [name])
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("name", ["m" * 200, "長" * 66, "[red]x[b]", "\x1b[31mred", "-x", "a\nb"])
def test_hostile_names_can_be_deleted(tmp_path: Path, name: str) -> None:
    save(tmp_path, name)
    housekeeping.delete(tmp_path, [name])
    assert in_checkpoints(tmp_path) == []


def test_never_a_running_one(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    model(tmp_path, "other")
    with (
        ModelLock(tmp_path, "dante").acquire(command=["mypt", "train"], run_id="r1"),
        pytest.raises(UserError, match="is in use: held by"),
    ):
        housekeeping.delete(tmp_path, ["other", "dante"])
    assert len(names(tmp_path)) == 6


def test_never_one_that_is_being_saved(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    (tmp_path / "checkpoints" / f".tmp.{os.getppid()}.dante").mkdir()
    with pytest.raises(UserError, match="is being saved right now"):
        housekeeping.delete(tmp_path, ["dante_fp16"])
    assert len(names(tmp_path)) == 3


def test_broken_ones_and_read_only_ones_can_be_deleted(tmp_path: Path) -> None:
    (save(tmp_path, "dante") / "config.json").unlink()
    folder = save(tmp_path, "copied")
    folder.chmod(0o500)
    housekeeping.delete(tmp_path, ["dante", "copied"])
    assert in_checkpoints(tmp_path) == []


def test_of_a_link_only_the_link_goes(tmp_path: Path) -> None:
    real = save(tmp_path / "elsewhere", "dante")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "dante").symlink_to(real)
    done = housekeeping.delete(tmp_path, ["dante"])
    assert done.size == 0
    assert (real / "model.pt").exists() and in_checkpoints(tmp_path) == []


def test_what_a_kill_left_aside_goes_with_the_next(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    (tmp_path / "checkpoints" / "dante_fp16").rename(tmp_path / "checkpoints" / ".gone.0123")
    assert names(tmp_path) == ["dante", "dante_gold"]
    assert housekeeping.recover(tmp_path) == ["removed what was left of a deleted checkpoint"]
    assert in_checkpoints(tmp_path) == ["dante", "dante_gold"]
