"""Who is who: nobody is signalled for another, and nobody is called dead who may live."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mypt import housekeeping
from mypt.errors import MyptError, UserError
from mypt.launch.queue import waiting
from mypt.launch.stop import How, stop
from mypt.runs.directory import read_exit, stop_requested
from mypt.runs.filelock import is_locked
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.lock import ModelLock
from mypt.runs.record import RunRecord, list_records, update
from mypt.runs.silence import Silence
from mypt.runs.state import STALLED_AFTER_S, RunState
from mypt.watch.inventory import Workspace
from mypt.watch.run import Run
from tests.faults.busy import write_bundle
from tests.faults.logging_run import COMMAND
from tests.faults.rounds import SEED, Report, draw, times
from tests.tui.logs import log_path
from tests.workbench import environment, mypt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="namespaces, boots and ticks are told by Linux"),
]
ROOT = str(Path(__file__).parents[2])
NAMESPACE = ("unshare", "-Urpf", "--mount-proc")
ALL: tuple[How, ...] = ("request", "terminate", "kill")
ALIVE = (RunState.STARTING, RunState.RUNNING, RunState.STALLED, RunState.LAST_SEEN)

Start = Callable[..., subprocess.Popen[bytes]]


def _namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not _namespaces(), reason="this system lets nobody make namespaces")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts runs that log and train nothing; those that are left are ended."""
    begun: list[subprocess.Popen[bytes]] = []

    def starts(
        model: str = "dante", *, skew: float = 0.0, before: tuple[str, ...] = (), **env: str
    ) -> subprocess.Popen[bytes]:
        words = [*before, sys.executable, *COMMAND, str(tmp_path), model, *([str(skew)] if skew else [])]
        process = subprocess.Popen(words, env=environment(PYTHONPATH=ROOT, **env), start_new_session=True)
        begun.append(process)
        return process

    yield starts
    for process in begun:
        # Below `unshare` the run is the first of its namespace, and all there end with it.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Watcher:
    """Looks at a workspace as a dashboard does, with a clock of its own that can be let run fast."""

    def __init__(self, workspace: Path) -> None:
        self.ahead = 0.0
        self.picture = Workspace(workspace, rescan_s=0.0, clock=lambda: time.monotonic() + self.ahead)

    def run(self, model: str = "dante") -> Run | None:
        # Each look is one at which states are due.
        self.ahead += 2.0
        self.picture.poll(1.0)
        return next((run for run in self.picture.runs if run.name == model and run.known), None)

    def until(self, holds: Callable[[Run], bool], what: str = "") -> Run:
        deadline = time.monotonic() + 60
        while True:
            run = self.run()
            if run is not None and holds(run):
                return run
            assert time.monotonic() < deadline, (what, run and (run.state, run.sentence, run.age_s))
            time.sleep(0.02)


def logs(run: Run) -> bool:
    return run.state is RunState.RUNNING and run.history.step > 2


def the_record(workspace: Path) -> RunRecord:
    (record,) = list_records(workspace).records
    return record


