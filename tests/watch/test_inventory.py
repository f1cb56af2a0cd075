from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mypt.bundle import SHAPE, BundleInfo, Kind, read_info
from mypt.events import (
    Eval,
    Event,
    GoldCheckpoint,
    Train,
    TrainingComplete,
    TrainingStart,
    TrainingStopped,
    encode,
)
from mypt.runs.directory import ExitRecord, RunDirectory, request_stop, write_exit
from mypt.runs.identity import ProcessIdentity
from mypt.runs.record import RunRecord, create, update
from mypt.runs.state import RunState
from mypt.watch.checkpoints import Bundles, base_model, lineage
from mypt.watch.inventory import Changes, StateChange, Workspace
from mypt.watch.status import status_rows
from tests.bundle.saved import save

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "original"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not beside the repository")
OLD = 1_600_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, *events: Event, at: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for event in events:
            file.write(encode(event))
    if at is not None:
        os.utime(path, (at, at))
    return path


def begin(**fields: Any) -> TrainingStart:
    config = {"max_iters": 100, "start_step": 0, "tokens_per_step": 64, "eval_interval": 10}
    stamp = datetime.now().isoformat(timespec="seconds")
    return TrainingStart(**{"timestamp": stamp, "config": config} | fields)


def evaluation(step: int, loss: float = 2.0) -> Eval:
    return Eval(iter=step, elapsed_s=float(step), tokens_processed=step * 64, val_loss=loss)


def log(workspace: Path, name: str) -> Path:
    return workspace / "logs" / "train" / f"{name}_eval.jsonl"


def record(workspace: Path, name: str, **more: Any) -> RunRecord:
    return create(
        workspace,
        model_name=name,
        log_file=log(workspace, name),
        command=["mypt", "train"],
        origin="dashboard",
        **more,
    )


def settle(workspace: Workspace) -> list[Changes]:
    """Poll until nothing is left to read."""
    seen = [workspace.poll()]
    while seen[-1].more:
        seen.append(workspace.poll())
    return seen


def labels(workspace: Workspace) -> list[str]:
    return sorted(run.label for run in workspace.runs)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A real process that stands for a trainer."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.wait()
    assert child.stdin
    child.stdin.close()


def test_watching_needs_none_of_the_heavy_libraries() -> None:
    code = "import sys, mypt.watch.inventory; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "mypt" in loaded and not {"torch", "numpy", "pydantic", "textual"} & set(loaded)


def test_an_empty_workspace_is_no_trouble(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "nowhere")
    assert workspace.poll() == Changes([], [], [], [], False)
    assert workspace.runs == [] and workspace.bundles() == [] and workspace.lineage() == ()
    assert status_rows(workspace) == []


def test_logs_are_runs(tmp_path: Path) -> None:
    write(log(tmp_path, "dante"), begin(), evaluation(0, 4.0), evaluation(10, 3.0), TrainingComplete())
    write(tmp_path / "logs" / "exp.jsonl", begin(), evaluation(5))
    write(tmp_path / "logs" / "notes.txt", begin())
    workspace = Workspace(tmp_path)
    first = workspace.poll()
    assert sorted(first.added) == ["logs/exp.jsonl", "logs/train/dante_eval.jsonl"]
    settle(workspace)
    assert labels(workspace) == ["dante", "exp"]
    dante = workspace.get("logs/train/dante_eval.jsonl")
    assert dante is not None and dante.state is RunState.FINISHED and dante.record is None
    assert dante.sparkline(10) == [4.0, 3.0]
    assert workspace.find("dante") == workspace.find(str(log(tmp_path, "dante"))) == [dante]
    exp = workspace.find("exp")[0]
    assert exp.state is RunState.RUNNING and exp.history.step == 5


def test_a_growing_log_is_followed(tmp_path: Path) -> None:
    path = write(log(tmp_path, "dante"), begin())
    clock = Clock()
    workspace = Workspace(tmp_path, clock=clock)
    settle(workspace)
    assert not workspace.poll().any
    write(path, evaluation(10), GoldCheckpoint(iter=10, val_loss=2.0))
    changes = workspace.poll()
    assert changes.updated == ["logs/train/dante_eval.jsonl"] and not changes.states
    write(path, TrainingStopped(iter=12, reason="error", message="out of memory"))
    changes = workspace.poll()
    assert changes.states == [StateChange("logs/train/dante_eval.jsonl", RunState.RUNNING, RunState.FAILED)]
    assert "out of memory" in workspace.runs[0].sentence


