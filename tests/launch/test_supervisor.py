from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mypt.errors import RunError
from mypt.launch.start import TRAIN, launch
from mypt.launch.supervisor import last_lines
from mypt.runs.directory import CANCELLED, NOT_STARTED, ExitRecord, read_exit, request_stop
from mypt.runs.identity import Alive
from mypt.runs.record import create, list_records
from mypt.runs.state import RunState, decide, evidence_of
from tests.launch.launch_bench import Bench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions are POSIX")

UNTIL_GO = """
import os, sys, time
open("up", "w").write(str(os.getpid()) + "\\n")
while not os.path.exists("go"):
    time.sleep(0.01)
print("went")
"""

SAVE_ON_SIGNAL = """
import os, signal, sys, time
def save(number, frame):
    open("saved", "a").write(signal.Signals(number).name + "\\n")
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
open("up", "w").write(str(os.getpid()) + "\\n")
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path.resolve())
    yield bench
    bench.clear()


@pytest.mark.parametrize("code", [0, 1, 2, 143])
def test_the_exit_status_is_recorded(bench: Bench, code: int) -> None:
    record = bench.launch(
        f"import sys; print('one'); print('two\\x1b[2J', file=sys.stderr); sys.exit({code})"
    )
    assert record.supervisor is not None
    end = bench.until_exit(record)
    assert (end.code, end.signal, end.reason) == (code, None, "")
    assert end.last_lines == ("one", "two\\x1b[2J")
    assert bench.console(record) == "one\ntwo\x1b[2J\n"


def test_what_the_trainer_is_given(bench: Bench) -> None:
    code = (
        "import json, os, sys\n"
        "env = {k: os.environ.get(k) for k in ('MYPT_RUN_DIR', 'PYTHONUNBUFFERED', 'TERM')}\n"
        "print(json.dumps([os.getcwd(), sys.argv[1:], env, sys.stdin.read(), os.getpgrp() == os.getpid()]))"
    )
    words = ["--name", "a b", "$HOME; echo `id`", "\u00e8", ""]
    record = bench.launch(code, *words)
    bench.until_exit(record)
    cwd, argv, env, stdin, own_group = json.loads(bench.console(record))
    assert Path(cwd) == bench.workspace
    assert argv == words
    assert env == {
        "MYPT_RUN_DIR": str(record.directory(bench.workspace).path),
        "PYTHONUNBUFFERED": "1",
        "TERM": "dumb",
    }
    assert (stdin, own_group) == ("", True)


def test_launch_runs_mypt_train(bench: Bench) -> None:
    """The default program is the trainer itself, found without the workspace shadowing what it imports."""
    (bench.workspace / "mypt.py").write_text("raise SystemExit('the wrong mypt')")
    record = launch(
        bench.workspace, ["--help"], model_name="dante", log_file="x.jsonl", settings={"max_iters": 5}
    )
    assert record.command == (sys.executable, *TRAIN, "--help")
    assert (record.origin, record.settings) == ("dashboard", {"max_iters": 5})
    bench.until_exit(record)
    assert "the wrong mypt" not in bench.console(record)


def test_a_killed_trainer_is_recorded(bench: Bench) -> None:
    record = bench.until_trainer(bench.launch(UNTIL_GO))
    assert record.trainer is not None
    assert str(record.trainer.pid) == bench.until_file("up")
    assert record.trainer.signal_if_same(signal.SIGKILL)
    end = bench.until_exit(record)
    assert (end.code, end.signal) == (None, signal.SIGKILL)
    evidence = evidence_of(bench.workspace, record, closing=None, silent_s=1, wrote_event=True)
    assert decide(evidence) == (RunState.FAILED, "killed by signal 9 (out of memory?)")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_lets_the_trainer_save(bench: Bench, number: signal.Signals) -> None:
    record = bench.launch(SAVE_ON_SIGNAL)
    bench.until_file("up")
    assert record.supervisor is not None
    assert record.supervisor.signal_if_same(number)
    assert bench.until_exit(record).code == 128 + number
    assert bench.until_file("saved") == number.name


def test_a_hang_up_stops_neither(bench: Bench) -> None:
    record = bench.launch(UNTIL_GO)
    pid = int(bench.until_file("up"))
    assert record.supervisor is not None
    assert record.supervisor.signal_if_same(signal.SIGHUP)
    os.kill(pid, signal.SIGHUP)
    (bench.workspace / "go").touch()
    assert bench.until_exit(record).code == 0
    assert bench.console(record) == "went\n"


def test_a_run_outlives_the_terminal_it_was_launched_from(bench: Bench) -> None:
    pexpect = pytest.importorskip("pexpect")
    code = (
        "import sys; from pathlib import Path; from mypt.launch.start import launch\n"
        "record = launch(Path(sys.argv[1]), [sys.argv[2]], model_name='m', log_file='x', settings={}, program=('-c',))\n"
        "print('launched', flush=True); sys.stdin.read()"
    )
    terminal = pexpect.spawn(sys.executable, ["-c", code, str(bench.workspace), UNTIL_GO], timeout=60)
    terminal.expect("launched")
    bench.until_file("up")
    terminal.sendintr()  # Ctrl-C reaches whatever belongs to the terminal
    terminal.expect("KeyboardInterrupt")
    terminal.close(force=True)  # the terminal goes: SIGHUP, and SIGKILL for whoever ignores it
    assert not terminal.isalive()
    record = bench.until_trainer(list_records(bench.workspace).records[0])
    assert record.trainer is not None and record.supervisor is not None
    assert (record.trainer.is_alive(), record.supervisor.is_alive()) == (Alive.ALIVE, Alive.ALIVE)
    (bench.workspace / "go").touch()
    assert bench.until_exit(record).code == 0


def test_a_run_outlives_its_supervisor(bench: Bench) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from mypt.runs.attach import attach, finish\n"
        "run = attach(Path.cwd(), 'dante', 'x.jsonl', ['mypt'], {})\n" + UNTIL_GO + "finish(run, 0)\n"
    )
    record = bench.launch(code)
    bench.until_file("up")
    record = bench.now(record)
    assert record.supervisor is not None and record.trainer is not None
    assert record.supervisor.signal_if_same(signal.SIGKILL)
    supervisor = record.supervisor
    bench.wait_for(lambda: supervisor.is_alive() is Alive.DEAD, "the end of the supervisor")
    assert record.trainer.is_alive() is Alive.ALIVE
    evidence = evidence_of(bench.workspace, record, closing=None, silent_s=1, wrote_event=True)
    assert decide(evidence)[0] is RunState.RUNNING
    (bench.workspace / "go").touch()
    assert bench.until_exit(record).code == 0


def test_the_queue_keeps_its_order_and_a_failure_does_not_stop_it(bench: Bench) -> None:
    note = "import sys; open('order', 'a').write(sys.argv[1] + '\\n')\n"
    first = bench.launch(note + UNTIL_GO + "sys.exit(3)", "first", name="a")
    bench.until_file("up")
    second = bench.launch(note + "sys.exit(1)", "second", name="b", queue=True)
    third = bench.launch(note, "third", name="c", queue=True)
    beside = bench.launch("pass", name="d")  # not queued: waits for nobody
    assert bench.until_exit(beside).code == 0
    for waiting in (second, third):
        evidence = evidence_of(
            bench.workspace, bench.now(waiting), closing=None, silent_s=None, wrote_event=False
        )
        assert decide(evidence) == (RunState.QUEUED, "waits for the runs before it")
    (bench.workspace / "go").touch()
    assert [bench.until_exit(record).code for record in (first, second, third)] == [3, 1, 0]
    assert (bench.workspace / "order").read_text().split() == ["first", "second", "third"]
    starts = [bench.now(record).started_at or "" for record in (second, third)]
    ends = [bench.until_exit(record).time for record in (first, second)]
    assert all(start > end for start, end in zip(starts, ends, strict=True))


def test_the_queue_does_not_wait_for_the_dead(bench: Bench) -> None:
    first = bench.launch(UNTIL_GO, name="a")
    bench.until_file("up")
    second = bench.launch("print('second')", name="b", queue=True)
    first = bench.now(first)
    # Nobody is left to write down how the first one ended.
    for identity in (first.supervisor, first.trainer):
        assert identity is not None
        assert identity.signal_if_same(signal.SIGKILL)
    assert bench.until_exit(second).code == 0
    assert read_exit(first.directory(bench.workspace)) is None


@pytest.mark.parametrize("how", ["file", "signal"])
def test_a_waiting_run_is_cancelled_and_the_next_goes_on(bench: Bench, how: str) -> None:
    first = bench.launch(UNTIL_GO, name="a")
    bench.until_file("up")
    second = bench.launch("open('never', 'w')", name="b", queue=True)
    third = bench.launch("print('third')", name="c", queue=True)
    if how == "file":
        request_stop(second.directory(bench.workspace))
    else:
        assert second.supervisor is not None
        assert second.supervisor.signal_if_same(signal.SIGTERM)
    assert bench.until_exit(second) == replace(
        ExitRecord(code=None, reason=CANCELLED), time=bench.until_exit(second).time
    )
    (bench.workspace / "go").touch()
    assert [bench.until_exit(record).code for record in (first, third)] == [0, 0]
    assert not (bench.workspace / "never").exists()
    evidence = evidence_of(bench.workspace, bench.now(second), closing=None, silent_s=None, wrote_event=False)
    assert decide(evidence)[0] is RunState.STOPPED


def test_a_program_that_cannot_be_run(bench: Bench) -> None:
    record = create(
        bench.workspace, model_name="m", log_file="x", command=["/nowhere/python"], origin="dashboard"
    )
    command = [sys.executable, "-m", "mypt.launch.supervisor", str(record.directory(bench.workspace).path)]
    assert subprocess.run(command, cwd="/").returncode == 0
    end = bench.until_exit(record)
    assert end.code is None
    assert end.reason.startswith(NOT_STARTED) and "/nowhere/python" in end.reason
    again = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert again.returncode == 1
    assert "has been started before" in again.stderr


def test_a_supervisor_that_cannot_start_is_an_expected_error(bench: Bench) -> None:
    with pytest.raises(RunError, match="could not be started"):
        launch(bench.workspace, [], model_name="m", log_file="x", settings={}, python="/nowhere/python")
    with pytest.raises(RunError, match="could not be started"):
        launch(bench.workspace, [], model_name="m", log_file="x", settings={}, python="/bin/false")
    for record in list_records(bench.workspace).records:
        evidence = evidence_of(bench.workspace, record, closing=None, silent_s=None, wrote_event=False)
        assert decide(evidence)[0] is RunState.FAILED


def test_the_last_lines_of_a_console(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    assert last_lines(console) == ()
    console.write_bytes(b"")
    assert last_lines(console) == ()
    console.write_bytes(b"a\r\n\xff\n10%\r20%\r30%\nend")
    assert last_lines(console) == ("a", "\ufffd", "30%", "end")
    console.write_bytes(b"".join(b"line %d " % n + b"x" * 2000 + b"\n" for n in range(100)))
    lines = last_lines(console)
    assert 0 < len(lines) <= 20
    assert lines[-1].startswith("line 99 ") and len(lines[-1]) == 500
    assert all(line.startswith("line ") for line in lines)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, mypt.launch.start, mypt.launch.stop, mypt.launch.supervisor, mypt.runs.attach, mypt.runs.lock\n"
        "import mypt.runs.state\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'textual', 'msgspec', 'psutil', 'ctypes'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code]).returncode == 0
