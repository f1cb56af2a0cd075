from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mypt.errors import RunError, UserError
from mypt.runs import filelock
from mypt.runs.filelock import is_locked
from mypt.runs.identity import ProcessIdentity
from mypt.runs.lock import LostError, ModelLock

HOLD = """
import sys
from pathlib import Path
from mypt.runs.lock import ModelLock
lock = ModelLock(Path(sys.argv[1]), sys.argv[2])
lock.acquire(run_id="run-1", command=["mypt", "train", "--model_name", "dante"])
print("held", flush=True)
sys.stdin.read()
"""

Hold = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    children: list[subprocess.Popen[bytes]] = []

    def start(model: str = "dante") -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), model], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        children.append(child)
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


def test_a_second_process_is_refused_with_the_facts(tmp_path: Path, hold: Hold) -> None:
    child = hold()
    lock = ModelLock(tmp_path, "dante")
    with pytest.raises(UserError) as refusal:
        lock.acquire(run_id="run-2", command=[], patience_s=0.1)
    text = str(refusal.value)
    assert "two runs on one model: held by run run-1" in text
    assert f"pid {child.pid}" in text
    assert "mypt train --model_name dante" in text
    assert "since 2" in text
    assert "another --model_name" in text
    assert refusal.value.exit_status == 2
    with ModelLock(tmp_path, "other").acquire(run_id="run-3", command=[]):
        pass


def test_looking_disturbs_nobody(tmp_path: Path, hold: Hold) -> None:
    lock = ModelLock(tmp_path, "dante")
    assert lock.holder() is None
    child = hold()
    holder = lock.holder()
    assert holder is not None
    assert (holder.run_id, holder.identity.pid) == ("run-1", child.pid)
    assert holder.command == ("mypt", "train", "--model_name", "dante")
    assert is_locked(lock.path) is True
    child.communicate(b"")
    assert lock.holder() is None
    assert is_locked(lock.path) is False


def test_what_a_crash_leaves_refuses_nobody(tmp_path: Path, hold: Hold) -> None:
    child = hold()
    child.send_signal(signal.SIGKILL)
    child.wait()
    lock = ModelLock(tmp_path, "dante")
    assert json.loads(lock.path.read_text())["run_id"] == "run-1"
    assert lock.holder() is None
    with lock.acquire(run_id="run-2", command=["x"], patience_s=0):
        content = json.loads(lock.path.read_text())
        assert content["run_id"] == "run-2"
        assert ProcessIdentity.from_json(content["identity"]) == ProcessIdentity.of_self()
    assert lock.path.read_bytes() == b""


