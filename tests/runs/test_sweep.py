"""What killed writers leave among the records of runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mypt.runs.sweep import sweep


def test_what_is_left_of_writing_goes_when_it_is_old_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        ".new-a/run.json",
        "b/.run.json.tmp-1-ab",
        "b/run.json",
        "b/.lock",
        ".order",
        "c/console.log",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    sweep(tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == names
    past = time.time() - 120
    for path in (*tmp_path.rglob("*"),):
        os.utime(path, (past, past))
    sweep(tmp_path)
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == [".order", "b/.lock", "b/run.json", "c/console.log"] and not (tmp_path / ".new-a").exists()


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    sweep(tmp_path / "none")
