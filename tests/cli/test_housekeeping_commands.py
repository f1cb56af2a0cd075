"""`mypt rename` and `mypt delete`, as people type them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.housekeeping.models import model, names, save
from tests.workbench import command, environment, mypt


def test_rename_says_what_went_along(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    done = mypt(tmp_path, "rename", "dante", "virgil")
    assert done.returncode == 0, done.stderr
    assert "dante is called virgil now:" in done.stdout
    assert "logs/train/dante_eval.jsonl → logs/train/virgil_eval.jsonl" in done.stdout
    assert names(tmp_path) == ["virgil", "virgil_fp16", "virgil_gold"]


def test_bad_names_are_status_2_and_no_traceback(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    for words in (["dante", "x_gold"], ["nobody", "x"], ["dante", "\x1b[31m"]):
        done = mypt(tmp_path, "rename", *words)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("mypt: ") and "Traceback" not in done.stderr
        assert "\x1b" not in done.stderr


def test_delete_asks_for_yes_where_nobody_can_answer(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    done = mypt(tmp_path, "delete", "dante")
    assert done.returncode == 2 and "add --yes" in done.stderr
    assert len(names(tmp_path)) == 3
    done = mypt(tmp_path, "delete", "dante", "--only", "fp16", "--yes")
    assert done.returncode == 0 and "Deleted 1 checkpoint" in done.stdout
    assert names(tmp_path) == ["dante", "dante_gold"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
@pytest.mark.parametrize(("answer", "left"), [("n", 4), ("", 4), ("y", 1)])
def test_delete_asks_on_a_terminal(tmp_path: Path, answer: str, left: int) -> None:
    import pexpect

    model(tmp_path, "dante")
    save(tmp_path, "child", base="dante")
    first, *rest = command(tmp_path, "delete", "dante")
    process = pexpect.spawn(first, rest, env=environment(), encoding="utf-8", timeout=60)
    process.expect("fine-tuned from it, and staying: child")
    process.expect(r"Delete 3 checkpoints \(.*\) for good\? \[y/N\] ")
    process.sendline(answer)
    process.expect(pexpect.EOF)
    process.wait()
    assert len(names(tmp_path)) == left
