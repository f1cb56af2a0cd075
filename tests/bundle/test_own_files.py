from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mypt.bundle import own_files
from mypt.bundle.own_files import move_on

OURS = {"model.pt", "config.json"}


def folders(tmp_path: Path) -> tuple[Path, Path]:
    before, target = tmp_path / "before", tmp_path / "target"
    for folder in (before, target):
        folder.mkdir()
        for name in OURS:
            (folder / name).write_text(folder.name)
    (before / "notes.txt").write_text("mine")
    return before, target


def test_ours_go_and_the_others_move(tmp_path: Path) -> None:
    before, target = folders(tmp_path)
    (before / ".config.json.tmp-12-0a1b2c3d").write_text("torn")
    move_on(before, target, OURS)
    assert not before.exists()
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "model.pt": "target",
        "config.json": "target",
        "notes.txt": "mine",
    }


def test_what_cannot_be_moved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, target = folders(tmp_path)

    def busy(source: Path, target: Path) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(own_files, "replace", busy)
    move_on(before, target, OURS)
    assert [path.name for path in before.iterdir()] == ["notes.txt"]
    monkeypatch.undo()
    move_on(before, target, OURS)
    assert not before.exists() and (target / "notes.txt").read_text() == "mine"


def test_nothing_is_moved_to_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    before, target = folders(tmp_path)
    target.rename(tmp_path / "elsewhere")
    move_on(before, target, OURS)
    assert [path.name for path in before.iterdir()] == ["notes.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_of_a_link_only_the_link_goes(tmp_path: Path) -> None:
    before, target = folders(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(before)
    move_on(link, target, OURS)
    assert not link.exists() and (before / "notes.txt").read_text() == "mine"
