from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mypt import bundle, fsio
from mypt.bundle import (
    Kind,
    list_bundles,
    read_info,
    repair,
    writing,
)
from mypt.fsio import exchange_dirs, replace
from tests.bundle.saved import fill, save, steps_of


def test_a_bundle_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "checkpoints" / "dante"
    with writing(target) as staging:
        fill(staging, 1)
        assert not target.exists()
        assert list_bundles(target.parent) == []
    assert steps_of(target) == {1}
    info = read_info(target)
    assert (info.problem, info.step, info.kind, info.model_name) == ("", 1, Kind.LAST, "dante")
    assert info.training_config == {"seed": 1} and info.size == sum(
        p.stat().st_size for p in target.iterdir()
    )
    assert [p.name for p in target.parent.iterdir()] == ["dante"]


def test_the_next_one_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, "dante", 1)
    save(tmp_path, "dante", 2)
    assert steps_of(tmp_path / "dante") == {2}
    assert [p.name for p in tmp_path.iterdir()] == ["dante"]


def test_files_of_the_one_before_do_not_stay(tmp_path: Path) -> None:
    save(tmp_path, "dante", 1)
    with writing(tmp_path / "dante") as staging:
        fill(staging, 2)
        (staging / "optimizer.pt").unlink()
    assert not (tmp_path / "dante" / "optimizer.pt").exists()


def put_in(bundle_folder: Path) -> None:
    """What a person, and the original MyPT, put beside our files."""
    (bundle_folder / "notes.txt").write_text("the one with the good verses")
    (bundle_folder / "gold_selection_state.json").write_text("{}")
    (bundle_folder / "plots" / "old").mkdir(parents=True)
    (bundle_folder / "plots" / "old" / "loss.png").write_bytes(b"png")
    if sys.platform != "win32":
        (bundle_folder / "link").symlink_to("plots")


def has_been_put_in(bundle_folder: Path) -> bool:
    """Whether all of it is there, once, beside a whole bundle."""
    found = {path.name for path in bundle_folder.iterdir()} - set(bundle.OURS)
    wanted = {"notes.txt", "gold_selection_state.json", "plots", *["link"] * (sys.platform != "win32")}
    return (
        found == wanted
        and (bundle_folder / "notes.txt").read_text().endswith("verses")
        and (bundle_folder / "plots" / "old" / "loss.png").read_bytes() == b"png"
        and read_info(bundle_folder).problem == ""
    )


@pytest.mark.parametrize("swap", ["exchange", "two steps"])
def test_what_a_person_put_beside_it_goes_on_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    if swap == "two steps":
        monkeypatch.setattr(fsio, "exchange_dirs", lambda *_: False)
    put_in(save(tmp_path, "dante", 1))
    save(tmp_path, "dante_gold", 1)
    for step in (2, 3):
        save(tmp_path, "dante", step)
        save(tmp_path, "dante_gold", step)
    assert has_been_put_in(tmp_path / "dante") and steps_of(tmp_path / "dante") == {3}
    assert {path.name for path in (tmp_path / "dante_gold").iterdir()} == bundle.OURS
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dante", "dante_gold"]


def test_a_save_that_fails_leaves_it_where_it_was(tmp_path: Path) -> None:
    put_in(save(tmp_path, "dante", 1))
    with pytest.raises(KeyboardInterrupt), writing(tmp_path / "dante") as staging:
        fill(staging, 2)
        raise KeyboardInterrupt
    assert has_been_put_in(tmp_path / "dante") and steps_of(tmp_path / "dante") == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_bundle_on_another_disk_stays_there(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    put_in(save(tmp_path / "disk", "dante", 1))
    (tmp_path / "dante").symlink_to(tmp_path / "disk" / "dante")
    save(tmp_path, "dante", 2)
    (tmp_path / "disk" / ".tmp.7.dante").mkdir()
    assert len(repair(tmp_path, "dante")) == 1
    assert (tmp_path / "dante").is_symlink() and has_been_put_in(tmp_path / "disk" / "dante")
    assert steps_of(tmp_path / "disk" / "dante") == {2}
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["dante"]


def test_without_an_exchange_of_folders_it_works_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsio, "exchange_dirs", lambda *_: False)
    save(tmp_path, "dante", 1)
    save(tmp_path, "dante", 2)
    assert steps_of(tmp_path / "dante") == {2} and [p.name for p in tmp_path.iterdir()] == ["dante"]