@needs_namespaces
def test_a_pid_that_is_used_again(tmp_path: Path, report: Report) -> None:
    laps = times(2, 200)
    script = [sys.executable, str(Path(__file__).with_name("reused.py"))]
    done = subprocess.run(
        [*NAMESPACE, *script, str(tmp_path), str(SEED), str(laps)],
        env=environment(PYTHONPATH=ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["laps"] == laps
    report(laps=laps, bystanders=found["bystanders"])


def test_an_identity_that_is_nearly_right_is_never_signalled(
    tmp_path: Path, start: Start, report: Report
) -> None:
    process = start()
    watcher = Watcher(tmp_path)
    watcher.until(logs)
    record = the_record(tmp_path)
    own = record.trainer
    assert own is not None and own.pid == process.pid and own.is_alive() is Alive.ALIVE
    assert own.start_ticks is not None
    write_bundle(tmp_path / "checkpoints", "dante", 8)
    tried = times(60)
    for number in range(tried):
        chance = draw("identity", number)
        wrong = replace(
            own,
            **chance.choice(
                (
                    {"start_ticks": own.start_ticks + chance.choice((-1, 1, -10_000))},
                    {"boot_id": "another/pid:[1]", "host": "gpu-box"},
                    {"boot_id": "another/pid:[1]", "create_time": own.create_time - 1e7},
                    {"boot_id": own.boot_id.partition("/")[0] + "/pid:[1]"},
                    {"start_ticks": None, "create_time": own.create_time - chance.uniform(3, 1e6)},
                    {"boot_id": "", "host": "gpu-box"},
                )
            ),
        )
        update(record.directory(tmp_path), trainer=wrong, supervisor=chance.choice((None, wrong)))
        for how in ALL[1:]:
            assert not stop(tmp_path, record, how=how).done, (wrong, how)
        assert process.poll() is None
    # Its lock is what the kernel keeps for it, whatever its record says.
    for change in (
        lambda: housekeeping.delete(tmp_path, ["dante"]),
        lambda: housekeeping.rename(tmp_path, "dante", "virgil"),
    ):
        with pytest.raises(UserError, match="in use"):
            change()
    update(record.directory(tmp_path), trainer=own, supervisor=None)
    assert stop(tmp_path, record, how="request").done
    assert process.wait(timeout=30) == 0
    report(identities=tried)


def test_suspended_is_stalled_with_the_way_out_and_never_dead(tmp_path: Path, start: Start) -> None:
    process = start()
    watcher = Watcher(tmp_path)
    watcher.until(logs)
    process.send_signal(signal.SIGSTOP)
    identity = the_record(tmp_path).trainer
    assert identity is not None
    watcher.until(lambda run: identity.is_suspended())
    watcher.ahead += 20
    run = watcher.until(lambda run: run.state is RunState.STALLED)
    assert run.sentence == f"suspended (Ctrl-Z or SIGSTOP): kill -CONT {process.pid} lets it go on"
    with pytest.raises(UserError, match=f"pid {process.pid}"):
        ModelLock(tmp_path, "dante").check_free()
    asked = stop(tmp_path, the_record(tmp_path))
    assert asked.done and f"kill -CONT {process.pid}" in asked.sentence
    assert process.poll() is None
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=30) == 0
    run = watcher.until(lambda run: run.state.is_over)
    assert (run.state, run.sentence) == (RunState.STOPPED, "stopped on request")


@needs_namespaces
def test_a_run_in_another_container_is_asked_and_never_signalled(tmp_path: Path, start: Start) -> None:
    process = start(before=NAMESPACE)
    watcher = Watcher(tmp_path)
    watcher.until(logs)
    record = the_record(tmp_path)
    assert record.trainer is not None and record.trainer.pid == 1
    assert record.trainer.is_alive() is Alive.OTHER_HOST
    for how in ALL[1:]:
        assert not stop(tmp_path, record, how=how).done
    with pytest.raises(UserError, match="two runs on one model"):
        ModelLock(tmp_path, "dante").acquire(command=[], patience_s=0)
    assert stop(tmp_path, record).done
    assert process.wait(timeout=30) == 0
    watcher.until(lambda run: run.state is RunState.STOPPED)
    # Killed without a word, it is not known to be dead, and the next one may begin.
    second = start(before=NAMESPACE)
    watcher.until(lambda run: run.state is RunState.RUNNING and len(run.attempts) == 2)
    os.killpg(second.pid, signal.SIGKILL)
    second.wait()
    watcher.until(lambda run: run.state is RunState.RUNNING)
    watcher.ahead += STALLED_AFTER_S
    run = watcher.until(lambda run: run.state is not RunState.RUNNING)
    assert run.state is RunState.LAST_SEEN and "last seen on" in run.sentence
    deadline = time.monotonic() + 30
    while is_locked(ModelLock(tmp_path, "dante").path):
        # Whoever started it is gone at once, the process itself a moment later.
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ModelLock(tmp_path, "dante").check_free()


@pytest.mark.parametrize("skew", [6 * 3600.0, -6 * 3600.0], ids=["ahead", "behind"])
def test_files_with_a_clock_of_their_own(tmp_path: Path, start: Start, skew: float) -> None:
    """What a file server's clock says is hours off: who is heard lives, who is silent is not heard for ever."""
    process = start(skew=skew)
    watcher = Watcher(tmp_path)
    watcher.until(logs)
    record = the_record(tmp_path)
    assert record.trainer is not None
    for trainer in (record.trainer, replace(record.trainer, host="gpu-box", boot_id="another")):
        update(record.directory(tmp_path), trainer=trainer)
        for _ in range(10):
            before = watcher.until(lambda run: run.state is RunState.RUNNING).history.step
            run = watcher.until(lambda run, before=before: run.history.step > before)  # type: ignore[misc]
            assert run.state is RunState.RUNNING and run.age_s is not None and run.age_s < 60
    process.send_signal(signal.SIGSTOP)
    watcher.until(lambda run: record.trainer is not None and record.trainer.is_suspended())
    watcher.run()
    watcher.ahead += STALLED_AFTER_S
    assert watcher.until(lambda run: run.state is not RunState.RUNNING).state is RunState.LAST_SEEN
    process.send_signal(signal.SIGCONT)
    watcher.until(lambda run: run.state is RunState.RUNNING)


def test_the_clock_on_the_wall_is_set_while_one_looks(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    real, jumped = time.time, 0.0

    def wall() -> float:
        return real() + jumped

    monkeypatch.setattr(time, "time", wall)
    # A default that was bound before.
    defaults = Silence.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "wall", wall)
    watcher = Watcher(tmp_path)
    step = watcher.until(logs).history.step
    for number in range(times(6, 60)):
        jumped = draw("wall", number).uniform(-1e5, 1e5)
        run = watcher.run()
        assert run is not None and run.state is RunState.RUNNING, (jumped, run and run.sentence)
        # The looks themselves let time pass, and on a busy machine many fit between two lines.
        run = watcher.until(lambda run, step=step: run.history.step > step)  # type: ignore[misc]
        step = run.history.step
        assert run.age_s is not None and run.age_s < 60


def test_a_shared_directory_and_a_machine_that_was_restarted(tmp_path: Path, start: Start) -> None:
    process = start()
    watcher = Watcher(tmp_path)
    watcher.until(logs)
    own = the_record(tmp_path).trainer
    assert own is not None
    process.kill()
    process.wait()
    folder = the_record(tmp_path).directory(tmp_path)
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    elsewhere = replace(own, host="gpu-box", boot_id="another/pid:[1]")
    twin = replace(own, boot_id="another/pid:[1]")
    earlier = replace(own, boot_id="another/pid:[1]", create_time=booted - 9000)

    def looked_at(identity: ProcessIdentity, silent_s: float) -> tuple[RunState, str]:
        update(folder, trainer=identity, supervisor=None)
        stamp = time.time() - silent_s
        os.utime(log_path(tmp_path, "dante"), (stamp, stamp))
        fresh = Watcher(tmp_path)
        run = fresh.until(lambda run: True)
        for how in ALL[1:]:
            assert not stop(tmp_path, the_record(tmp_path), how=how).done
        return run.state, run.sentence

    assert looked_at(own, 5)[0] is RunState.FAILED
    for identity in (elsewhere, twin):
        assert looked_at(identity, 5)[0] is RunState.RUNNING
        state, sentence = looked_at(identity, 7300)
        assert state is RunState.LAST_SEEN and sentence.startswith("last seen on"), sentence
        assert sentence.endswith("2h 01m ago"), sentence
    state, sentence = looked_at(earlier, time.time() - booted + 60)
    assert state is RunState.FAILED and "the machine was restarted" in sentence
    # A lock that is left by one that nobody can ask is what the kernel says: free.
    assert waiting(tmp_path) == []
    with ModelLock(tmp_path, "dante").acquire(command=[], patience_s=0):
        pass


def test_time_zones(tmp_path: Path, start: Start) -> None:
    process = start(TZ="Pacific/Kiritimati")
    Watcher(tmp_path).until(logs)
    rows = []
    for zone in ("America/Adak", "Asia/Kathmandu"):
        told = mypt(tmp_path, "status", "--json", TZ=zone)
        assert told.returncode == 0, told.stderr
        (row,) = json.loads(told.stdout)
        rows.append((row["state"], row["age_s"] < 60))
    assert rows == [("running", True)] * 2
    assert stop(tmp_path, the_record(tmp_path)).done
    assert process.wait(timeout=30) == 0


def test_what_a_killed_holder_left_refuses_nobody_and_deletes_nothing_alive(
    tmp_path: Path, start: Start
) -> None:
    write_bundle(tmp_path / "checkpoints", "dante", 8)
    first = start()
    Watcher(tmp_path).until(logs)
    first.kill()
    first.wait()
    record = the_record(tmp_path)
    assert ModelLock(tmp_path, "dante").path.read_bytes()
    second = start()
    watcher = Watcher(tmp_path)
    watcher.until(lambda run: run.state is RunState.RUNNING and len(run.attempts) == 2)
    for how in ALL:
        # The first one's record: the one that holds the model now is another.
        assert not stop(tmp_path, record, how=how).done
    assert stop_requested(record.directory(tmp_path)) is None
    with pytest.raises(MyptError):
        housekeeping.delete(tmp_path, ["dante"])
    assert second.poll() is None and (tmp_path / "checkpoints" / "dante").is_dir()
    latest = list_records(tmp_path).records[-1]
    assert stop(tmp_path, latest, how="kill").done
    assert second.wait(timeout=30) == -signal.SIGKILL
    assert read_exit(latest.directory(tmp_path)) is None
    housekeeping.delete(tmp_path, ["dante"])
    assert not (tmp_path / "checkpoints" / "dante").exists()
