"""Chance that can be had again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults import rounds


def test_the_same_seed_makes_the_same_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    first = rounds.draw("kill", 1).random()
    assert rounds.draw("kill", 1).random() == first != rounds.draw("kill", 2).random()
    monkeypatch.setattr(rounds, "SEED", rounds.SEED + 1)
    assert rounds.draw("kill", 1).random() != first


def test_a_long_round_is_the_short_one_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ROUNDS", 50)
    assert (rounds.times(8), rounds.times(8, 100), rounds.times(8, 3)) == (400, 100, 8)


def test_a_round_that_is_no_number_is_said() -> None:
    words = [sys.executable, "-m", "tests.faults"]
    done = subprocess.run(words, env={**os.environ, "SEED": "x"}, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr == "SEED must be a whole number (got 'x')\n"
