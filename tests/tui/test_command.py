"""A user's own command: real processes, no shell, once an event, and its failures in words."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mypt.runs.state import RunState
from mypt.watch.alerts import Alert, AlertKind, Gold, Notice, Snapshot
from tui import command

RUN = Snapshot(
    "logs/train/poems_eval.jsonl",
    "poems",
    True,
    RunState.FAILED,
    "killed by signal 9",
    step=1240,
    max_iters=5000,
    val_loss=2.25,
    golds=(Gold(1000, 2.125),),
)


def notice(run: Snapshot = RUN, id: str = "one", text: str = "killed by signal 9") -> Notice:
    return Notice(AlertKind.FAILED, f"{run.label} failed", text, (Alert(AlertKind.FAILED, run, text, (id,)),))


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_it_is_told_by_arguments_and_by_its_environment(tmp_path: Path) -> None:
    code = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ), os.getcwd()], open('told.json', 'w'))"
    assert command.run(python(code), notice(), tmp_path) == ""
    arguments, environment, folder = json.loads((tmp_path / "told.json").read_text())
    assert arguments == ["failed", "poems", "killed by signal 9"]
    assert Path(folder) == tmp_path.resolve()
    told = {name: value for name, value in environment.items() if name.startswith("MYPT_")}
    assert (
        told.items()
        >= {
            "MYPT_EVENT": "failed",
            "MYPT_RUN": "poems",
            "MYPT_STATE": "failed",
            "MYPT_TITLE": "poems failed",
            "MYPT_SENTENCE": "killed by signal 9",
            "MYPT_STEP": "1240",
            "MYPT_MAX_ITERS": "5000",
            "MYPT_VAL_LOSS": "2.25",
            "MYPT_GOLD_STEP": "1000",
            "MYPT_GOLD_LOSS": "2.125",
            "MYPT_LOG": "logs/train/poems_eval.jsonl",
            "MYPT_WORKSPACE": str(tmp_path),
        }.items()
    )


def test_placeholders_are_filled_where_they_stand_and_once() -> None:
    strange = dataclasses.replace(RUN, label="{sentence}")
    filled = command.arguments(["say", "-t", "{event}: {run}", "{sentence}!"], notice(strange))
    assert filled == ["say", "-t", "failed: {sentence}", "killed by signal 9!"]


def test_nothing_that_a_file_says_is_an_option_or_reaches_a_shell(tmp_path: Path) -> None:
    evil = dataclasses.replace(RUN, label="--exec=rm; $(touch owned) `touch owned`\x1b[2J\0")
    argv = command.arguments(["say", "{run}"], notice(evil))
    assert argv[1].startswith(" --exec=rm; $(touch") and "\x1b" not in argv[1] and "\0" not in argv[1]
    assert command.run(python("pass"), notice(evil, text="x\0y"), tmp_path) == ""
    assert not (tmp_path / "owned").exists()


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    assert "No such file" in command.run([str(tmp_path / "nowhere")], notice(), tmp_path)
    said = command.run(python("print('no \\x1b[31mroute'); raise SystemExit(3)"), notice(), tmp_path)
    assert "ended with status 3: no \\x1b[31mroute" in said


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_one_that_never_ends_is_ended_with_its_children(tmp_path: Path) -> None:
    # A shell has its child long before the time is up, also on a busy machine.
    words = ["sh", "-c", "sleep 600 & echo $! > pid; wait"]
    said = command.run(words, notice(), tmp_path, timeout_s=2.0)
    assert "was still busy after 2 s and was ended" in said
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().split(")")[-1].split()[0] != "Z"


def test_of_ten_dashboards_one_runs_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        claims = list(pool.map(lambda _: command.claim(tmp_path, notice(), ["say"]), range(10)))
    assert claims.count(True) == 1
    assert not command.claim(tmp_path, notice(), ["say"])
    assert command.claim(tmp_path, notice(id="two"), ["say"])
    assert command.claim(tmp_path, notice(), ["another command of somebody else"])


def test_golds_that_others_grouped_otherwise_are_claimed_too(tmp_path: Path) -> None:
    together = Notice(AlertKind.GOLD, "t", "t", (Alert(AlertKind.GOLD, RUN, "t", ("1", "2", "3")),))
    assert command.claim(tmp_path, together, ["say"])
    assert not command.claim(tmp_path, notice(id="2"), ["say"])
    assert command.claim(tmp_path, notice(id="4"), ["say"])


def test_old_marks_are_swept_and_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    assert command.claim(tmp_path, notice(), ["say"])
    (mark,) = (tmp_path / ".mypt" / "alerts").iterdir()
    os.utime(mark, (1, 1))
    assert command.claim(tmp_path, notice(id="other"), ["say"])
    assert not mark.exists()
    (tmp_path / "file").write_text("")
    assert command.claim(tmp_path / "file", notice(), ["say"])
