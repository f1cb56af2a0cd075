"""What the system ends without a word: for lack of memory, or for a file that became shorter; and who tells of it later."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mypt.runs.before import death_before
from mypt.runs.directory import read_exit
from mypt.runs.record import RunRecord, list_records
from mypt.runs.state import RunState, decide, evidence_of
from tests.workbench import environment, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system counts otherwise")
LIMIT = 64 << 20
#: A trainer that says who it is, and then takes what it may not have.
TRAINER = """
import sys
from pathlib import Path
from mypt.runs.attach import attach
run = attach(Path(sys.argv[-1]), "m", "logs/train/m_eval.jsonl", ["mypt", "train"], {})
held = [b"x" * (1 << 20) for _ in range(400)]
"""
LAUNCH = """
import sys
from pathlib import Path
from mypt.launch.start import launch
there = {"model_name": "m", "log_file": "logs/train/m_eval.jsonl", "settings": {}}
launch(Path(sys.argv[1]), [sys.argv[2], sys.argv[1]], program=("-c",), **there)
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of little memory; skips where none can be made."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    top, limit = (first, "memory.limit_in_bytes") if first.is_dir() else (second, "memory.max")
    made = top / f"mypt-test-{os.getpid()}"
    try:
        made.mkdir()
        (made / limit).write_text(str(LIMIT))
    except OSError:
        if made.is_dir():
            made.rmdir()
        pytest.skip("no control group with a limit of memory can be made here")
    yield made
    # Who was in it has gone, or is about to.
    assert wait_for(lambda: not (made / "cgroup.procs").read_text().strip())
    made.rmdir()


def within(group: Path, *words: str) -> int:
    """Run Python in the control group; its exit status."""
    join = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    command = ["sh", "-c", join, "sh", sys.executable, *words]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode


ROOM = """
from mypt.memory import in_all
from tui.screens.launch.machine import room
there = room("cpu")
assert there.total == %d and 0 < there.free < there.total, there
assert in_all().startswith("a limit of 67.1 MB (cgroup), of "), in_all()
"""


def test_what_a_job_may_hold_is_the_memory_of_its_machine(group: Path) -> None:
    assert within(group, "-c", ROOM % LIMIT) == 0


def told(workspace: Path, record: RunRecord) -> tuple[RunState, str]:
    return decide(evidence_of(workspace, record, closing=None, silent_s=5.0, wrote_event=True))


def test_a_trainer_that_was_killed_for_memory_is_told_as_that(group: Path, tmp_path: Path) -> None:
    assert within(group, "-c", TRAINER, str(tmp_path)) == -signal.SIGKILL
    (record,) = list_records(tmp_path).records
    state, sentence = told(tmp_path, record)
    what = (
        "killed most likely by the system, for lack of memory; what its container or job may hold is 67.1 MB"
    )
    assert (state, sentence) == (RunState.FAILED, f"ended without a word ({what})")
    assert death_before(tmp_path, "m") == f"the run before this one ended without a word ({what})"
    assert death_before(tmp_path, "other") == ""


def test_a_supervisor_knows_why_its_trainer_was_killed(group: Path, tmp_path: Path) -> None:
    assert within(group, "-c", LAUNCH, str(tmp_path), TRAINER) == 0
    (record,) = list_records(tmp_path).records
    run = record.directory(tmp_path)
    assert wait_for(run.exit_file.exists)
    end = read_exit(run)
    assert end is not None and end.signal == signal.SIGKILL
    (record,) = list_records(tmp_path).records
    _, sentence = told(tmp_path, record)
    assert sentence.startswith("killed by signal 9: most likely by the system, for lack of memory; "), (
        sentence
    )
    assert sentence.endswith("lower batch_size or block_size, or choose a smaller model")
    assert death_before(tmp_path, "m") == f"the run before this one was {sentence}"


MAPPED = """
import mmap, os, sys
from pathlib import Path
from mypt.runs.attach import attach
from mypt.training.console import Console
from mypt.training.recorded import recorded
root = Path(sys.argv[1])
run = attach(root, "m", "logs/train/m_eval.jsonl", ["mypt", "train"], {})
def body():
    with (root / "data.bin").open("rb+") as file:
        held = mmap.mmap(file.fileno(), 0)
        if sys.argv[2] == "shorter":
            os.truncate(root / "data.bin", 0)
        return held[5000]
sys.exit(recorded(run, Console(), body))
"""


@pytest.mark.parametrize("file", ["whole", "shorter"])
def test_a_crash_is_told_by_whoever_looks_later(file: str, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(bytes(8192))
    words = [sys.executable, "-c", MAPPED, str(tmp_path), file]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    (record,) = list_records(tmp_path).records
    crash = record.directory(tmp_path).crash_file
    if file == "whole":
        assert done.returncode == 0 and not crash.exists() and not done.stderr
        assert death_before(tmp_path, "m") == ""
        return
    assert done.returncode == -signal.SIGBUS
    what = "crashed: Bus error (a data file that became shorter, or a disk that failed?)"
    assert told(tmp_path, record) == (RunState.FAILED, f"ended without a word ({what})")
    assert death_before(tmp_path, "m") == f"the run before this one ended without a word ({what})"
    # Where it was is there for who asks further.
    assert "in body" in crash.read_text()
    shutil.rmtree(record.directory(tmp_path).path)
    assert death_before(tmp_path, "m") == ""


NO_THREAD = """
import resource, sys, time
from pathlib import Path
from mypt import signals
size = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, ((int(size.split()[1]) << 10) + (1 << 20),) * 2)
signals.end_within(0.1, 143)
time.sleep(60)
"""


@pytest.mark.parametrize("memory", [True, False], ids=["thread", "no thread"])
def test_what_ends_at_once_ends_without_the_memory_for_a_thread(memory: bool) -> None:
    lines = NO_THREAD.splitlines()
    code = "\n".join(line for line in lines if not (memory and "RLIMIT_AS" in line))
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False)
    assert done.returncode == (143 if memory else -signal.SIGALRM), done.stderr
