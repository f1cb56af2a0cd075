from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mypt.bundle import (
    BundleInfo,
    find,
    finding,
    read_info,
)
from mypt.bundle.imprint import imprint
from mypt.errors import UserError
from tests.bundle.saved import save


@pytest.mark.parametrize("name", ["model.pt", "optimizer.pt", "training_state.json"])
def test_a_copy_that_has_some_of_two_saves_is_told(tmp_path: Path, name: str) -> None:
    path, copy = save(tmp_path, "dante", 3), tmp_path / "copy"
    shutil.copytree(path, copy)
    assert find(tmp_path, "copy").step == 3
    save(tmp_path, "dante", 4)
    shutil.copy(path / name, copy / name)
    said = rf"copy: the checkpoint is broken: {name} is of another save than manifest.json .*; copy the folder once more"
    with pytest.raises(UserError, match=said):
        find(tmp_path, "copy")
    (copy / "manifest.json").unlink()
    assert find(tmp_path, "copy").step == (4 if name == "training_state.json" else 3)


def test_what_is_saved_while_it_is_looked_for_is_not_taken_for_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "dante", 1)
    looks = iter(range(2, 5))

    def saved_meanwhile(path: Path) -> BundleInfo:
        info = read_info(path)
        if step := next(looks, 0):
            save(tmp_path, "dante", step)
        return info

    monkeypatch.setattr(finding, "read_info", saved_meanwhile)
    assert find(tmp_path, "dante").step == 4


def test_pieces_tell_large_files_apart(tmp_path: Path) -> None:
    file = tmp_path / "large"
    numbers = bytearray(os.urandom(1 << 16) * 50)
    file.write_bytes(numbers)
    before = imprint(file)
    assert imprint(file) == before
    for place in range(0, len(numbers), 1 << 16):
        numbers[place] ^= 1
    file.write_bytes(numbers)
    assert imprint(file) != before
    for small in (b"", b"a", b"b", b"a" * (1 << 14), b"a" * (1 << 14) + b"b"):
        file.write_bytes(small)
        assert (imprint(file) == before) is False
        before = imprint(file)


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    save(tmp_path, "dante", 1)
    with pytest.raises(UserError, match="did you mean dante"):
        find(tmp_path, "danet")
    with pytest.raises(UserError, match="there are: dante"):
        find(tmp_path, "zzzzzz")
    assert find(tmp_path, "dante").step == 1
    assert find(tmp_path / "elsewhere", str(tmp_path / "dante")).step == 1
