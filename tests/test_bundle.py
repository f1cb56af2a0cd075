from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt import bundle, fsio
from mypt.bundle import (
    BundleInfo,
    Kind,
    check_model_name,
    directory_name,
    find,
    is_path,
    list_bundles,
    read_info,
    read_json_object,
    repair,
    split_name,
    writing,
)
from mypt.errors import UserError
from mypt.fsio import exchange_dirs, replace
from mypt.imprint import imprint
from mypt.settings.paths import in_workspace

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "original" / "checkpoints"


def fill(folder: Path, step: int, size: int = 1000) -> None:
    """The files of a bundle whose every part tells its step."""
    shape = dict.fromkeys(bundle.SHAPE, 2)
    (folder / "config.json").write_text(json.dumps({**shape, "step": step}))
    (folder / "training_state.json").write_text(json.dumps({"step": step, "training_config": {"seed": step}}))
    (folder / "tokenizer.json").write_text(json.dumps({"token_kind": "gpt2", "step": step}))
    (folder / "model.pt").write_bytes(step.to_bytes(8, "little") * (size // 8))
    (folder / "optimizer.pt").write_bytes(step.to_bytes(8, "little") * (size // 8))


def save(checkpoints: Path, name: str, step: int) -> Path:
    target = checkpoints / name
    with writing(target) as staging:
        fill(staging, step)
    return target


def steps_of(path: Path) -> set[int]:
    """Every step that a part of the bundle tells: one, when it is whole."""
    found = {
        json.loads((path / name).read_text())["step"]
        for name in (bundle.CONFIG, bundle.STATE, bundle.TOKENIZER)
    }
    for name in (bundle.MODEL, bundle.OPTIMIZER):
        raw = (path / name).read_bytes()
        found |= {int.from_bytes(raw[i : i + 8], "little") for i in range(0, len(raw), 8)}
    return found


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
    found = {path.name for path in bundle_folder.iterdir()} - set(bundle._OURS)
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
    assert {path.name for path in (tmp_path / "dante_gold").iterdir()} == bundle._OURS
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
from test_bundle import fill
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


# ── repair ──────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_size_that_is_not_that_of_the_manifest_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 1)
    save(tmp_path, "other", 1)
    os.truncate(path / "model.pt", 10)
    (path / "optimizer.pt").unlink()
    problem = read_info(path).problem
    assert "model.pt has 10 bytes instead of 1000" in problem and "optimizer.pt is missing" in problem
    assert read_info(tmp_path / "other").problem == ""
    with pytest.raises(UserError, match=r"broken.*model\.pt has 10 bytes"):
        find(tmp_path, "dante")


def test_a_document_edited_by_hand_is_told_as_that_and_still_read(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 1)
    state = json.loads((path / "training_state.json").read_text())
    (path / "training_state.json").write_text(json.dumps(state | {"step": 77}, indent=9))
    info = read_info(path)
    assert info.problem.startswith("training_state.json is not as it was saved (")
    assert info.was_read and info.step == 77
    with pytest.raises(UserError, match=r"remove manifest\.json to take the checkpoint as it is now"):
        find(tmp_path, "dante")
    (path / "manifest.json").unlink()
    assert find(tmp_path, "dante").step == 77


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.pt"])
def test_a_missing_file_is_named_once(tmp_path: Path, name: str) -> None:
    (save(tmp_path, "dante", 1) / name).unlink()
    info = read_info(tmp_path / "dante")
    assert info.problem == f"{name} is missing"
    assert info.remedy.startswith("restore the file")


@pytest.mark.parametrize("name", ["model.pt", "optimizer.pt", "training_state.json"])
def test_a_copy_that_has_some_of_two_saves_is_told(tmp_path: Path, name: str) -> None:
    path, copy = save(tmp_path, "dante", 3), tmp_path / "copy"
    shutil.copytree(path, copy)
    assert find(tmp_path, "copy").step == 3
    save(tmp_path, "dante", 4)
    shutil.copy(path / name, copy / name)
    said = rf"copy: the checkpoint is broken: {name} is of another save than manifest.json .*; copy the folder once more"
    with pytest.raises(UserError, match=said):
        find(tmp_path, "copy")
    (copy / "manifest.json").unlink()
    assert find(tmp_path, "copy").step == (4 if name == "training_state.json" else 3)


def test_what_is_saved_while_it_is_looked_for_is_not_taken_for_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "dante", 1)
    looks = iter(range(2, 5))

    def saved_meanwhile(path: Path) -> BundleInfo:
        info = read_info(path)
        if step := next(looks, 0):
            save(tmp_path, "dante", step)
        return info

    monkeypatch.setattr(bundle, "read_info", saved_meanwhile)
    assert find(tmp_path, "dante").step == 4


def test_pieces_tell_large_files_apart(tmp_path: Path) -> None:
    file = tmp_path / "large"
    numbers = bytearray(os.urandom(1 << 16) * 50)
    file.write_bytes(numbers)
    before = imprint(file)
    assert imprint(file) == before
    for place in range(0, len(numbers), 1 << 16):
        numbers[place] ^= 1
    file.write_bytes(numbers)
    assert imprint(file) != before
    for small in (b"", b"a", b"b", b"a" * (1 << 14), b"a" * (1 << 14) + b"b"):
        file.write_bytes(small)
        assert (imprint(file) == before) is False
        before = imprint(file)


def test_a_step_that_no_run_can_be_at_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 3)
    (path / "manifest.json").unlink()
    (path / "training_state.json").write_text('{"step": -1, "progress": {}}')
    assert read_info(path).problem == "training_state.json has a step below 0 (-1)"
    (path / "training_state.json").write_text('{"step": -1}')
    assert not read_info(path).problem


def test_a_config_without_what_no_default_can_stand_for_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 3)
    (path / "manifest.json").unlink()
    for field in bundle.SHAPE:
        (path / "config.json").write_text(json.dumps({**dict.fromkeys(bundle.SHAPE, 2), field: None}))
        assert read_info(path).problem == f"config.json has no {field}"
        with pytest.raises(
            UserError, match=rf"dante: .*config.json has no {field}; write it into the file as"
        ):
            find(tmp_path, "dante")
    (path / "config.json").write_text('{"n_embd": ' + "9" * 400 + "}")
    assert read_info(path).problem == "config.json: holds a value that cannot be read: a number of 400 digits"
    (path / "config.json").write_text("{}")
    wanted = "config.json has no block_size, vocab_size, n_embd, n_head, n_layer"
    assert [info.problem for info in list_bundles(tmp_path)] == [wanted]


@pytest.mark.parametrize("name", ["config.json", "training_state.json", "tokenizer.json"])
def test_json_cut_short_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, "dante", 1)
    (path / name).write_text('{\n  "a": 1,\n  "b": [1, 2')
    problem = read_info(path).problem
    assert f"{name}: cut short at line 3" in problem


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=50), st.text(max_size=30).map(lambda t: json.dumps({"step": t}).encode()))
)
def test_no_content_makes_reading_raise(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "dante"
    path.mkdir(exist_ok=True)
    for name in (bundle.CONFIG, bundle.STATE, bundle.TOKENIZER, bundle.MODEL, bundle.MANIFEST):
        (path / name).write_bytes(raw)
    info = read_info(path)
    assert info.problem == "" or info.problem.isprintable()
    assert info.step is None and info.base is None and info.training_config == {}


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a":' * 200_000)
    with pytest.raises(UserError, match=r"x\.json"):
        read_json_object(tmp_path / "x.json")


def test_every_bundle_is_listed_broken_ones_too(tmp_path: Path) -> None:
    save(tmp_path, "b", 1)
    save(tmp_path, "a_gold", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".tmp.1.c").mkdir()
    (tmp_path / "file").touch()
    assert [(i.name, i.kind, bool(i.problem)) for i in list_bundles(tmp_path)] == [
        ("a_gold", Kind.GOLD, False),
        ("b", Kind.LAST, False),
        ("empty", Kind.LAST, True),
    ]
    assert list_bundles(tmp_path / "missing") == []


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    save(tmp_path, "dante", 1)
    with pytest.raises(UserError, match="did you mean dante"):
        find(tmp_path, "danet")
    with pytest.raises(UserError, match="there are: dante"):
        find(tmp_path, "zzzzzz")
    assert find(tmp_path, "dante").step == 1
    assert find(tmp_path / "elsewhere", str(tmp_path / "dante")).step == 1


def test_lineage_is_read(tmp_path: Path) -> None:
    path = save(tmp_path, "chat", 1)
    (path / "training_state.json").write_text(
        json.dumps({"step": True, "base": {"name": "dante", "step": 5}})
    )
    info = read_info(path)
    assert info.base == "dante" and info.step is None


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample checkpoints are not beside the repository")
def test_bundles_of_the_original_are_whole() -> None:
    infos = list_bundles(SAMPLES)
    assert [(i.model_name, i.kind, i.problem) for i in infos] == [
        ("a_char_learned", Kind.LAST, ""),
        ("a_char_learned", Kind.FP16, ""),
        ("a_char_learned", Kind.GOLD, ""),
    ]
    assert infos[0].config["n_layer"] == 2 and infos[0].tokenizer["token_kind"] == "char"


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["dante", "dante_150M", "a.b-c", "Ünï cödé", "日本", "gold", "fp16", "x" * 200]
)
def test_plain_names_are_taken(name: str) -> None:
    assert check_model_name(name) == []


