from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mypt.cli import main
from tests.tui.terminal import terminal
from tests.workbench import command, log_of, mypt


def plot(workspace: Path, *flags: str) -> int:
    return main(["--workspace", str(workspace), "plot", *flags])


def write_log(workspace: Path, name: str, losses: list[float | None], **more: float) -> Path:
    log = log_of(workspace, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    stamp = "2026-02-09T14:30:00.123456"
    lines: list[dict[str, object]] = [
        {"event": "training_start", "config": {"max_iters": 100, "tokens_per_step": 64}, "model": {}}
    ]
    for number, loss in enumerate(losses):
        done = {"iter": 10 * number, "elapsed_s": 20.0 * number, "tokens_processed": 640 * number}
        lines.append({"event": "eval", **done, "val_loss": loss, **more})
    log.write_text("".join(json.dumps({"timestamp": stamp, **line}) + "\n" for line in lines))
    return log


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write_log(tmp_path, "dante", [4.0, 3.0, 2.0, 1.5], eval_general=2.5)
    write_log(tmp_path, "dante_ft", [2.0, 1.9, 1.8])
    write_log(tmp_path, "emma", [4.0, None, 3.0])
    return tmp_path


def test_a_run_is_drawn_with_a_table_below(trained_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(trained_once, "dante") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "★" in out and max(map(len, out.splitlines())) <= 100
    head, *lines = out.splitlines()
    assert head.split() == ["━━", "val", "━━", "batch", "steps"]
    place = next(n for n, text in enumerate(lines) if text.startswith("curve"))
    assert place == 30 and lines[place + 1].startswith("val") and lines[place + 2].startswith("batch")
    assert any("⠀" < char <= "⣿" for char in out)


def test_without_a_name_it_is_the_latest_run(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime(log_of(workspace, "emma"), (2e9, 2e9))
    assert plot(workspace, "--csv", "-") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("emma,0,")


@pytest.mark.parametrize(
    ("names", "runs"),
    [
        (["dante"], ["dante"]),
        (["emma", "dante"], ["emma", "dante"]),
        (["dante*"], ["dante", "dante_ft"]),
        (["[de]*", "emma"], ["dante", "dante_ft", "emma"]),
        (["logs/train/emma_eval.jsonl"], ["emma"]),
    ],
)
def test_runs_are_named_in_every_way(
    workspace: Path, capsys: pytest.CaptureFixture[str], names: list[str], runs: list[str]
) -> None:
    assert plot(workspace, *names, "--csv", "-") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert set(dict.fromkeys(row["run"] for row in rows)) == set(runs)


def test_a_log_from_elsewhere_is_drawn_too(
    tmp_path: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "elsewhere.jsonl"
    log_of(workspace, "emma").rename(there)
    (tmp_path / "other").mkdir()
    assert plot(tmp_path / "other", str(there), "--csv", "-") == 0
    assert capsys.readouterr().out.splitlines()[1] == "elsewhere,0,0,0,4"
    assert plot(tmp_path / "other", "../elsewhere.jsonl") == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["dant"], "dant: no such run or log file; did you mean dante?"),
        (["xyz"], "xyz: no such run or log file; there are: "),
        (["x*"], "x*: no such run or log file; there are: "),
        (["logs"], "logs: is a folder; name a run or a log file"),
        (
            ["dante", "--smooth", "1"],
            "--smooth: must be a number from 0 to 0.999 (got '1'); 0.6 and 0.9 are usual",
        ),
        (["dante", "--smooth", "nan"], "--smooth: must be a number"),
        (["dante", "--size", "big"], "--size: must be columns x rows, from 30x8 to 500x200 (got 'big')"),
        (["dante", "--size", "10x5"], "from 30x8"),
        (["dante", "--window", "50"], "--window: must be two numbers that rise"),
        (["dante", "--window", "50:20"], "--window: must be two numbers that rise"),
        (["dante", "--x", "wall"], "invalid choice: 'wall'"),
        (["dante", "emma", "--x", "clock"], "--x: is for one run (got 'clock'); compare runs along time"),
        (["dante", "--curves", "vall"], "did you mean val? there are: val, general"),
        (["dante", "--svg", "no/where.svg"], "--svg: cannot be written: its folder is not there"),
        (["dante", "--csv", "logs"], "--csv: cannot be written: is a folder"),
        (["dante", "--logy"], "did you mean --log_y?"),
    ],
)
def test_bad_input_says_what_would_be_right(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(workspace)
    before = sorted(workspace.rglob("*"))
    assert plot(workspace, *flags) == 2
    captured = capsys.readouterr()
    assert message in captured.err and not captured.out and "Traceback" not in captured.err
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names, and links need rights")
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to nothing"])
def test_what_lies_in_place_of_a_log_is_told(
    workspace: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    log = workspace / "logs" / "train" / "homer_eval.jsonl"
    if kind == "a folder":
        log.mkdir()
    elif kind == "a pipe":
        os.mkfifo(log)
    else:
        log.symlink_to("gone")
    assert plot(workspace, "homer") == 2
    assert f"logs/train/homer_eval.jsonl: is no log: it is {kind}" in capsys.readouterr().err


def test_an_empty_workspace_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(tmp_path) == 2
    assert "mypt train --config_file configs/tiny_char.json" in capsys.readouterr().err
    assert plot(tmp_path, "dante") == 2
    assert "there are no runs here yet" in capsys.readouterr().err
    write_log(tmp_path, "fresh", [])
    assert plot(tmp_path, "fresh") == 2
    assert "fresh: nothing was measured yet" in capsys.readouterr().err


def test_pictures_and_tables_go_into_files(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    assert (
        plot(workspace, "dante", "emma", "--svg", "a b.svg", "--csv", "x.csv", "--x", "time", "--log_y") == 0
    )
    assert capsys.readouterr().out == "written: a b.svg\nwritten: x.csv\n"
    root = ElementTree.fromstring((workspace / "a b.svg").read_text(encoding="utf-8"))
    texts = {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"dante", "emma", "time"} <= texts
    rows = list(csv.DictReader((workspace / "x.csv").open(encoding="utf-8", newline="")))
    assert [(r["run"], r["step"], r["val"], r["general"]) for r in rows][2:6] == [
        ("dante", "20", "2", "2.5"),
        ("dante", "30", "1.5", "2.5"),
        ("emma", "0", "4", ""),
        ("emma", "20", "3", ""),
    ]


def test_the_choices_of_the_chart(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [
        "--x",
        "tokens",
        "--log_y",
        "--smooth",
        "0.5",
        "--curves",
        "val,general",
        "--size",
        "60x15",
        "--ascii",
    ]
    assert plot(workspace, "dante", *flags) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert out.isascii() and "tokens, log y" in lines[0] and lines[14].split()[-1] == "1.5k"
    assert plot(workspace, "dante", "--window", "20:", "--size", "60x15") == 0
    assert capsys.readouterr().out.splitlines()[14].split()[0] == "20"


def test_the_clock_on_the_wall(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot(workspace, "dante", "--x", "clock", "--size", "60x15") == 0
    lines = capsys.readouterr().out.splitlines()
    # The log begins at 14:30:00 and its last evaluation is 60 seconds later.
    assert lines[0].endswith("clock") and "14:31:00" in lines[14]
    assert plot(workspace, "dante", "--x", "clock", "--svg", "-") == 0
    assert "14:30" in capsys.readouterr().out


def test_status_draws_the_latest_runs_below_its_table(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--workspace", str(workspace), "status", "--plot"]) == 0
    out = capsys.readouterr().out
    table, chart = out.split("\n\n")
    assert len(table.splitlines()) >= 4
    head = chart.splitlines()[0]
    assert all(name in head for name in ("dante", "dante_ft", "emma")) and len(chart.splitlines()) == 20


def test_a_terminal_shows_it_in_colour_and_no_color_does_not(workspace: Path) -> None:
    program = command(workspace, "plot", "dante")
    with terminal(workspace, columns=90, rows=24, program=program) as opened:
        opened.wait_for("lowest")
        assert opened.exit_status() == 0
        inks = {cell.fg for row in opened.screen.buffer.values() for cell in row.values()}
        assert "5fafff" in inks
        # The chart, its table and the prompt are seen at once.
        assert "━━ val" in opened.screen.display[0]
    plain = mypt(workspace, "plot", "dante", NO_COLOR="1")
    assert plain.returncode == 0 and "\x1b" not in plain.stdout


def test_an_encoding_without_braille_gets_ascii(workspace: Path) -> None:
    done = mypt(workspace, "plot", "dante", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout.isascii() and ".." in done.stdout


def test_names_from_a_log_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, "evil\x1b]0;x\x07", [4.0, 3.0], **{"eval_<b>\x1b[31m": 2.0})
    for flags in ([], ["--svg", "-"], ["--csv", "-"], ["--ascii"]):
        assert plot(tmp_path, *flags) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out and "\x07" not in out