def test_a_swap_that_fails_half_way_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "dante", 1)
    monkeypatch.setattr(fsio, "exchange_dirs", lambda *_: False)

    def held(source: Path, target: Path) -> None:
        if source.name.startswith(".new."):
            raise PermissionError(13, "held open by another program")
        replace(source, target)

    monkeypatch.setattr(fsio, "replace", held)
    with pytest.raises(PermissionError):
        save(tmp_path, "dante", 2)
    assert steps_of(tmp_path / "dante") == {1} and [p.name for p in tmp_path.iterdir()] == ["dante"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_when_writing_fails_nothing_has_happened(tmp_path: Path, error: BaseException) -> None:
    save(tmp_path, "dante", 1)
    with pytest.raises(type(error)), writing(tmp_path / "dante") as staging:
        fill(staging, 2)
        raise error
    assert steps_of(tmp_path / "dante") == {1} and [p.name for p in tmp_path.iterdir()] == ["dante"]


WRITER = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from saved import fill
from mypt import bundle, fsio
if sys.argv[3] == "two steps":
    fsio.exchange_dirs = lambda *_: False
checkpoints = Path(sys.argv[2])
step = int(sys.argv[4])
print("ready", flush=True)
while True:
    step += 1
    with bundle.writing(checkpoints / "dante") as staging:
        fill(staging, step, size=200_000)
    print(step, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("swap", ["exchange", "two steps"])
def test_a_kill_at_any_moment_leaves_a_whole_bundle(tmp_path: Path, swap: str) -> None:
    """A real process saves without pause and is really killed; what is left is the last bundle or the next."""
    moments = random.Random(swap)
    step = 0
    put_in(save(tmp_path, "dante", 0))
    for _ in range(12):
        command = [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(tmp_path), swap, str(step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
            # Not a wait for something: the moment of the kill is what is tried.
            time.sleep(moments.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
            said = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        last = said[-1] if said else step
        # Between the two renames of a swap in two steps the bundle is aside, and repair puts it back.
        repair(tmp_path, "dante")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["dante"]
        assert has_been_put_in(tmp_path / "dante")
        info = read_info(tmp_path / "dante")
        assert info.problem == ""
        (there,) = steps_of(tmp_path / "dante")
        assert there in (last, last + 1) and info.step == there
        step = there
    assert step > 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_reader_never_sees_half_a_bundle(tmp_path: Path) -> None:
    """Where folders can be exchanged in one step, the bundle is there at every moment."""
    if not _can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange folders")
    save(tmp_path, "dante", 0)
    command = [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(tmp_path), "exchange", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
            seen = 0
            while seen < 30:
                assert (tmp_path / "dante").exists()
                # One open folder is one bundle, however often its name is given to another; it may be removed
                # while it is read, which is a reader's usual way to learn of the next.
                with contextlib.suppress(FileNotFoundError):
                    told = _steps_in_one_folder(tmp_path / "dante")
                    assert len(told) == 1
                    seen = max(told)
        finally:
            writer.kill()


def _steps_in_one_folder(path: Path) -> set[int]:
    folder = os.open(path, os.O_RDONLY)
    try:
        told = set()
        for name in (bundle.STATE, bundle.CONFIG):
            fd = os.open(name, os.O_RDONLY, dir_fd=folder)
            try:
                told.add(int(json.loads(os.read(fd, 10_000))["step"]))
            finally:
                os.close(fd)
        return told
    finally:
        os.close(folder)


def _can_exchange(folder: Path) -> bool:
    a, b = folder / "a", folder / "b"
    a.mkdir()
    b.mkdir()
    can = exchange_dirs(a, b)
    a.rmdir()
    b.rmdir()
    return can


def test_repair_puts_back_what_was_aside(tmp_path: Path) -> None:
    save(tmp_path, "dante_gold", 1).rename(tmp_path / ".old.dante_gold")
    done = repair(tmp_path, "dante")
    assert steps_of(tmp_path / "dante_gold") == {1} and "dante_gold" in done[0]
    assert repair(tmp_path, "dante") == []


def test_repair_removes_leftovers_of_this_model_alone(tmp_path: Path) -> None:
    save(tmp_path, "dante", 2)
    save(tmp_path, "old", 1).rename(tmp_path / ".old.dante")
    for name in (".tmp.7.dante", ".tmp.7.dante_fp16", ".tmp.7.virgil", ".old.virgil"):
        (tmp_path / name).mkdir()
    assert len(repair(tmp_path, "dante")) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == [".old.virgil", ".tmp.7.virgil", "dante"]
    assert steps_of(tmp_path / "dante") == {2}


def test_repair_moves_on_what_a_person_had_in_the_one_before(tmp_path: Path) -> None:
    # A kill between the swap and the moving of it; and somebody who missed a file has made it anew since.
    put_in(save(tmp_path, "dante", 1))
    (tmp_path / "dante").rename(tmp_path / ".new.7.0a1b.dante")
    (save(tmp_path, "dante", 2) / "notes.txt").write_text("where is it?")
    assert len(repair(tmp_path, "dante")) == 1
    assert (tmp_path / "dante" / "notes.txt").read_text() == "where is it?"
    (tmp_path / "dante" / "notes.txt~").replace(tmp_path / "dante" / "notes.txt")
    assert has_been_put_in(tmp_path / "dante") and steps_of(tmp_path / "dante") == {2}
    assert [p.name for p in tmp_path.iterdir()] == ["dante"]


def test_repair_of_nothing_does_nothing(tmp_path: Path) -> None:
    assert repair(tmp_path / "missing", "dante") == []
