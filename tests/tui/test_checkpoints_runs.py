"""Which run led to a checkpoint."""

from __future__ import annotations

from pathlib import Path

from mypt.runs.state import RunState
from mypt.watch.run import Run
from tui.screens.checkpoints.runs import Runs, curve_of


def run(place: Path, log: str, state: RunState = RunState.FINISHED) -> Run:
    made = Run(f"logs/{log}", place, place / "logs" / log)
    made.state = state
    return made


def test_a_model_s_own_log_comes_first(tmp_path: Path) -> None:
    other, own = run(tmp_path, "x/dante.jsonl"), run(tmp_path, "train/dante_eval.jsonl")
    assert other.name == own.name == "dante"
    assert Runs([other, own]).of("dante") is own
    assert Runs([other]).of("dante") is other
    assert Runs([other, own]).of("dan") is None


def test_of_several_the_one_that_goes_on(tmp_path: Path) -> None:
    own, again = run(tmp_path, "train/dante_eval.jsonl"), run(tmp_path, "b/dante.jsonl", RunState.RUNNING)
    assert Runs([own, again]).of("dante") is again


def test_names_are_found_as_they_are_shown(tmp_path: Path) -> None:
    odd = run(tmp_path, "train/a\x1bb.jsonl")
    assert Runs([odd]).of("a\x1bb") is odd


def test_the_chart_says_why_it_is_empty(tmp_path: Path) -> None:
    assert "No log" in curve_of(None)[1]
    assert "No losses" in curve_of(run(tmp_path, "a.jsonl"))[1]
    assert "will appear" in curve_of(run(tmp_path, "a.jsonl", RunState.RUNNING))[1]
    assert "Queued" in curve_of(run(tmp_path, "a.jsonl", RunState.QUEUED))[1]
