"""Files get the rights that their user's umask leaves, and no more: nothing that MyPT writes is wider."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mypt.launch.start import launch
from mypt.settings.presets import save_preset
from tests.faults.bad.judge import command
from tests.faults.ground import PLAIN
from tests.workbench import TINY, story, wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no umask")


@pytest.fixture(params=[0o077, 0o027], ids=["077", "027"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def too_wide(folder: Path, umask: int) -> list[str]:
    """What lies below and has rights that the umask takes away."""
    found = []
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if not path.is_symlink() and mode & umask:
            found.append(f"{path.relative_to(folder)} {mode:o}")
    return found


def test_nothing_is_wider_than_the_umask(umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "w" / "preferences"))
    (workspace / "input.txt").write_text(story())
    text = ("input.txt", "--tokenization", "char")
    fixed = ("--max_iters", "2", "--eval_interval", "2", "--eval_iters", "1", "--device", "cpu")

    def run(*words: str) -> None:
        command("--workspace", str(workspace), *words, fine=(0,))

    run("train", "--model_name", "m", *TINY, *fixed)
    run("prepare", *text, "--output_dir", "data/set", "--num_proc", "1")
    run("tokenizer", "train", "input.txt", "--vocab_size", "270", "--output", "t.json")
    run("import", "checkpoints/m", "--model_name", "again")
    run("rename", "again", "other")
    run("plot", "m", "--svg", "m.svg")
    run("plot", "m", "--csv", "m.csv")
    save_preset(workspace, "mine", PLAIN)
    _of_the_dashboard(workspace)
    assert too_wide(workspace, umask) == []
    if umask == 0o027:
        # What the umask leaves is there: a group may look at its runs.
        bundle = workspace / "checkpoints" / "m"
        shared = (bundle, bundle / "model.pt", bundle / "config.json", workspace / "logs/train/m_eval.jsonl")
        assert all(stat.S_IMODE(path.stat().st_mode) & 0o040 for path in shared)


def _of_the_dashboard(workspace: Path) -> None:
    from tui.prefs import Preferences
    from tui.screens.sample.history import History, Kept

    Preferences()["bell"] = True
    History(workspace).add(Kept(model="m", prompt="p"))
    # What was asked of a model is for who asked it.
    assert stat.S_IMODE((workspace / ".mypt" / "sample_history.jsonl").stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_run_that_was_launched_leaves_nothing_wider(umask: int, tmp_path: Path) -> None:
    if umask == 0o077:
        pytest.skip("one umask is enough")
    made = launch(
        tmp_path,
        ["--model_name", "m", "--input_file", "absent.txt"],
        model_name="m",
        log_file="logs/train/m_eval.jsonl",
        settings={},
    )
    assert wait_for(lambda: made.directory(tmp_path).exit_file.exists())
    assert (made.directory(tmp_path).console).is_file()
    assert too_wide(tmp_path / ".mypt", umask) == []
