from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mypt.runs.identity import Alive, ProcessIdentity, boot_id

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="start ticks come from /proc")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    yield child
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()


def test_self_is_alive_and_survives_json() -> None:
    me = ProcessIdentity.of_self()
    assert me.pid == os.getpid()
    assert me.is_alive() is Alive.ALIVE
    assert ProcessIdentity.from_json(me.to_json()) == me
    assert abs(me.create_time - time.time()) < 3600 * 24


@pytest.mark.parametrize("broken", [None, {}, [], "x", {"pid": 1}, {"pid": "many"}])
def test_what_is_not_an_identity_is_none(broken: object) -> None:
    assert ProcessIdentity.from_json(broken) is None


@pytest.mark.parametrize("pid", [0, -1])
def test_group_pids_are_never_identities(pid: int) -> None:
    assert ProcessIdentity.from_json(ProcessIdentity.of_self().to_json() | {"pid": pid}) is None


def test_a_process_that_ended_is_dead_and_not_signalled() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.of_pid(child.pid)
    child.communicate(b"\n")
    assert identity.is_alive() is Alive.DEAD
    assert not identity.signal_if_same(signal.SIGTERM)
    with pytest.raises(ProcessLookupError):
        ProcessIdentity.of_pid(child.pid)


def test_the_same_process_is_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    assert ProcessIdentity.of_pid(sleeper.pid).signal_if_same(signal.SIGTERM)
    assert sleeper.wait(timeout=20) == -signal.SIGTERM


@linux_only
def test_a_reused_pid_is_dead_and_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    now = ProcessIdentity.of_pid(sleeper.pid)
    assert now.start_ticks is not None
    before = replace(now, start_ticks=now.start_ticks - 1)
    assert before.is_alive() is Alive.DEAD
    assert not before.signal_if_same(signal.SIGKILL)
    assert now.is_alive() is Alive.ALIVE
    # The answer to a line of input shows that nothing was delivered late either.
    sleeper.communicate(b"")
    assert sleeper.returncode == 0


def test_without_ticks_the_creation_time_decides_with_tolerance(sleeper: subprocess.Popen[bytes]) -> None:
    now = replace(ProcessIdentity.of_pid(sleeper.pid), start_ticks=None)
    assert replace(now, create_time=now.create_time + 1.5).is_alive() is Alive.ALIVE
    stranger = replace(now, create_time=now.create_time + 30)
    assert stranger.is_alive() is Alive.DEAD
    assert not stranger.signal_if_same(signal.SIGKILL)
    assert sleeper.poll() is None


@linux_only
def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.of_pid(child.pid)
    assert child.stdin is not None
    child.stdin.close()
    deadline = time.monotonic() + 60
    while b") Z" not in Path(f"/proc/{child.pid}/stat").read_bytes():
        assert time.monotonic() < deadline
    os.kill(child.pid, 0)  # the pid still answers, as long as nobody reaps it
    assert identity.is_alive() is Alive.DEAD
    assert not identity.signal_if_same(signal.SIGTERM)
    child.wait()


@linux_only
@pytest.mark.parametrize("name", ["x) Z (y", "a b", ") R 1 1 (", "((("])
def test_strange_command_names(name: str) -> None:
    code = "import sys; open('/proc/self/comm', 'w').write(sys.argv[1]); print('up', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    before = ProcessIdentity.of_pid(child.pid)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    assert Path(f"/proc/{child.pid}/comm").read_text().strip() == name.strip()
    assert ProcessIdentity.of_pid(child.pid) == before
    assert before.is_alive() is Alive.ALIVE
    child.communicate("")
    assert before.is_alive() is Alive.DEAD


def test_another_machine_cannot_be_asked() -> None:
    me = ProcessIdentity.of_self()
    elsewhere = replace(me, host="another", boot_id="0000-another-boot")
    assert elsewhere.is_alive() is Alive.OTHER_HOST
    assert not elsewhere.signal_if_same(signal.SIGKILL)


@linux_only
def test_an_earlier_boot_of_this_machine_is_dead() -> None:
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    earlier = replace(
        ProcessIdentity.of_self(), boot_id="0000-earlier-boot/pid:[1]", create_time=started - 3600
    )
    assert earlier.is_alive() is Alive.DEAD
    assert earlier.is_alive(last_sign=started - 20) is Alive.DEAD
    assert not earlier.signal_if_same(signal.SIGKILL)


@linux_only
def test_another_machine_of_the_same_name_is_not_dead() -> None:
    me = ProcessIdentity.of_self()
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    begun_since = replace(me, boot_id="0000-another-boot/pid:[1]", create_time=started + 60)
    begun_before = replace(begun_since, create_time=started - 3600)
    assert begun_since.is_alive() is Alive.OTHER_HOST
    assert begun_before.is_alive() is Alive.DEAD
    assert begun_before.is_alive(last_sign=started + 60) is Alive.OTHER_HOST
    for twin in (begun_since, begun_before):
        assert not twin.signal_if_same(signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP")
def test_a_suspended_process_is_alive_and_told_apart(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of_pid(sleeper.pid)
    assert not identity.is_suspended()
    sleeper.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 20
    while not identity.is_suspended():
        assert time.monotonic() < deadline
    assert identity.is_alive() is Alive.ALIVE
    stranger = replace(identity, start_ticks=1, create_time=1.0)
    assert not stranger.is_suspended()
    sleeper.send_signal(signal.SIGCONT)
    while identity.is_suspended():
        assert time.monotonic() < deadline


@linux_only
def test_another_container_on_this_machine_cannot_be_asked() -> None:
    me = ProcessIdentity.of_self()
    other = replace(me, boot_id=boot_id().partition("/")[0] + "/pid:[1]")
    assert other.is_alive() is Alive.OTHER_HOST
    assert not other.signal_if_same(signal.SIGKILL)


@linux_only
def test_a_machine_that_was_renamed_is_still_this_machine() -> None:
    assert replace(ProcessIdentity.of_self(), host="its old name").is_alive() is Alive.ALIVE
