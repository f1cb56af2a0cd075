"""Checkpoints that are written while training goes on: what they hold, when they are there, and what goes wrong."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mypt import memory
from mypt.bundle import read_info
from mypt.settings.fields import Settings
from mypt.training import checkpointing
from mypt.training import optimizer as adamw
from mypt.training.engine import Engine
from mypt.training.held import Copies, Held
from mypt.training.numerics import Numerics
from mypt.training.saving import Queue, Saver
from mypt.watch.inventory import Workspace
from tests.model.small_models import model
from tests.training.alike import assert_same_run
from tests.training.runs import state_of, train
from tests.training.test_bad_luck import files_no_larger_than
from tests.workbench import TINY, events, last_iter, log_of, wait_for

FP32 = Numerics(device="cpu", precision="fp32", attention="sdpa", compile=False, threads=1)
BEHIND = ("--async_save", "on")
RUN = ("--model_name", "m", *TINY, "--max_iters", "12", "--eval_interval", "4", "--save_every", "3")
SAVED = ("0", "3", "gold 4", "4", "6", "gold 8", "8", "9", "gold 12", "12", "light 12")
"""The bundles that `RUN` saves, in their order; the third one is gold."""


def update(engine: Engine) -> None:
    for parameter in engine.model.parameters():
        parameter.grad = torch.full_like(parameter, 0.1)
    engine.optimizer.step()


@pytest.fixture
def engine() -> Engine:
    """A tied model, one update old."""
    built = model(tie_weights=True)
    optimizer = adamw.build(built, learning_rate=1e-2, weight_decay=0.1)
    made = Engine(built, optimizer, Settings(async_save="on"), FP32)
    update(made)
    return made


def numbers(held: Held) -> list[torch.Tensor]:
    """All that is held, as it is at this moment."""
    assert held.moments is not None
    moments = [value for state in held.moments["state"].values() for value in state.values()]
    return [tensor.clone() for tensor in [*held.weights.values(), *moments]]


def same(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


# ── the copy, and who writes it ─────────────────────────────────────────────────────────────────────────────────


def test_what_is_written_is_what_was_held_then_and_one_copy_serves_all_of_a_step(engine: Engine) -> None:
    saver, release, written = Saver(engine), threading.Event(), []
    before = numbers(engine.held(moments=True))

    def write(held: Held) -> None:
        assert release.wait(60)
        written.append((threading.current_thread().name, held, numbers(held)))

    saver.save(1, write)
    saver.save(1, write)
    update(engine)
    # Training has gone on, and nothing is written yet.
    assert not written and not same(before, numbers(engine.held(moments=True)))
    release.set()
    saver.save(2, write)
    saver.wait()
    (name, first, a), (_, second, b), (_, third, c) = written
    assert name == "mypt-save" and second is first and same(a, before) and same(b, before)
    assert same(c, numbers(engine.held(moments=True)))
    # Two names of one matrix stay two names of one, and the room of a copy is that of the next.
    tied = [first.weights[name] for name in ("token_embedding_table.weight", "lm_head.weight")]
    assert tied[0] is tied[1]
    assert [t.data_ptr() for t in first.weights.values()] == [t.data_ptr() for t in third.weights.values()]


def test_the_light_copy_comes_after_all_that_is_still_written(engine: Engine) -> None:
    saver, begun, release, done = Saver(engine), threading.Event(), threading.Event(), []

    def slow(held: Held) -> None:
        begun.set()
        assert release.wait(60)
        done.append("last")

    saver.save(1, slow)
    assert begun.wait(60)
    threading.Timer(0.01, release.set).start()
    saver.save(1, lambda held: done.append(f"light, moments: {held.moments}"), light=True)
    assert done == ["last", "light, moments: None"]


def test_a_copy_is_of_each_number_once(engine: Engine) -> None:
    held, copies = engine.held(moments=True), Copies()
    copies.take(held)
    # Weights, two moments, and a count for each tensor; the matrix with two names once.
    expected = 12 * engine.model.num_parameters() + 4 * len(list(engine.model.parameters()))
    assert held.size == copies.size == expected
    copies.give_back()
    assert copies.size == 0


@pytest.mark.parametrize("why", ["free", "refused", "thread"])
def test_without_room_for_a_copy_training_waits_and_that_is_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    said: list[str] = []
    saver, threads = Saver(engine), []
    saver.say = said.append

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread" if why == "thread" else "not enough memory")

    match why:
        case "free":
            monkeypatch.setattr(memory, "free", lambda: 1000)
        case "refused":
            monkeypatch.setattr(torch, "empty_like", refuse)
        case "thread":
            monkeypatch.setattr(threading.Thread, "start", refuse)
    for step in (1, 2):
        saver.save(step, lambda held: threads.append((threading.current_thread(), numbers(held))))
    assert [thread for thread, _ in threads] == [threading.main_thread()] * 2
    assert same(threads[0][1], numbers(engine.held(moments=True)))
    assert len(said) == (why != "thread")
    assert all(text.startswith("training waits while checkpoints are saved: a copy") for text in said)


def test_after_what_fails_nothing_is_done_and_it_is_raised_once() -> None:
    queue, release, done = Queue(), threading.Event(), []

    def fail() -> None:
        assert release.wait(60)
        raise OSError(28, "No space left on device")

    for job in (fail, lambda: done.append("what waited")):
        queue.add(job)
    release.set()
    with pytest.raises(OSError, match="No space left"):
        queue.wait()
    queue.check()
    queue.add(lambda: done.append("what came later"))
    queue.wait()
    assert done == ["what came later"]


def test_once_abandoned_nothing_is_begun() -> None:
    queue, begun, release, done = Queue(), threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        assert release.wait(60)
        done.append("first")

    queue.add(first)
    queue.add(lambda: done.append("second"))
    assert begun.wait(60)
    queue.abandon()
    release.set()
    queue.wait()
    assert done == ["first"]


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────────


def sums(workspace: Path, name: str) -> dict[str, str]:
    """The SHA-256 of every file with tensors in the bundles of a model."""
    files = (workspace / "checkpoints").glob(f"{name}*/*.pt")
    return {f"{f.parent.name}/{f.name}": hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture
def struck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, Callable[[], None]], None]]:
    """Has something done right before the n-th `model.pt` is written, in whatever thread writes it."""
    write, count = checkpointing._write, 0
    deeds: dict[int, Callable[[], None]] = {}

    def writing(content: object, file: Path) -> None:
        nonlocal count
        if file.name == "model.pt":
            count += 1
            deeds.get(count, lambda: None)()
        write(content, file)

    monkeypatch.setattr(checkpointing, "_write", writing)
    yield deeds.__setitem__


def test_it_leaves_the_same_files_and_tells_of_a_gold_when_it_is_there(
    workspace: Path,
    tmp_path_factory: pytest.TempPathFactory,
    struck: Callable[[int, Callable[[], None]], None],
) -> None:
    whole = tmp_path_factory.mktemp("whole")
    (whole / "input.txt").write_text((workspace / "input.txt").read_text())
    assert train(whole, *RUN) == 0
    seen: list[bool] = []

    def goes_on() -> None:
        # Before the first update, at 3, and then the gold of step 4: it is not there before training is further.
        assert wait_for(lambda: last_iter(workspace, "m") > 4)
        told = events(workspace, "m", "gold_checkpoint")
        seen.append(bool(told) or read_info(workspace / "checkpoints" / "m_gold").step is not None)

    struck(len(SAVED) + 3, goes_on)
    assert train(workspace, *RUN, *BEHIND) == 0
    assert seen == [False]
    assert sums(workspace, "m") == sums(whole, "m") and len(sums(whole, "m")) == 5
    assert_same_run(whole, workspace, "m")
    told = [(event["event"], event.get("iter")) for event in events(workspace, "m")]
    assert told.index(("gold_checkpoint", 4)) > told.index(("train", 5))
    picture = Workspace(workspace)
    picture.load()
    (run,) = picture.runs
    assert [mark.step for mark in run.history.golds] == [4, 8, 12]
    steps = [line.step for line in run.history.lines]
    assert steps == sorted(steps)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_fills_meanwhile_is_told_as_ever(
    workspace: Path, capsys: pytest.CaptureFixture[str], struck: Callable[[int, Callable[[], None]], None]
) -> None:
    with contextlib.ExitStack() as stack:
        # Training is at step 3 or later then, and goes on until it hears of it.
        struck(
            3, lambda: stack.enter_context(files_no_larger_than(log_of(workspace, "m").stat().st_size + 8000))
        )
        assert train(workspace, *RUN, *BEHIND, "--max_iters", "100000", "--eval_interval", "4") == 1
    said = r"the checkpoint could not be saved \(File too large\); nothing was written; make room for 1\.1 MB"
    err = capsys.readouterr().err
    assert re.fullmatch(rf"mypt: m_gold: {said}, then run the same command again to go on\n", err), err
    assert [path.name for path in (workspace / "checkpoints").iterdir()] == ["m"]
    info = read_info(workspace / "checkpoints" / "m")
    assert (info.problem, info.step) == ("", 3)
    assert events(workspace, "m")[-1]["reason"] == "error"
    assert not events(workspace, "m", "gold_checkpoint")
    assert train(workspace, "--model_name", "m", "--max_iters", "12") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_stop_waits_for_what_is_written_and_saves_where_it_stands(
    workspace: Path, struck: Callable[[int, Callable[[], None]], None]
) -> None:
    struck(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert train(workspace, *RUN, *BEHIND, "--max_iters", "100000") == 143
    last = events(workspace, "m")[-1]
    assert (last["event"], last["reason"]) == ("training_stopped", "signal")
    assert state_of(workspace, "m")["step"] == last["iter"] == state_of(workspace, "m_fp16")["step"] >= 4
    # The gold that was written meanwhile is there, and was told before the end.
    assert state_of(workspace, "m_gold")["step"] == events(workspace, "m", "gold_checkpoint")[-1]["iter"]
    assert not [path.name for path in (workspace / "checkpoints").iterdir() if path.name.startswith(".")]


def test_a_log_that_takes_no_gold_is_told_and_the_gold_is_there(
    workspace: Path, capsys: pytest.CaptureFixture[str], struck: Callable[[int, Callable[[], None]], None]
) -> None:
    log = log_of(workspace, "m")

    def in_the_way() -> None:
        log.unlink()
        log.mkdir()

    struck(3, in_the_way)
    assert train(workspace, *RUN, *BEHIND, "--max_iters", "100000") == 1
    assert "logs/train/m_eval.jsonl: " in capsys.readouterr().err
    for name, step in (("m_gold", 4), ("m", 3)):
        info = read_info(workspace / "checkpoints" / name)
        assert (info.problem, info.step) == ("", step)