def test_a_log_that_was_copied_here_runs_only_once_somebody_writes_to_it(tmp_path: Path) -> None:
    clock = Clock()
    copied = write(log(tmp_path, "copied"), begin(timestamp="2020-11-20T10:00:00"))
    write(log(tmp_path, "other_zone"), begin(timestamp=(datetime.now() - timedelta(hours=26)).isoformat()))
    write(log(tmp_path, "no_time"), begin(timestamp=""))
    workspace = Workspace(tmp_path, clock=clock)
    settle(workspace)
    states = {run.name: run.state for run in workspace.runs}
    assert states == {
        "copied": RunState.STOPPED,
        "other_zone": RunState.RUNNING,
        "no_time": RunState.RUNNING,
    }
    # Its clock is wrong, but it is written.
    write(copied, Eval(iter=10, val_loss=2.0, timestamp="2020-11-20T10:05:00"))
    clock.now += 6
    settle(workspace)
    assert workspace.find("copied")[0].state is RunState.RUNNING
    clock.now += 601
    settle(workspace)
    assert workspace.find("copied")[0].state is RunState.STOPPED


def test_becoming_known_is_no_change_of_state(tmp_path: Path) -> None:
    write(log(tmp_path, "old"), begin(), *[evaluation(n) for n in range(5000)], TrainingComplete(), at=OLD)
    workspace = Workspace(tmp_path)
    seen = [workspace.poll(0.0)]
    while seen[-1].more:
        seen.append(workspace.poll(0.0))
    assert len(seen) > 2
    assert not any(changes.states for changes in seen)
    assert workspace.runs[0].state is RunState.FINISHED


def test_folders_are_listed_at_intervals_and_on_a_hint(tmp_path: Path) -> None:
    clock = Clock()
    workspace = Workspace(tmp_path, rescan_s=2.0, clock=clock)
    workspace.poll()
    path = write(log(tmp_path, "a"), begin(), at=OLD)
    clock.now = 1.9
    assert not workspace.poll().any
    clock.now = 2.0
    assert workspace.poll().added == ["logs/train/a_eval.jsonl"]
    write(log(tmp_path, "b"), begin())
    workspace.hint([log(tmp_path, "b")])
    assert workspace.poll().added == ["logs/train/b_eval.jsonl"]
    # A log that sleeps is not looked at by every poll, but by the next one when somebody says so.
    write(path, evaluation(10), at=OLD + 1)
    assert not workspace.poll().any
    workspace.hint([path])
    assert workspace.poll().updated == ["logs/train/a_eval.jsonl"]
    write(path, evaluation(20), at=OLD + 2)
    clock.now = 4.0
    assert workspace.poll().updated == ["logs/train/a_eval.jsonl"]
    path.unlink()
    workspace.hint()
    assert workspace.poll().removed == ["logs/train/a_eval.jsonl"]


def test_truncated_and_replaced_logs_begin_anew(tmp_path: Path) -> None:
    path = write(log(tmp_path, "a"), begin(), evaluation(10), evaluation(20))
    workspace = Workspace(tmp_path)
    settle(workspace)
    path.write_bytes(encode(begin()) + encode(evaluation(5, 1.0)))
    workspace.poll()
    run = workspace.runs[0]
    assert [p.step for p in run.history.curves["val"].points()] == [5]


def test_bad_lines_are_counted(tmp_path: Path) -> None:
    path = write(log(tmp_path, "a"), begin())
    with path.open("ab") as file:
        file.write(b"garbage\n[1]\n" + encode(evaluation(3)).replace(b"\n", b"\r\n") + b'{"event": "tr')
    workspace = Workspace(tmp_path)
    settle(workspace)
    assert workspace.runs[0].summary.bad_lines == 2 and workspace.runs[0].history.step == 3


def test_same_names_get_labels_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "logs/train/x_eval.jsonl", begin())
    write(tmp_path / "logs/old/x_eval.jsonl", begin())
    write(tmp_path / "logs/train/y_eval.jsonl", begin())
    write(tmp_path / "logs/train/y.jsonl", begin())
    write(tmp_path / "logs/z.jsonl", begin())
    workspace = Workspace(tmp_path)
    settle(workspace)
    assert labels(workspace) == [
        "x (old)",
        "x (train)",
        "y (logs/train/y.jsonl)",
        "y (logs/train/y_eval.jsonl)",
        "z",
    ]
    assert len({run.key for run in workspace.runs}) == 5
    (tmp_path / "logs/old/x_eval.jsonl").unlink()
    workspace.hint()
    changes = workspace.poll()
    assert changes.removed == ["logs/old/x_eval.jsonl"] and "logs/train/x_eval.jsonl" in changes.updated
    assert "x" in labels(workspace)


