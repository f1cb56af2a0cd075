"""Killed at any moment, most of all while something is written; resumed, it is the run that never was killed."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest

from tests.faults.ground import (
    SAVING,
    TRAIN,
    age,
    assert_one_clean_history,
    assert_readable,
    assert_whole,
    leftovers,
    make,
)
from tests.faults.rounds import ROUNDS, Report, draw, pick, times
from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer
from tests.workbench import listing, story

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]
PARTS = 4 if ROUNDS > 1 else 1
MOST_KILLS = 3


def moment(chance: random.Random) -> float:
    """Seconds from the begin of a file operation to the kill: often within it, at times far behind; 0 is before it."""
    return 0.0 if chance.random() < 0.2 else 10 ** chance.uniform(-5, -1.3)


def kind(operation: str) -> str:
    """What is done to which kind of file."""
    event, _, path = operation.partition(" ")
    return f"{event} {Path(path).name.rpartition('.')[2]} {path.split('/')[0]}"


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_while_it_trains(tmp_path: Path, killer: Killer, report: Report, part: int) -> None:
    ground = make(tmp_path / "ground")
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    # Both ways to save leave the same, and in about the same steps.
    status, operations = killer.run(whole, *TRAIN, *SAVING[part % 2])
    assert status == 0 and not leftovers(whole)
    assert_one_clean_history(whole, "m")
    kills = rounds = 0
    for number in range(part, times(4), PARTS):
        chance, command = draw("kill", number), (*TRAIN, *SAVING[number // PARTS % 2])
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{number}"))
        killed: list[tuple[str, float]] = []
        for _ in range(chance.randint(1, MOST_KILLS)):
            place, later = pick(chance, map(kind, operations)), moment(chance)
            status, begun = killer.run(broken, *command, kill_at=place, later_s=later)
            # One that is resumed may have little left to do, and reach its end before.
            assert status in (KILLED, 0), (number, killed, status)
            if status == KILLED:
                killed.append((begun[-1], later))
            try:
                assert_whole(broken)
                assert_readable(broken, "m", torn=len(killed))
            except AssertionError as error:
                raise AssertionError(f"round {number}, killed at {killed}: {error}") from error
        age(broken)
        status, _ = killer.run(broken, *command)
        try:
            assert status == 0
            assert_same_run(whole, broken, "m")
            assert_one_clean_history(broken, "m")
            assert not leftovers(broken)
        except AssertionError as error:
            raise AssertionError(f"round {number}, killed at {killed}: {error}") from error
        shutil.rmtree(broken)
        kills, rounds = kills + len(killed), rounds + 1
    assert kills >= rounds / 2
    report(runs=rounds, kills=kills)


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_while_data_is_prepared(tmp_path: Path, killer: Killer, report: Report, part: int) -> None:
    ground = tmp_path / "ground"
    ground.mkdir()
    for number in range(3):
        (ground / f"text{number}.txt").write_text(story(6000, number))
    words = (
        "prepare",
        *(f"text{n}.txt" for n in range(3)),
        "--output_dir",
        "data/set",
        "--tokenization",
        "char",
    )
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    status, operations = killer.run(whole, *words)
    assert status == 0 and (whole / "data" / "set" / "dataset_metadata.json").is_file()
    expected, kills = listing(whole / "data"), 0
    for number in range(part, times(3), PARTS):
        chance = draw("prepare", number)
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{number}"))
        for _ in range(chance.randint(1, MOST_KILLS)):
            place, later = chance.randint(1, len(operations)), moment(chance)
            status, _ = killer.run(broken, *words, "--overwrite", kill_at=place, later_s=later)
            assert status in (KILLED, 0), (number, status)
            kills += status == KILLED
            if (broken / "data" / "set").exists():
                assert listing(broken / "data" / "set") == listing(whole / "data" / "set"), (number, place)
        age(broken)
        status, _ = killer.run(broken, *words, "--overwrite")
        assert status == 0 and listing(broken / "data") == expected, number
        shutil.rmtree(broken)
    report(kills=kills)
