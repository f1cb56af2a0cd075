from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt.events import AnyEvent, Eval, Train, Unknown, encode, read_log
from mypt.watch.follow import LogFollower
from mypt.watch.lines import EvalRow

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "original" / "logs"

LOG = b"".join(
    [
        b"\xef\xbb\xbf" + encode(Train(iter=1, timestamp="t", train_loss=2.5)),
        b'{"event": "eval", "iter": 2, "val_loss": NaN}\r\n',
        b"not json at all\n",
        b"\n\x00\x00\x00\n",
        '{"event": "sample", "iter": 2, "text": "où ★"}\n'.encode(),
        b'{"event": "future", "iter": 3}\n',
        b"\xff\xfe{\n",
        b"\x00\x00\x00" + encode(Eval(iter=4, timestamp="t", val_loss=1.5, eval_sets={"a": 1.0})),
    ]
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def seen(events: Sequence[AnyEvent | EvalRow]) -> list[str]:
    return [repr(event) for event in events]


def drain(follower: LogFollower, max_bytes: int = 1 << 20, **how: bool) -> list[AnyEvent | EvalRow]:
    events: list[AnyEvent | EvalRow] = []
    while True:
        poll = follower.poll(max_bytes, **how)
        events += poll.events
        if not poll.more:
            return events


def line(step: int, **fields: Any) -> bytes:
    return encode(Train(iter=step, timestamp="2026-11-20T14:56:22.250550", **fields))


def steps(events: list[AnyEvent | EvalRow]) -> list[int]:
    return [event.iter for event in events if isinstance(event, Train)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cuts=st.lists(st.integers(0, len(LOG)), max_size=8),
    slices=st.integers(1, 400),
)
def test_any_cut_of_the_bytes_gives_the_same_events(tmp_path: Path, cuts: list[int], slices: int) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(LOG)
    expected, bad = read_log(path)
    path.unlink()
    follower = LogFollower(path, clock=Clock())
    got: list[AnyEvent | EvalRow] = []
    begin = 0
    for end in [*sorted(cuts), len(LOG)]:
        with path.open("ab") as file:
            file.write(LOG[begin:end])
        begin = end
        got += drain(follower, slices)
    assert seen(got) == seen(expected)
    assert follower.bad == bad == 2
    assert [type(event).__name__ for event in got] == ["Train", "Eval", "Sample", "Unknown", "Eval"]
    path.unlink()


def test_slices_say_that_more_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(line(n) for n in range(100)))
    follower = LogFollower(path)
    first = follower.poll(1000)
    assert first.more and first.events and follower.offset == 1000
    assert steps(first.events + drain(follower, 1000)) == list(range(100))
    assert not follower.poll().more


def test_nothing_new_costs_no_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1))
    follower = LogFollower(path)
    drain(follower)

    def no_open(*_: object, **__: object) -> None:
        raise AssertionError("the file was opened")

    monkeypatch.setattr(Path, "open", no_open)
    assert follower.poll().events == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to list what is open")
def test_the_file_is_closed_between_polls(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1))
    follower = LogFollower(path)
    follower.poll()
    held = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.exists()]
    assert str(path) not in held


def test_a_torn_last_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    whole = line(2)
    path.write_bytes(line(1) + whole[:20])
    clock = Clock()
    follower = LogFollower(path, clock=clock)
    assert steps(drain(follower)) == [1]
    clock.now += 60
    assert drain(follower, final=True) == []
    assert follower.pending == 20 and follower.bad == 0
    with path.open("ab") as file:
        file.write(whole[20:])
    assert steps(drain(follower)) == [2]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_whole_last_line_without_newline_comes_once(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1) + line(2).rstrip(b"\n"))
    clock = Clock()
    follower = LogFollower(path, clock=clock)
    assert steps(drain(follower)) == [1]
    clock.now += 0.5
    assert drain(follower) == []
    clock.now += 0.6
    assert steps(drain(follower)) == [2]
    assert drain(follower, final=True) == []
    with path.open("ab") as file:
        file.write(ending + line(3))
    assert steps(drain(follower)) == [3]
    assert follower.bad == 0