OUTSIDE = ["", ".", "..", "a/b", "a\\b", "/etc", "../x", "a..b", "C:x", "a*", "a?", 'a"', "a|b", "<a>"]
UNPRINTABLE = ["a\nb", "a\x1b[0m", "a\x00", "a\u202eb", "a\u200b", "\udcff"]
MISLEADING = [".hidden", "-flag", " a", "a ", "a.", "dante_gold", "dante_fp16", "x" * 201, "é" * 101]


@pytest.mark.parametrize("name", [*OUTSIDE, *UNPRINTABLE, *MISLEADING])
def test_other_names_are_refused_with_a_reason(name: str) -> None:
    problems = check_model_name(name)
    assert problems and str(problems[0]).isprintable() and "model_name" in str(problems[0])


@pytest.mark.parametrize("kind", list(Kind))
def test_folder_names_go_both_ways(kind: Kind) -> None:
    assert split_name(directory_name("dante", kind)) == ("dante", kind)


def test_a_suffix_alone_is_a_name() -> None:
    assert split_name("_gold") == ("_gold", Kind.LAST)


def test_a_dot_and_a_slash_make_a_path_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints = tmp_path / "checkpoints"
    for folder, step in ((checkpoints / "dante", 1), (tmp_path / "dante", 2)):
        with writing(folder) as staging:
            fill(staging, step)
    assert find(checkpoints, "dante").step == 1
    assert find(checkpoints, "./dante").step == find(checkpoints, in_workspace("./dante", Path())).step == 2
    assert find(checkpoints, in_workspace("./dante", tmp_path)).step == 2
    assert find(checkpoints, "checkpoints/dante").step == 1
    with pytest.raises(
        UserError, match=r"no such folder .*; a mere name, such as virgil, is looked for in checkpoints/"
    ):
        find(checkpoints, "./virgil")
    assert is_path("./dante") and is_path("a/dante") and not is_path("dante") and not is_path(".dante")