def test_asking_beforehand_answers_as_taking_would(
    tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ModelLock(tmp_path, "dante")
    lock.check_free()
    assert not lock.path.exists()
    child = hold()
    with pytest.raises(UserError, match=f"pid {child.pid}"):
        lock.check_free()
    child.kill()
    child.communicate()
    lock.check_free()


ELSEWHERE = {"host": "elsewhere", "boot_id": "x", "pid": 5, "start_ticks": 1, "create_time": 1.0}


def held_elsewhere(lock: ModelLock) -> None:
    content = {"run_id": "r-1", "identity": ELSEWHERE, "since": "2026-01-01T00:00:00+00:00", "command": []}
    lock.path.parent.mkdir(parents=True, exist_ok=True)
    lock.path.write_text(json.dumps(content))


def no_locks(fd: int, *, shared: bool) -> None:
    """What file systems without locks answer."""


@pytest.mark.parametrize("why", ["no locks at all", "locks that hold on one machine"])
def test_without_locks_that_reach_everyone_a_holder_elsewhere_is_believed(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ModelLock(tmp_path, "dante")
    held_elsewhere(lock)
    lock.check_free()  # on a disk of this machine, or one whose locks reach everyone, the kernel knows better
    assert lock.holder() is None
    if why == "no locks at all":
        monkeypatch.setattr(filelock, "_lock", no_locks)
    else:
        monkeypatch.setattr("mypt.runs.lock.locks_reach_everyone", lambda path: False)
    monkeypatch.setattr("mypt.runs.lock._SETTLE_S", 0.0)
    before = lock.path.read_bytes()
    for ask in (lock.check_free, lambda: lock.acquire(command=[])):
        with pytest.raises(UserError) as refusal:
            ask()
        text = str(refusal.value)
        assert "held by run r-1, pid 5 on elsewhere, since 2026-01-01" in text
        assert text.endswith("if elsewhere no longer trains it, remove .mypt/locks/dante.lock")
    assert lock.path.read_bytes() == before
    holder = lock.holder()
    assert holder is not None and holder.identity.host == "elsewhere"
    ended = tmp_path / ".mypt" / "runs" / "r-1" / "exit.json"
    ended.parent.mkdir(parents=True)
    ended.write_text("{}")
    lock.check_free()
    assert lock.holder() is None
    ended.unlink()
    lock.path.unlink()
    with lock.acquire(command=[]):
        assert lock.holder() is not None


def test_another_container_of_this_machine_is_what_the_kernel_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ModelLock(tmp_path, "dante")
    held_elsewhere(lock)
    here = ProcessIdentity.of_self().boot_id.partition("/")[0]
    if not here:
        pytest.skip("this system does not name its boots")
    content = json.loads(lock.path.read_text())
    content["identity"]["boot_id"] = f"{here}/pid:[1]"
    lock.path.write_text(json.dumps(content))
    monkeypatch.setattr("mypt.runs.lock.locks_reach_everyone", lambda path: False)
    lock.check_free()


def test_of_two_that_write_at_once_without_locks_one_steps_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ModelLock(tmp_path, "dante")
    monkeypatch.setattr(filelock, "_lock", no_locks)
    # Meanwhile the other machine, which saw a free model too, writes its own name.
    monkeypatch.setattr("mypt.runs.lock.time.sleep", lambda seconds: held_elsewhere(lock))
    with pytest.raises(UserError, match="on elsewhere"):
        lock.acquire(command=[])
    assert b"elsewhere" in lock.path.read_bytes()


def test_without_locks_a_process_of_this_machine_is_still_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filelock, "_lock", no_locks)
    monkeypatch.setattr("mypt.runs.lock._SETTLE_S", 0.0)
    lock = ModelLock(tmp_path, "dante")
    with lock.acquire(command=[]), pytest.raises(UserError, match=f"pid {os.getpid()}"):
        ModelLock(tmp_path, "dante").check_free()


def test_content_that_is_not_json_refuses_nobody(tmp_path: Path) -> None:
    lock = ModelLock(tmp_path, "dante")
    lock.path.parent.mkdir(parents=True)
    lock.path.write_bytes(b'{"run_id": \xff')
    assert lock.holder() is None
    with lock.acquire(run_id="run-2", command=[]):
        holder = lock.holder()
        assert holder is not None and holder.run_id == "run-2"


def test_a_run_may_say_its_name_later(tmp_path: Path) -> None:
    lock = ModelLock(tmp_path, "dante").acquire(command=["mypt", "train"])
    with pytest.raises(UserError, match=f"held by pid {os.getpid()}"):
        ModelLock(tmp_path, "dante").acquire(command=[], patience_s=0)
    before = lock.holder()
    lock.name_run("run-7")
    after = lock.holder()
    assert before is not None and after is not None
    assert (before.run_id, after.run_id) == ("", "run-7")
    assert (before.since, before.command) == (after.since, after.command)
    lock.release()
    lock.name_run("run-8")
    assert lock.path.read_bytes() == b""


def test_one_process_does_not_take_a_model_twice(tmp_path: Path) -> None:
    with (
        ModelLock(tmp_path, "dante").acquire(run_id="a", command=[]),
        pytest.raises(UserError, match="run a"),
    ):
        ModelLock(tmp_path, "dante").acquire(run_id="b", command=[], patience_s=0)


def test_acquire_outwaits_a_look(tmp_path: Path) -> None:
    """A shared lock held for a moment, as a look takes it, does not refuse a run."""
    lock = ModelLock(tmp_path, "dante")
    lock.path.parent.mkdir(parents=True)
    lock.path.touch()
    code = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH)\n"
        "print('up', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(lock.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    with pytest.raises(UserError, match="has not said who it is"):
        lock.acquire(run_id="a", command=[], patience_s=0)
    assert child.stdin is not None
    child.stdin.close()  # it ends while we already wait
    with lock.acquire(run_id="a", command=[], patience_s=20):
        assert is_locked(lock.path) is True
    child.wait()
    child.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_does_not_hold_the_model(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from mypt.runs.lock import ModelLock\n"
        "lock = ModelLock(Path(sys.argv[1]), 'held').acquire(run_id='a', command=[])\n"
        "if os.fork() == 0:\n"
        "    print('worker', os.getpid(), flush=True); sys.stdin.read(); os._exit(0)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdin is not None
    worker = ProcessIdentity.of_pid(int(child.stdout.readline().split()[1]))
    child.wait()
    assert worker.is_alive().value == "alive"
    with ModelLock(tmp_path, "held").acquire(run_id="b", command=[], patience_s=0):
        pass
    child.stdin.close()
    child.stdout.close()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_a_lock_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        ModelLock(tmp_path, name)


def test_a_folder_that_cannot_be_made_is_an_expected_error(tmp_path: Path) -> None:
    (tmp_path / ".mypt").write_text("a file is in the way")
    with pytest.raises(RunError, match="cannot lock"):
        ModelLock(tmp_path, "dante").acquire(run_id="a", command=[])


@pytest.mark.skipif(sys.platform == "win32", reason="what is open cannot be removed there")
def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    lock = ModelLock(tmp_path, "dante").acquire(command=["mypt", "train"])
    lock.name_run("run-1")
    before = lock.path.read_bytes()
    lock.keep()
    assert lock.path.read_bytes() == before
    shutil.rmtree(tmp_path / ".mypt")
    lock.keep()
    assert lock.path.read_bytes() == before and is_locked(lock.path)
    lock.release()
    assert not is_locked(lock.path)
    lock.keep()
    assert not is_locked(lock.path)


@pytest.mark.skipif(sys.platform == "win32", reason="what is open cannot be moved there")
def test_a_lock_does_not_make_a_workspace_again_that_was_renamed(tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    place.mkdir()
    with ModelLock(place, "dante").acquire(command=["mypt", "train"]) as lock:
        place.rename(tmp_path / "elsewhere")
        lock.keep()
        assert not place.exists()
    assert not is_locked(tmp_path / "elsewhere" / ".mypt" / "locks" / "dante.lock")


@pytest.mark.skipif(sys.platform == "win32", reason="what is open cannot be removed there")
def test_a_lock_whose_file_was_removed_and_taken_by_another_is_lost(tmp_path: Path, hold: Hold) -> None:
    lock = ModelLock(tmp_path, "dante").acquire(command=["mypt", "train"])
    shutil.rmtree(tmp_path / ".mypt")
    child = hold()
    with pytest.raises(LostError, match=rf"another run has taken it since \(run run-1, pid {child.pid} "):
        lock.keep(patience_s=0.1)
    child.kill()
    child.wait()
    # With the other one dead, it is this one's again.
    lock.keep()
    assert json.loads(lock.path.read_bytes())["identity"] == ProcessIdentity.of_self().to_json()


@pytest.mark.skipif(sys.platform == "win32", reason="what is open cannot be removed there")
def test_threads_that_keep_one_lock_do_not_take_it_from_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ModelLock(tmp_path, "dante").acquire(command=["mypt", "train"])
    between, go_on = threading.Event(), threading.Event()
    lost: list[BaseException] = []
    try_acquire = filelock.FileLock.try_acquire

    def slowly(file: filelock.FileLock) -> bool | None:
        if threading.current_thread() is thread:
            between.set()
            assert go_on.wait(60)
        return try_acquire(file)

    def keep() -> None:
        try:
            lock.keep(patience_s=0.2)
        except LostError as error:
            lost.append(error)

    thread = threading.Thread(target=keep)
    monkeypatch.setattr(filelock.FileLock, "try_acquire", slowly)
    lock.path.unlink()
    thread.start()
    # It has let go of the old lock and has no other yet.
    assert between.wait(60)
    lock.keep(patience_s=0.2)
    go_on.set()
    thread.join()
    lock.keep()
    assert not lost and is_locked(lock.path)
    lock.release()