def test_final_delivers_the_unfinished_line_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1).rstrip(b"\n"))
    assert steps(LogFollower(path, clock=Clock()).poll(final=True).events) == [1]


def test_truncation_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1) + b"bad\n" + line(2))
    follower = LogFollower(path)
    drain(follower)
    os.truncate(path, 0)
    poll = follower.poll()
    assert poll.reset and poll.events == [] and follower.bad == 0
    with path.open("ab") as file:
        file.write(line(7))
    poll = follower.poll()
    assert not poll.reset and steps(poll.events) == [7]


def test_replacement_by_another_file_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1))
    follower = LogFollower(path)
    drain(follower)
    other = tmp_path / "new"
    other.write_bytes(line(1) + line(2))
    other.replace(path)
    poll = follower.poll()
    assert poll.reset and steps(poll.events) == [1, 2]


@pytest.mark.parametrize("more", [b"", line(9)])
def test_a_rewrite_in_place_is_noticed_by_its_content(tmp_path: Path, more: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1) + line(2))
    follower = LogFollower(path)
    drain(follower)
    inode = path.stat().st_ino
    with path.open("r+b") as file:
        file.write(line(5) + line(6) + more)
    os.utime(path, (1e9, 1e9))
    assert path.stat().st_ino == inode
    poll = follower.poll()
    assert poll.reset and steps(poll.events) == [5, 6] + ([9] if more else [])


def test_a_rewritten_beginning_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rest = b"".join(line(n) for n in range(10, 100))
    path.write_bytes(line(1) + rest)
    follower = LogFollower(path)
    drain(follower)
    with path.open("r+b") as file:
        file.write(line(5))
    os.utime(path, (1e9, 1e9))
    poll = follower.poll()
    assert poll.reset and steps(poll.events)[:2] == [5, 10]


def test_a_touched_file_is_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1))
    follower = LogFollower(path)
    drain(follower)
    os.utime(path, (1e9, 1e9))
    poll = follower.poll()
    assert not poll.reset and poll.events == []


def test_a_missing_file_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    follower = LogFollower(path)
    assert follower.poll().gone and follower.problem
    path.write_bytes(line(1))
    assert steps(drain(follower)) == [1] and not follower.problem
    aside = path.rename(tmp_path / "aside")
    poll = follower.poll()
    assert poll.gone and not poll.reset
    aside.rename(path)
    with path.open("ab") as file:
        file.write(line(2))
    poll = follower.poll()
    assert steps(poll.events) == [2] and not poll.reset and not poll.gone


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "x.jsonl"
    folder.mkdir()
    assert LogFollower(folder).poll().gone
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jsonl")
        assert LogFollower(tmp_path / "pipe.jsonl").poll().gone


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_says_why(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1))
    path.chmod(0)
    follower = LogFollower(path)
    poll = follower.poll()
    assert poll.events == [] and not poll.gone and "denied" in follower.problem.lower()


def test_a_line_without_end_does_not_eat_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1))
    follower = LogFollower(path)
    follower._reader.max_line = 5000
    with path.open("ab") as file:
        file.write(b"x" * 20_000 + b"\n" + line(2))
    assert steps(drain(follower, 1000)) == [1, 2]
    assert follower.bad >= 1 and follower.pending == 0


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample logs are not beside the repository")
@pytest.mark.parametrize("size", [97, 1 << 20])
def test_the_original_s_logs_are_read_without_a_bad_line(size: int) -> None:
    paths = sorted(SAMPLES.glob("*.jsonl"))
    assert paths
    for path in paths:
        follower = LogFollower(path)
        events = drain(follower, size, final=True)
        assert follower.bad == 0
        lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        assert len(events) == len(lines)
        assert not [event for event in events if isinstance(event, Unknown)]
