"""What `mypt-tui` says before it opens anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.cli import main


def test_a_file_is_no_workspace_and_its_folder_is_offered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "input.txt").write_text("abc")
    assert main([str(tmp_path / "input.txt")]) == 2
    said = capsys.readouterr().err
    assert "input.txt is a file; name the folder that holds configs/" in said and str(tmp_path) in said


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no\x1bwhere")]) == 2
    said = capsys.readouterr().err
    assert "no\\x1bwhere: no such folder; make it first" in said


def test_without_a_terminal_another_command_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "needs a terminal; in a script, use `mypt status`" in capsys.readouterr().err
