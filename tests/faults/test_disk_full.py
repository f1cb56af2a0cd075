"""Disks that fill: what is written goes on or stops with a sentence, what was whole stays whole, and room lets it go on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mypt.errors import MyptError
from mypt.runs.record import list_records
from mypt.settings.presets import save_preset
from tests.faults.ground import (
    PREPARE,
    PRESET,
    SAVING,
    TRAIN,
    assert_one_clean_history,
    assert_readable,
    assert_whole,
    leftovers,
    make,
    texts,
    trained,
)
from tests.faults.rounds import ROUNDS, Report, draw, pick, times
from tests.faults.striker import FILLER, Striker, Struck, fill, kind
from tests.training.alike import assert_same_run
from tests.training.runs import row
from tests.workbench import listing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="disks of a size, and limits, are POSIX"),
]
PARTS = 4 if ROUNDS > 1 else 1
SPARES = (0, 4096, 20_000, 60_000)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("files", [3, 12, 20])
def test_a_disk_that_holds_no_more_files_is_told_as_that(
    files: int, tmp_path: Path, small: Path, striker: Striker
) -> None:
    ground = make(small / "ground")
    there = sum(1 for _ in small.rglob("*")) + 1
    words = ["mount", "-o", f"remount,nr_inodes={there + files}", str(small)]
    subprocess.run(words, check=True)
    ended = striker.run(ground, *TRAIN)
    # df says that there is room.
    assert ended.status == 1 and "No space left on device" in ended.output, ended.output
    assert "(df -i)" in ended.output and "make room" not in ended.output, ended.output
    assert_whole(ground)
    subprocess.run([*words[:2], "remount,nr_inodes=0", str(small)], check=True)
    assert striker.run(ground, *TRAIN).status == 0


def empty(disk: Path) -> None:
    """Free everything."""
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def assert_said(ended: Struck) -> None:
    """It stopped with a sentence: which file, that there is no room, and what to do."""
    assert ended.status == 1 and "Traceback" not in ended.output and "Exception" not in ended.output, ended
    said = [line for line in ended.output.splitlines() if line.startswith("mypt: ")]
    assert len(said) == 1, ended.output
    assert any(word in said[0] for word in ("No space left on device", "File too large", "free, and the")), (
        said
    )
    assert "make room" in said[0] or "its disk not full" in said[0], said


@pytest.mark.parametrize("part", range(PARTS))
def test_a_disk_that_fills_while_it_trains(
    tmp_path: Path, small: Path, striker: Striker, report: Report, part: int
) -> None:
    ground = make(tmp_path / "ground")
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    undisturbed = striker.run(whole, *TRAIN)
    assert undisturbed.status == 0
    stopped = went_on = 0
    for number in range(part, times(2), PARTS):
        chance, command = draw("full", number), (*TRAIN, *SAVING[number // PARTS % 2])
        empty(small)
        broken = Path(shutil.copytree(ground, small / "broken"))
        for _ in range(chance.randint(1, 2)):
            place, spare = pick(chance, map(kind, undisturbed.operations)), chance.choice(SPARES)
            before = bundles(broken)
            ended = striker.run(broken, *command, fill_at=place, spare=spare)
            where = f"round {number}, full but for {spare} at {place} {undisturbed.operations[place - 1]}"
            try:
                if ended.status:
                    assert_said(ended)
                    assert_recorded(broken)
                    stopped += 1
                else:
                    went_on += 1
                assert_whole(broken)
                assert_readable(broken, "m")
                # What was there is there, or something later is.
                there = bundles(broken)
                assert all(there.get(name, -1) >= saved for name, saved in before.items()), (before, there)
                assert not leftovers(broken)
            except AssertionError as error:
                raise AssertionError(f"{where}: {error}\n{ended.output}") from error
            (broken / FILLER).unlink(missing_ok=True)
        rest = striker.run(broken, *command)
        try:
            assert rest.status == 0, rest.output
            assert_same_run(whole, broken, "m")
            assert not leftovers(broken)
            assert_one_clean_history(broken, "m")
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}\n{ended.output}") from error
    report(stopped=stopped, went_on=went_on)


def bundles(workspace: Path) -> dict[str, int]:
    """The bundles there are, with their steps."""
    found = {}
    for state in (workspace / "checkpoints").glob("*/training_state.json"):
        found[state.parent.name] = json.loads(state.read_text())["step"]
    return found


def assert_recorded(workspace: Path) -> None:
    """Where the run began, everybody who looks is told why it ended, also while the disk is full."""
    if not list_records(workspace).records:
        assert not (workspace / "checkpoints").exists()
        return
    seen = row(workspace)
    assert seen["state"] == "failed", seen
    assert "No space left on device" in str(seen["why"]) or "File too large" in str(seen["why"]), seen


@pytest.mark.parametrize("part", range(PARTS))
def test_a_limit_on_the_size_of_files_is_a_full_disk(
    tmp_path: Path, striker: Striker, report: Report, part: int
) -> None:
    ground = make(tmp_path / "ground")
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    assert striker.run(whole, *TRAIN).status == 0
    largest = max(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    stopped = 0
    for number in range(part, times(1), PARTS):
        chance = draw("limit", number)
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{number}"))
        ended = striker.run(broken, *TRAIN, limit=chance.randint(200, largest))
        if ended.status:
            assert_said(ended)
            stopped += 1
        assert_whole(broken)
        assert_readable(broken, "m")
        assert striker.run(broken, *TRAIN).status == 0
        assert_same_run(whole, broken, "m")
        assert not leftovers(broken)
        shutil.rmtree(broken)
    report(stopped=stopped)


# ── what else is written ────────────────────────────────────────────────────────────────────────────────────────


COMMANDS: dict[str, tuple[Callable[[Path, Striker], None], tuple[str, ...]]] = {
    "prepare": (texts, PREPARE),
    "tokenizer": (texts, ("tokenizer", "train", "text0.txt", "--output", "t.json", "--vocab_size", "300")),
    "import": (trained, ("import", "SOURCE/checkpoints/m", "--model_name", "n")),
    "export": (trained, ("export", "m", "--format", "bf16")),
    "rename": (trained, ("rename", "m", "n")),
    "plot": (trained, ("plot", "m", "--svg", "ROOT/curve.svg")),
    "preset": (trained, ("train", "--config_file", "p", "--save_preset", "mine")),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_other_commands_make_it_whole_or_not_at_all(
    tmp_path: Path, small: Path, striker: Striker, report: Report, name: str
) -> None:
    prepare, words = COMMANDS[name]
    ground = tmp_path / "ground"
    ground.mkdir()
    prepare(ground, striker)
    words = tuple(word.replace("SOURCE", str(ground)) for word in words)
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    undisturbed = striker.run(whole, *placed(words, whole))
    assert undisturbed.status == 0 and undisturbed.operations, undisturbed.output
    stopped = 0
    for number in range(times(1)):
        chance = draw("full", name, number)
        empty(small)
        broken = Path(shutil.copytree(ground, small / "broken"))
        place, spare = pick(chance, map(kind, undisturbed.operations)), chance.choice((0, 0, 4096))
        ended = striker.run(broken, *placed(words, broken), fill_at=place, spare=spare)
        where = f"round {number}, full but for {spare} at {place} {undisturbed.operations[place - 1]}"
        (broken / FILLER).unlink(missing_ok=True)
        try:
            if ended.status:
                assert_said(ended)
                stopped += 1
                again = striker.run(broken, *placed(words, broken))
                # A rename that lacks no more than its record is not made again: the next training ends it.
                assert again.status == 0 or name == "rename", again.output
            assert shown(broken) == shown(whole)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}\n{ended.output}") from error
    report(stopped=stopped)


def placed(words: tuple[str, ...], root: Path) -> list[str]:
    return [word.replace("ROOT", str(root)) for word in words]


def shown(root: Path) -> set[str]:
    """What there is but for the bookkeeping, hidden files too."""
    return {
        name
        for name, content in listing(root).items()
        if content is not None and not name.startswith(".mypt/")
    }


def test_the_preset_of_a_form_and_preferences_are_written_whole_or_not_at_all(small: Path) -> None:
    from tui.prefs import Preferences

    (small / "configs").mkdir()
    save_preset(small, "mine", PRESET)
    kept = Preferences(small / "prefs.json")
    kept["theme"] = "textual-light"
    fill(small / FILLER, 0)
    with pytest.raises(MyptError, match=r"configs/mine\.json: the preset cannot be written: No space left"):
        save_preset(small, "mine", {**PRESET, "description": "x" * 5000}, overwrite=True)
    kept["theme"] = "textual-dark"
    assert json.loads((small / "configs" / "mine.json").read_text())["n_embd"] == PRESET["n_embd"]
    assert json.loads((small / "prefs.json").read_text())["theme"] == "textual-light"
    (small / FILLER).unlink()
    kept["theme"] = "textual-dark"
    assert json.loads((small / "prefs.json").read_text())["theme"] == "textual-dark"
    assert not leftovers(small)
