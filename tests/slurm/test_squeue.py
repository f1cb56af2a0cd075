"""What squeue says, read with care; and a squeue that hangs, fails or is not there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mypt.slurm.squeue import Job, Squeue, Told, parse
from tests.workbench import wait_for


def test_lines_are_read_and_what_is_hostile_in_them_is_escaped() -> None:
    text = (
        "12|PENDING|N/A|run-1|(null)|Resources\n"
        "13|RUNNING|1795964165|run|vm[1-2]|None\n"
        "14|PENDING|99999999999999999999|\x1b[31mrun|\x07|a|b\x1b]0;c\x07\n"
        "slurm_load_jobs error: x|y\n12_3|RUNNING|1|r|n|None\n|||||\n15|RUNNING\n٣|RUNNING|1|r|n|None\n"
    )
    found = parse(text)
    assert found["12"] == Job("12", "PENDING", "Resources", None, "", "run-1")
    assert found["13"] == Job("13", "RUNNING", "", 1795964165.0, "vm[1-2]", "run")
    hostile = found["14"]
    assert hostile.start is None and hostile.reason.startswith("a|b")
    assert all(
        char.isprintable() for part in (hostile.reason, hostile.nodes, hostile.run_id) for char in part
    )
    assert sorted(found) == ["12", "13", "14"]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A squeue that does what a test writes into it."""
    path = tmp_path / "squeue"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return path


def write(program: Path, body: str) -> None:
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def answered(asked: Squeue) -> None:
    wait_for(asked.poll)


def test_one_call_asks_for_all_jobs_and_seldom(program: Path) -> None:
    calls = program.with_name("calls")
    write(
        program,
        f'echo "$@ $SLURM_TIME_FORMAT" >> {calls}; echo "7|RUNNING|100|a|vm|None"; echo "8|PENDING|N/A|b||None"',
    )
    moment = 0.0
    asked = Squeue(clock=lambda: moment)
    assert not asked.poll() and not calls.exists()
    asked.want(["7", "8", "9", "7"])
    assert asked.told("7", "a") is None
    answered(asked)
    told = asked.told("7", "a")
    assert told is not None and told.job is not None and told.job.nodes == "vm" and told.since_s is not None
    # A number that SLURM has forgotten, and a run without one; one of another run is no word on this one.
    assert asked.told("9", "c") == asked.told(None, "d") == Told()
    assert asked.told("8", "another") == Told(unanswered="job 8 has another run's comment there")
    moment = 9.9
    assert not asked.poll() and asked._process is None
    moment = 10.0
    answered(asked)
    (first, second) = calls.read_text().splitlines()
    assert first == second and "--jobs=7,8,9 " in first and first.endswith(" %s")


def test_a_squeue_that_hangs_is_ended_and_what_it_told_last_is_kept_as_last_seen(program: Path) -> None:
    write(program, 'echo "7|RUNNING|100|a|vm|None"')
    moment = 0.0
    asked = Squeue(clock=lambda: moment)
    asked.want(["7"])
    answered(asked)
    write(program, "exec sleep 600")
    moment = 50.0
    assert not asked.poll()
    hanging = asked._process
    assert hanging is not None
    moment = 57.0
    assert not asked.poll()
    moment = 70.0
    assert asked.poll() and hanging.wait(10) != 0
    told = asked.told("7", "a")
    assert told is not None and told.job is not None and told.unanswered == "squeue gives no answer"


def test_why_there_is_no_answer_is_told(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(program, "echo 'slurm_load_jobs error: Unable to \033contact' >&2; exit 1")
    asked = Squeue()
    asked.want(["7"])
    answered(asked)
    told = asked.told("7", "a")
    assert told is not None and told.unanswered.startswith("squeue fails: slurm_load_jobs error: Unable to")
    assert "\033" not in told.unanswered
    # SLURM's answer for a job that it has forgotten.
    write(program, "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    asked = Squeue()
    asked.want(["7"])
    answered(asked)
    assert asked.told("7", "a") == Told()
    monkeypatch.setenv("PATH", str(program.parent / "nowhere"))
    asked = Squeue()
    asked.want(["7"])
    asked.wait(5)
    assert asked.told("7", "a") == Told(unanswered="there is no squeue here")


def test_who_waits_for_a_picture_waits_no_longer_than_told(program: Path) -> None:
    write(program, "exec sleep 600")
    asked = Squeue()
    asked.want(["7"])
    asked.wait(0.05)
    assert asked.told("7", "a") == Told(unanswered="squeue gives no answer")


def test_a_start_to_come_is_told_in_this_machines_time(program: Path) -> None:
    soon, later = int(time.time()) + 3600, int(time.time()) + 5 * 86400
    write(program, f'echo "7|PENDING|{soon}|a||Priority"; echo "8|PENDING|{later}|b||Priority"')
    asked = Squeue()
    asked.want(["7", "8"])
    answered(asked)
    first, second = asked.told("7", "a"), asked.told("8", "b")
    assert first is not None and first.starts == time.strftime("%H:%M", time.localtime(soon))
    assert second is not None and second.starts == time.strftime("%a %d %b %H:%M", time.localtime(later))
