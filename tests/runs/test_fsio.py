from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mypt import fsio


def test_write_atomic_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    fsio.write_atomic(target, "old")
    fsio.write_atomic(target, "new è", durable=True)
    assert target.read_bytes() == "new è".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_what_is_ended_at_once_takes_its_unfinished_file_away(tmp_path: Path) -> None:
    """And no other process's: a fork knows of its parent's files, too."""
    program = """
import os, signal, sys
from pathlib import Path
from mypt import fsio, signals
place = Path(sys.argv[1])
signal.signal(signal.SIGTERM, signals.end_at_once)
def strike(*words): signal.raise_signal(signal.SIGTERM)
for name in ("fsync_file", "replace"):
    if os.fork() == 0:
        setattr(fsio, name, strike)
        fsio.write_atomic(place / name, "half", durable=True)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
fsio.UNFINISHED[str(place / "of the parent")] = os.getpid()
(place / "of the parent").touch()
if os.fork() == 0:
    strike()
print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["143"] * 3, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["of the parent"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    fsio.write_json_atomic(target, {"a": 1})
    with pytest.raises(ValueError):
        fsio.write_json_atomic(target, {"a": math.nan})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(OSError):
        fsio.write_atomic(tmp_path / "folder", "a folder is in the way")
    assert json.loads(target.read_text()) == {"a": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "folder"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "prefs.json", tmp_path / "prefs.json"
    real.write_text("old")
    link.symlink_to(real)
    fsio.write_atomic(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_name_that_is_not_utf8_survives_the_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    fsio.write_json_atomic(tmp_path / "a.json", {"name": name})
    assert json.loads((tmp_path / "a.json").read_text())["name"] == name


def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    code = (
        "import sys; from mypt.fsio import write_json_atomic\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; write_json_atomic(sys.argv[1], {'n': n, 'pad': 'x' * 200_000})\n"
    )
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", code, str(target)])
        try:
            deadline = time.monotonic() + 60
            start = target.stat().st_mtime_ns if target.exists() else 0
            while not target.exists() or target.stat().st_mtime_ns == start:
                assert time.monotonic() < deadline
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert len(json.loads(target.read_text())["pad"]) == 200_000


def _append_many(path: str, mark: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in range(300):
        fsio.append_line(fd, f"{mark}{number:04d}".encode() * 50)
    os.close(fd)


def test_lines_of_two_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writers = [multiprocessing.Process(target=_append_many, args=(str(path), mark)) for mark in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = path.read_bytes().splitlines()
    assert len(lines) == 600
    assert all(line == line[:5] * 50 for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_line_that_does_not_fit_is_cut_off_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    code = (
        "import os, resource, signal, sys; from mypt.fsio import append_line\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "append_line(fd, b'a' * 600)\n"
        "try:\n"
        "    append_line(fd, b'b' * 600)\n"
        "except OSError:\n"
        "    append_line(fd, b'c' * 10); sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 7
    assert path.read_bytes() == b"a" * 600 + b"\n" + b"c" * 10 + b"\n"


def test_exchange_swaps_or_says_that_it_cannot(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    swapped = fsio.exchange_dirs(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "who").read_text() == ("b" if swapped else "a")
    assert (tmp_path / "b" / "who").read_text() == ("a" if swapped else "b")


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux")
def test_exchange_with_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        fsio.exchange_dirs(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").is_dir()


def test_a_link_that_leads_back_to_itself_leads_nowhere_and_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    fsio.write_atomic(tmp_path / "loop", "x")
    assert (tmp_path / "loop").read_text() == "x" and [p.name for p in tmp_path.iterdir()] == ["loop"]


def test_numbers_that_json_has_no_word_for_become_null() -> None:
    value = {"a": [1, math.inf, (math.nan, 2.0)], "b": {"c": -math.inf}, "d": "nan"}
    assert fsio.finite(value) == {"a": [1, None, [None, 2.0]], "b": {"c": None}, "d": "nan"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="is no regular file"):
            fsio.write_atomic(tmp_path / name, "x")
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()
    assert len(list(tmp_path.iterdir())) == 2
