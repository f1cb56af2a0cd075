"""MyPT installed elsewhere: its presets come with it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.workbench import environment

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_presets_are_in_the_wheel_and_found_from_an_empty_folder(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend is not installed here")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for arguments, expected in (
        (["show-configs"], "750M_unified.json"),
        (["show-configs", "--config_file", "configs/150M.json"], "GPT-150M"),
        (["train", "--config_file", "tiny_char", "--dry_run"], "preset tiny_char"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mypt", *arguments],
            cwd=empty,
            env=environment(PYTHONPATH=str(site)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    found = subprocess.run(
        [sys.executable, "-P", "-c", "from mypt.settings.presets import *; print(shipped_directory())"],
        cwd=empty,
        env=environment(PYTHONPATH=str(site)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(site / "mypt" / "settings" / "shipped")
    assert list(empty.iterdir()) == []
