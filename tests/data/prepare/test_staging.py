"""A dataset folder is whole or absent, whatever happens while it is built."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mypt import fsio
from mypt.data.prepare.staging import check_target, staged_folder
from mypt.errors import RunError, UserError
from mypt.runs.filelock import FileLock
from tests.workbench import environment, listing, wait_for


def build(target: Path, content: str = "new", *, overwrite: bool = False) -> None:
    with staged_folder(target, overwrite=overwrite) as folder:
        (folder / "train").mkdir()
        (folder / "train" / "shard_00000.bin").write_text(content)
        (folder / "dataset_metadata.json").write_text("{}")


WHOLE = {"train": None, "train/shard_00000.bin": b"new", "dataset_metadata.json": b"{}"}


def test_it_appears_whole_with_the_folders_above_it_and_nothing_beside_it(tmp_path: Path) -> None:
    build(tmp_path / "data" / "deep" / "stories")
    assert [p.name for p in (tmp_path / "data" / "deep").iterdir()] == ["stories"]
    assert listing(tmp_path / "data" / "deep" / "stories") == WHOLE


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError, RunError, ZeroDivisionError])
def test_an_error_leaves_nothing_not_even_the_folders_above(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), staged_folder(tmp_path / "data" / "deep" / "stories") as folder:
        (folder / "train.bin").write_text("half")
        raise error("x")
    assert list(tmp_path.iterdir()) == []


def test_folders_above_that_others_use_stay(tmp_path: Path) -> None:
    with pytest.raises(UserError), staged_folder(tmp_path / "data" / "stories"):
        (tmp_path / "data" / "theirs").mkdir()
        raise UserError("x")
    assert listing(tmp_path) == {"data": None, "data/theirs": None}


def test_the_old_one_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "stories"
    build(target, "old")
    before = listing(tmp_path)
    with pytest.raises(ZeroDivisionError), staged_folder(target, overwrite=True) as folder:
        (folder / "train.bin").write_text("half")
        raise ZeroDivisionError
    assert listing(tmp_path) == before
    build(target, overwrite=True)
    assert listing(tmp_path) == {"stories": None, **{f"stories/{k}": v for k, v in WHOLE.items()}}


def test_also_where_folders_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsio, "exchange_dirs", lambda *_: False)
    build(tmp_path / "stories", "old")
    build(tmp_path / "stories", overwrite=True)
    assert listing(tmp_path / "stories") == WHOLE and len(list(tmp_path.iterdir())) == 1


def test_a_link_to_another_disk_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "stories").mkdir(parents=True)
    (tmp_path / "stories").symlink_to(tmp_path / "disk" / "stories", target_is_directory=True)
    build(tmp_path / "stories")
    assert (tmp_path / "stories").is_symlink()
    assert listing(tmp_path / "disk" / "stories") == WHOLE


@pytest.mark.parametrize(
    ("there", "overwrite", "message"),
    [
        ({}, False, ""),
        ({".DS_Store": ""}, False, ""),
        ({"train/a.bin": ""}, False, "is there already"),
        ({"train/a.bin": "", "dataset_metadata.json": ""}, True, ""),
        ({"train/a.bin": "", "thesis.tex": ""}, True, r"is a folder with other things in it \(thesis.tex\)"),
        ({"thesis.tex": ""}, False, r"other things in it \(thesis.tex\)"),
    ],
)
def test_what_may_be_replaced(tmp_path: Path, there: dict[str, str], overwrite: bool, message: str) -> None:
    (tmp_path / "stories").mkdir()
    for name, text in there.items():
        (tmp_path / "stories" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "stories" / name).write_text(text)
    if message:
        before = listing(tmp_path)
        with pytest.raises(UserError, match=message):
            build(tmp_path / "stories", overwrite=overwrite)
        assert listing(tmp_path) == before
    else:
        build(tmp_path / "stories", overwrite=overwrite)
        assert listing(tmp_path / "stories") == WHOLE


def test_files_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (problem,) = check_target(tmp_path / "file", "file", overwrite=True)
    assert problem.message == "is a file"
    (problem,) = check_target(tmp_path / "file" / "a" / "b", "file/a/b", overwrite=True)
    assert problem.message == "lies below file, which is no folder"


def test_one_that_came_to_be_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="came to be meanwhile"), staged_folder(tmp_path / "stories") as folder:
        (folder / "train.bin").write_text("ours")
        (tmp_path / "stories").mkdir()
        (tmp_path / "stories" / "train.bin").write_text("theirs")
    assert listing(tmp_path) == {"stories": None, "stories/train.bin": b"theirs"}


def test_two_at_once_are_told_from_each_other(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "stories") as folder:
        (folder / "train.bin").write_text("first")
        with pytest.raises(UserError, match="is being prepared by another process right now"):
            build(tmp_path / "stories")
        build(tmp_path / "other")
    assert listing(tmp_path / "stories") == {"train.bin": b"first"}
    assert listing(tmp_path / "other") == WHOLE


HALF = """
import sys, time
from pathlib import Path
from mypt.data.prepare.staging import staged_folder
with staged_folder(Path(sys.argv[1]), overwrite=True) as folder:
    (folder / "train.bin").write_text("half")
    (folder.parent.parent / "ready").touch()
    time.sleep(600)
"""


@pytest.mark.parametrize("other", ["stories", "tales"])
def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path: Path, other: str) -> None:
    """Whichever dataset comes next beside it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HALF, str(tmp_path / "stories")], env=environment(), text=True
    )
    assert wait_for((tmp_path / "ready").exists, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (tmp_path / "ready").unlink()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".mypt-prepare.stories.")
    build(tmp_path / other)
    assert [path.name for path in tmp_path.iterdir()] == [other]
    assert listing(tmp_path / other) == WHOLE


def test_an_interrupted_exchange_is_undone(tmp_path: Path) -> None:
    """A kill between the two renames, on a system without a call that does both."""
    build(tmp_path / "stories", "old")
    (tmp_path / "stories").rename(tmp_path / ".mypt-replaced.stories")
    with pytest.raises(UserError, match="is there already"):
        build(tmp_path / "stories")
    assert listing(tmp_path / "stories")["train/shard_00000.bin"] == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["stories"]


def test_a_folder_that_one_may_not_write_to(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match=r"Permission denied; the dataset .*stories was not made"):
            build(tmp_path / "stories")
    finally:
        tmp_path.chmod(0o700)


def test_a_signal_before_the_folder_is_locked_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(lock: FileLock) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(FileLock, "try_acquire", struck)
    with pytest.raises(KeyboardInterrupt), staged_folder(tmp_path / "below" / "set"):
        pass
    assert list(tmp_path.iterdir()) == []