def test_names_are_safe_to_show(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "ev\x1b[31mil.jsonl", begin())
    workspace = Workspace(tmp_path)
    settle(workspace)
    assert workspace.runs[0].label == "ev\\x1b[31mil"


def test_odd_things_below_logs_are_no_trouble(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    write(logs / "good.jsonl", begin())
    (logs / "folder.jsonl").mkdir()
    write(logs / "folder.jsonl" / "inside.jsonl", begin())
    (logs / "empty.jsonl").touch()
    (logs / "loop").symlink_to(logs)
    (logs / "again.jsonl").symlink_to(logs / "good.jsonl")
    (logs / "nowhere.jsonl").symlink_to(logs / "missing")
    elsewhere = write(tmp_path / "elsewhere" / "far.jsonl", begin())
    (logs / "linked").symlink_to(elsewhere.parent)
    (logs / ".hidden").mkdir()
    write(logs / ".hidden" / "secret.jsonl", begin())
    if hasattr(os, "mkfifo"):
        os.mkfifo(logs / "pipe.jsonl")
    workspace = Workspace(tmp_path)
    settle(workspace)
    assert labels(workspace) == ["empty", "far", "good", "inside"]
    assert json.dumps(status_rows(workspace), allow_nan=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_cannot_be_listed_keeps_its_runs(tmp_path: Path) -> None:
    path = write(tmp_path / "logs" / "private" / "a.jsonl", begin())
    workspace = Workspace(tmp_path)
    settle(workspace)
    path.parent.chmod(0)
    try:
        workspace.hint()
        assert workspace.poll().removed == []
        assert len(workspace.runs) == 1
    finally:
        path.parent.chmod(0o700)


def test_a_thousand_logs_come_in_slices(tmp_path: Path) -> None:
    for number in range(1000):
        write(
            tmp_path / "logs" / f"run{number}.jsonl",
            begin(),
            evaluation(1),
            TrainingComplete(),
            at=OLD + number,
        )
    workspace = Workspace(tmp_path)
    first = workspace.poll(0.0)
    assert len(first.added) == 1000 and first.more
    assert sum(not run.reading for run in workspace.runs) < 100
    # The latest first.
    assert not workspace.find("run999")[0].reading
    settle(workspace)
    assert all(run.state is RunState.FINISHED for run in workspace.runs)
    assert not workspace.poll().any


def test_a_long_log_does_not_keep_a_short_one_waiting(tmp_path: Path) -> None:
    raw = b"".join(encode(evaluation(n)) for n in range(5000))
    for name, at in (("long", OLD + 2), ("short", OLD + 1)):
        path = write(tmp_path / "logs" / f"{name}.jsonl", begin())
        if name == "long":
            path.write_bytes(path.read_bytes() + raw)
        os.utime(path, (at, at))
    workspace = Workspace(tmp_path)
    while workspace.poll(0.0).more and workspace.find("short")[0].reading:
        pass
    assert workspace.find("long")[0].reading
    settle(workspace)
    assert workspace.find("long")[0].history.step == 4999


def test_the_run_in_focus_is_read_first(tmp_path: Path) -> None:
    raw = b"".join(encode(evaluation(n)) for n in range(4000))
    for number in range(4):
        path = tmp_path / "logs" / f"run{number}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        os.utime(path, (OLD + number, OLD + number))
    workspace = Workspace(tmp_path)
    workspace.poll(0.0)
    workspace.focus("logs/run0.jsonl")
    while workspace.find("run0")[0].reading:
        workspace.poll(0.0)
    assert all(workspace.find(f"run{n}")[0].reading for n in (1, 2, 3))


def test_a_record_is_a_run_before_it_has_a_log(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    clock = Clock()
    workspace = Workspace(tmp_path, clock=clock)
    made = record(tmp_path, "dante", settings={"learning_rate": 1e-3})
    settle(workspace)
    run = workspace.runs[0]
    assert (run.name, run.state, run.gone) == ("dante", RunState.STARTING, True)
    assert run.key == "logs/train/dante_eval.jsonl"
    directory = made.directory(tmp_path)
    assert run.console_path == directory.console
    update(directory, trainer=ProcessIdentity.of_pid(process.pid), started_at=made.created_at)
    write(run.log_path, begin(run_id=made.run_id), evaluation(10))
    clock.now += 2
    changes = workspace.poll()
    assert changes.states == [StateChange(run.key, RunState.STARTING, RunState.RUNNING)]
    assert workspace.runs == [run] and not run.gone and run.record and run.record.trainer
    request_stop(directory)
    clock.now += 1
    assert workspace.poll().updated == [run.key] and "stopping" in run.sentence
    write(run.log_path, TrainingStopped(iter=15, reason="request"))
    process.kill()
    process.wait()
    write_exit(directory, ExitRecord(code=0))
    changes = workspace.poll()
    assert changes.states == [StateChange(run.key, RunState.RUNNING, RunState.STOPPED)]
    row = status_rows(workspace)[0]
    assert (row["state"], row["run_id"], row["step"]) == ("stopped", made.run_id, 15)
    # What was asked for, and what the log has.
    assert (row["settings"]["learning_rate"], row["settings"]["max_iters"]) == (1e-3, 100)


def test_a_killed_run_is_seen_within_a_second(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    clock = Clock()
    workspace = Workspace(tmp_path, clock=clock)
    made = record(tmp_path, "dante")
    update(made.directory(tmp_path), trainer=ProcessIdentity.of_pid(process.pid), started_at=made.created_at)
    write(log(tmp_path, "dante"), begin(run_id=made.run_id), evaluation(10))
    settle(workspace)
    run = workspace.runs[0]
    assert run.state is RunState.RUNNING
    process.kill()
    process.wait()
    clock.now = 0.9
    assert not workspace.poll().any
    clock.now = 1.0
    assert workspace.poll().states == [StateChange(run.key, RunState.RUNNING, RunState.FAILED)]
    assert run.eta_s is None


def test_a_silent_run_is_stalled(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    made = record(tmp_path, "dante")
    update(made.directory(tmp_path), trainer=ProcessIdentity.of_pid(process.pid), started_at=made.created_at)
    path = write(log(tmp_path, "dante"), begin(run_id=made.run_id), evaluation(10), at=time.time() - 3600)
    workspace = Workspace(tmp_path)
    settle(workspace)
    run = workspace.runs[0]
    assert run.state is RunState.STALLED and run.age_s == pytest.approx(3600, abs=60)
    write(path, evaluation(20))
    assert [change.after for change in workspace.poll().states] == [RunState.RUNNING]


def test_attempts_of_one_model_are_one_run(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    clock = Clock()
    first = record(tmp_path, "dante")
    write(
        log(tmp_path, "dante"),
        begin(run_id=first.run_id),
        evaluation(10),
        TrainingStopped(iter=10, reason="request"),
    )
    write_exit(first.directory(tmp_path), ExitRecord(code=0))
    workspace = Workspace(tmp_path, clock=clock)
    settle(workspace)
    run = workspace.runs[0]
    assert run.state is RunState.STOPPED
    second = record(tmp_path, "dante")
    update(
        second.directory(tmp_path), trainer=ProcessIdentity.of_pid(process.pid), started_at=second.created_at
    )
    clock.now += 3
    assert workspace.poll().states == [StateChange(run.key, RunState.STOPPED, RunState.STARTING)]
    assert [a.run_id for a in run.attempts] == [first.run_id, second.run_id]
    resumed = begin(run_id=second.run_id)
    resumed.config = {**resumed.config, "start_step": 10}
    write(log(tmp_path, "dante"), resumed, evaluation(20))
    clock.now += 1
    assert workspace.poll().states == [StateChange(run.key, RunState.STARTING, RunState.RUNNING)]
    # A third start is refused, since the second holds the model: the run goes on.
    third = record(tmp_path, "dante")
    write_exit(third.directory(tmp_path), ExitRecord(code=2))
    clock.now += 3
    assert not workspace.poll().states
    assert (status_rows(workspace)[0]["state"], run.record) == ("running", run.attempts[1])
    process.kill()
    process.wait()
    clock.now += 1
    assert workspace.poll().states == [StateChange(run.key, RunState.RUNNING, RunState.FAILED)]
    assert (run.record, run.attempts[2].run_id) == (run.attempts[2], third.run_id)
    assert "status 2" in run.sentence


def test_a_record_names_a_log_elsewhere(tmp_path: Path) -> None:
    workspace_path, elsewhere = tmp_path / "w", tmp_path / "scratch" / "mine.jsonl"
    workspace_path.mkdir()
    create(workspace_path, model_name="dante", log_file=elsewhere, command=["x"], origin="shell")
    write(elsewhere, begin(), evaluation(10))
    workspace = Workspace(workspace_path)
    settle(workspace)
    run = workspace.runs[0]
    assert run.name == "dante" and run.key == str(elsewhere.resolve()) and run.history.step == 10


def test_broken_records_are_told_and_passed_over(tmp_path: Path) -> None:
    good = record(tmp_path, "good")
    folder = good.directory(tmp_path).path.parent
    (folder / "cut").mkdir()
    (folder / "cut" / "run.json").write_text('{"run_id": "cut"')
    (folder / "bare").mkdir()
    (folder / "file").write_text("x")
    odd = RunDirectory(folder / "odd")
    odd.path.mkdir()
    odd.record_file.write_text(json.dumps(replace(good, run_id="odd", log_file="a\0b").to_json()))
    workspace = Workspace(tmp_path)
    settle(workspace)
    assert labels(workspace) == ["good"]
    assert sorted(broken.run_id for broken in workspace.broken_records) == ["bare", "cut"]


def test_looking_does_not_disturb_reading(tmp_path: Path) -> None:
    """A second thread reads everything that a screen shows while a first one follows."""
    path = write(log(tmp_path, "a"), begin())
    workspace = Workspace(tmp_path)
    settle(workspace)
    over = threading.Event()
    failures: list[BaseException] = []

    def look() -> None:
        try:
            while not over.is_set():
                for row in status_rows(workspace):
                    json.dumps(row, allow_nan=False)
                for run in workspace.runs:
                    run.history.lines, run.history.golds, run.sparkline(30), run.eta_s
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for turn in range(60):
            begun = begin()
            begun.config = {**begun.config, "start_step": turn}
            write(path, begun, *[evaluation(turn + n, math.nan if n == 3 else 1.0) for n in range(20)])
            write(path, Train(iter=turn + 19, train_loss=1.0), GoldCheckpoint(iter=turn + 19, val_loss=1.0))
            workspace.poll()
    finally:
        over.set()
        thread.join()
    assert not failures


def test_no_time_is_left_to_tell_where_no_step_is(tmp_path: Path) -> None:
    """What has done all its steps, and has no record to say that it has ended, may evaluate or be gone."""
    write(log(tmp_path, "a"), begin(), evaluation(50), evaluation(100))
    workspace = Workspace(tmp_path)
    workspace.load()
    (run,) = workspace.runs
    assert run.state is RunState.RUNNING and run.history.eta_s == 0
    assert run.eta_s is None and status_rows(workspace)[0]["eta_s"] is None


def test_rows_are_strict_json(tmp_path: Path) -> None:
    write(log(tmp_path, "a"), begin(), evaluation(10, math.nan), at=OLD)
    write(log(tmp_path, "b"), begin(), evaluation(10, 1.5))
    with log(tmp_path, "b").open("ab") as file:
        file.write(encode(evaluation(20, 1.25)).rstrip(b"\n"))
    workspace = Workspace(tmp_path)
    workspace.load()
    rows = {row["name"]: row for row in json.loads(json.dumps(status_rows(workspace), allow_nan=False))}
    assert rows["a"]["val_loss"] is None and rows["a"]["nan_step"] == 10 and rows["a"]["state"] == "stopped"
    assert (
        rows["b"]["step"] == 20
        and rows["b"]["val_loss"] == 1.25
        and rows["b"]["eta_s"] == pytest.approx(80, abs=5)
    )


@needs_samples
def test_a_workspace_of_the_original(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "logs", tmp_path / "logs" / "train")
    shutil.copytree(SAMPLES / "checkpoints", tmp_path / "checkpoints")
    for path in (tmp_path / "logs" / "train").iterdir():
        path.chmod(0o644)
        os.utime(path, (OLD, OLD))
    workspace = Workspace(tmp_path)
    workspace.load()
    states = {run.name: run.state for run in workspace.runs}
    assert states.pop("fx_killed") is RunState.STOPPED
    assert set(states.values()) == {RunState.FINISHED} and len(states) == 5
    (model,) = workspace.lineage()
    assert set(model.bundles) == {Kind.LAST, Kind.GOLD, Kind.FP16}


# ── checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────


def bundle(checkpoints: Path, name: str, *, base: str | None = None, step: int = 10) -> Path:
    path = checkpoints / name
    path.mkdir(parents=True, exist_ok=True)
    state: dict[str, Any] = {"step": step}
    if base is not None:
        state["base"] = {"name": base, "step": 5}
    (path / "config.json").write_text(json.dumps(dict.fromkeys(SHAPE, 2)))
    (path / "training_state.json").write_text(json.dumps(state))
    (path / "tokenizer.json").write_text('{"token_kind": "gpt2"}')
    (path / "model.pt").write_bytes(b"weights")
    return path


def test_a_copy_of_two_saves_is_found_by_one_of_the_next_listings(tmp_path: Path) -> None:
    path, copy = save(tmp_path, "dante", 3), tmp_path / "copy"
    shutil.copytree(path, copy)
    save(tmp_path, "dante", 4)
    shutil.copy(path / "model.pt", copy / "model.pt")
    bundles = Bundles(tmp_path)
    assert [info.problem for info in bundles.read()] == ["", ""]
    mixed, whole = bundles.read()
    assert mixed.problem.startswith("model.pt is of another save than manifest.json") and not whole.problem
    assert mixed.remedy.startswith("copy the folder once more")
    assert bundles.read() == [mixed, whole]
    # Copied once more, as was said.
    shutil.rmtree(copy)
    shutil.copytree(path, copy)
    bundles.read()
    assert [info.problem for info in bundles.read()] == ["", ""]


def test_bundles_are_read_again_only_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def counted(path: Path) -> BundleInfo:
        reads.append(path.name)
        return read_info(path)

    monkeypatch.setattr("mypt.watch.checkpoints.read_info", counted)
    bundle(tmp_path, "a")
    bundle(tmp_path, "b")
    (tmp_path / ".tmp.1.c").mkdir()
    (tmp_path / "file").touch()
    bundles = Bundles(tmp_path)
    assert [info.step for info in bundles.read()] == [10, 10]
    bundles.read()
    assert reads == ["a", "b"]
    bundle(tmp_path, "b", step=200)
    assert [info.step for info in bundles.read()] == [10, 200]
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "b" / "model.pt").unlink()
    assert [info.problem for info in bundles.read()] == ["model.pt is missing"]
    assert reads == ["a", "b", "b", "b"]


def test_lineage_puts_fine_tunes_below_their_base(tmp_path: Path) -> None:
    bundle(tmp_path, "base")
    bundle(tmp_path, "base_gold")
    bundle(tmp_path, "chat", base="checkpoints/base_gold")
    bundle(tmp_path, "chat_fp16", base="base")
    bundle(tmp_path, "legal", base="chat")
    bundle(tmp_path, "orphan", base="lost")
    bundle(tmp_path, "self", base="self")
    bundle(tmp_path, "egg", base="hen")
    bundle(tmp_path, "hen", base="egg")
    tree = lineage(Bundles(tmp_path).read())
    # Of two models that claim to descend from each other, one has to be first.
    assert [model.name for model in tree] == ["base", "egg", "lost", "self"]
    base, egg, lost, _ = tree
    assert set(base.bundles) == {Kind.LAST, Kind.GOLD} and base.best_known is base.bundles[Kind.LAST]
    assert [child.name for child in base.children] == ["chat"]
    assert set(base.children[0].bundles) == {Kind.LAST, Kind.FP16}
    assert [child.name for child in base.children[0].children] == ["legal"]
    assert [child.name for child in egg.children] == ["hen"]
    assert lost.bundles == {} and lost.best_known is None and lost.children[0].name == "orphan"


def test_a_long_chain_of_fine_tunes_is_no_trouble(tmp_path: Path) -> None:
    info = Bundles(tmp_path)
    bundle(tmp_path, "m0")
    (first,) = info.read()
    chain = [first]
    for number in range(1, 3000):
        chain.append(
            replace(
                first,
                path=tmp_path / f"m{number}",
                model_name=f"m{number}",
                training_state={"base": {"name": f"m{number - 1}"}},
            )
        )
    (root,) = lineage(chain)
    depth = 1
    while root.children:
        (root,) = root.children
        depth += 1
    assert depth == 3000


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("a", "a"),
        ("a_gold", "a"),
        ("checkpoints/a_fp16/", "a"),
        ("C:\\w\\checkpoints\\a", "a"),
        ("_gold", "_gold"),
    ],
)
def test_a_base_is_named_in_many_ways(name: str, model: str) -> None:
    assert base_model(name) == model
