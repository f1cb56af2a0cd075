"""`mypt compare`: checkpoints and runs by name, four formats, and what bad names get."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from mypt.cli import main


def compared(capsys: pytest.CaptureFixture[str], place: Path, *words: str) -> str:
    assert main(["--workspace", str(place), "compare", *words]) == 0
    return capsys.readouterr().out


def test_checkpoints_and_runs_side_by_side(capsys: pytest.CaptureFixture[str], trained_once: Path) -> None:
    out = compared(capsys, trained_once, "dante", "dante_gold", "run:dante")
    lines = out.splitlines()
    assert lines[0].split() == ["dante", "dante_gold", "dante"]
    assert "Results" in lines and "Training" in lines and "Details" not in lines
    [dropout] = [line for line in lines if line.split()[:1] == ["dropout"]]
    assert dropout.count("0.2 (command line)") == 3


def test_a_run_is_meant_where_there_is_no_such_checkpoint(
    capsys: pytest.CaptureFixture[str], trained: Path
) -> None:
    log = trained / "logs" / "train" / "dante_eval.jsonl"
    (log.parent / "other.jsonl").write_bytes(log.read_bytes())
    data = json.loads(compared(capsys, trained, "dante", "other", "--format", "json"))
    assert data["sides"] == ["dante", "other"]
    by_path = json.loads(
        compared(capsys, trained, "dante", str(log.parent / "other.jsonl"), "--format", "json")
    )
    assert by_path == data


def test_only_differences_and_details(capsys: pytest.CaptureFixture[str], trained_once: Path) -> None:
    plain = json.loads(
        compared(capsys, trained_once, "dante", "dante_fp16", "--only_differences", "--format", "json")
    )
    assert [row["setting"] for row in plain["rows"]] == ["checkpoint_dtype"]
    rows = json.loads(compared(capsys, trained_once, "dante", "dante_fp16", "--details", "--format", "json"))
    assert any(row["group"] == "Details" for row in rows["rows"])


def test_markdown_and_csv(capsys: pytest.CaptureFixture[str], trained_once: Path) -> None:
    assert "### Results" in compared(capsys, trained_once, "dante", "dante_gold", "--format", "md")
    table = compared(capsys, trained_once, "dante", "dante_gold", "--format", "csv")
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0] == ["group", "setting", "differs", "dante", "dante_gold"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dante"], "two or more"),
        (["dante", "nobody"], "no such checkpoint or run"),
        (["dante", "run:nobody"], "no such run"),
        (["dante", "\x1b[31m"], "no such checkpoint or run"),
        (["dante", "dante", "--format", "xml"], "invalid choice"),
    ],
)
def test_bad_names_are_status_2(
    capsys: pytest.CaptureFixture[str], trained_once: Path, words: list[str], said: str
) -> None:
    assert main(["--workspace", str(trained_once), "compare", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and "\x1b" not in error and "Traceback" not in error


def test_a_broken_checkpoint_is_refused_by_name(capsys: pytest.CaptureFixture[str], trained: Path) -> None:
    (trained / "checkpoints" / "dante_gold" / "config.json").write_text("{")
    assert main(["--workspace", str(trained), "compare", "dante", "dante_gold"]) == 2
    assert "config.json" in capsys.readouterr().err
