"""Signals that ask to end, at any step of any command: what ends says so, is saved, and is gone on from as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mypt
from mypt import signals
from mypt.bundle import find
from mypt.launch.start import launch
from mypt.runs.directory import read_exit
from mypt.runs.filelock import is_locked
from mypt.runs.record import RunRecord, list_records, load
from tests.faults.ground import (
    PREPARE,
    TRAIN,
    assert_one_clean_history,
    assert_readable,
    assert_whole,
    leftovers,
    make,
    texts,
    trained,
)
from tests.faults.rounds import ROUNDS, Report, draw, pick, times
from tests.faults.striker import Striker, Struck
from tests.training.alike import assert_same_run
from tests.training.runs import row
from tests.workbench import command, environment, events, last_iter, listing, story, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]
PARTS = 4 if ROUNDS > 1 else 1
NAMES = [*signals.NUMBERS]
UGLY = ("Traceback", "Exception ignored", "KeyboardInterrupt", "Stopped")


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl+C, and so does what that starts."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def strikes(chance: random.Random, step: int) -> list[tuple[int, int, float]]:
    """One signal, or one and another: the same or a different one, at once, some steps later or more than a second later."""
    first, other = chance.choice(NAMES), chance.choice(NAMES)
    found = [(step, signals.NUMBERS[first], 0.0)]
    kind = chance.choice(["one", "one", "twice", "different", "later"])
    if kind == "later":
        found.append((step + chance.choice([1, 100]), signals.NUMBERS[first], 1.05))
    elif kind != "one":
        second = first if kind == "twice" else other
        found.append((step + chance.choice([0, 1, 30]), signals.NUMBERS[second], 0.0))
    return found


def assert_told(workspace: Path, ended: Struck, sent: list[tuple[int, int, float]]) -> None:
    """What was struck ended as the signal asks, without an ugly word, and everybody who looks is told the same."""
    assert not any(word in ended.output for word in UGLY), ended.output
    numbers = [number for _, number, _ in sent]
    stopped = {128 + number for number in numbers}
    # At the very end, when all is saved and said, it does what it does to a program.
    assert ended.status in {0, *stopped, *(-number for number in numbers)}, (ended.status, ended.output)
    assert_whole(workspace)
    assert_readable(workspace, "m")
    assert not is_locked(workspace / ".mypt" / "locks" / "m.lock")
    records = list_records(workspace).records
    if not records:
        assert not events(workspace, "m") and not (workspace / "checkpoints").exists()
        # In the first instant it is told by nobody but the system.
        told = "training did not begin" in ended.output or "mypt: stopped by " in ended.output
        assert told or ended.status < 0, ended.output
        return
    (record,) = records
    end = read_exit(record.directory(workspace))
    seen = row(workspace)
    if end is None and "mypt: stopped by " in ended.output:
        # Twice, within the instant in which the run is recorded.
        assert seen["state"] == "failed" and not events(workspace, "m") and len(sent) > 1
        return
    assert end is not None and end.code is not None
    if ended.status >= 0 and end.code != 0:
        assert end.code == ended.status
    said = events(workspace, "m")
    if not said and len(sent) > 1:
        # Twice, between the run's record and its first line.
        assert seen["state"] == "stopped" and "before it began to train" in str(seen["why"]), seen
        return
    last = said[-1]
    if end.code == 0:
        assert last["event"] == "training_complete" and seen["state"] == "finished"
        return
    name = signals.name_of_status(end.code)
    assert (last["event"], last["reason"]) == ("training_stopped", "signal"), last
    assert seen["state"] == "stopped" and str(seen["why"]).startswith(f"stopped by {name}"), seen
    if "sent twice" not in last["message"]:
        # The first one is what it is said to be stopped by.
        assert end.code == 128 + numbers[0]
        assert last["message"] == f"{name} at step {last['iter']}"
        assert seen["why"] == f"stopped by {name} at step {last['iter']}, saved"
        assert find(workspace / "checkpoints", "m").step == last["iter"]
        assert not leftovers(workspace)


@pytest.mark.parametrize("part", range(PARTS))
def test_signals_at_any_step_of_a_training(
    tmp_path: Path, striker: Striker, report: Report, part: int
) -> None:
    ground = make(tmp_path / "ground")
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    undisturbed = striker.run(whole, *TRAIN, record=True)
    assert undisturbed.status == 0
    sent, longest = 0, 0.0
    for number in range(part, times(3), PARTS):
        chance = draw("signal", number)
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{number}"))
        step = pick(chance, undisturbed.steps)
        asked = strikes(chance, step)
        ended = striker.run(broken, *TRAIN, signals=asked)
        sent, longest = sent + len(asked), max(longest, ended.seconds or 0.0)
        try:
            assert_told(broken, ended, asked)
            if ended.status != 0:
                rest = striker.run(broken, *TRAIN)
                assert rest.status == 0, rest.output
            assert_same_run(whole, broken, "m")
            if len(list_records(broken).records) == 1:
                assert_one_clean_history(broken, "m")
            assert not leftovers(broken)
        except AssertionError as error:
            where = undisturbed.steps[step - 1]
            raise AssertionError(f"round {number}, {asked} at {where}: {error}\n{ended.output}") from error
        shutil.rmtree(broken)
    report(signals=sent, seconds_to_the_end_at_most=f"{longest:.2f}")


LONG = {
    "evaluation": ("training/evaluation.py split_loss", ["--eval_iters", "1000000"]),
    "sample": ("generate.py sample_tokens", ["--sample_tokens", "100000"]),
    "update": ("training/engine.py Engine._backward", ["--grad_accum_steps", "1000"]),
    "gold": ("training/keeper.py BundleKeeper.gold", []),
}


@pytest.mark.parametrize("what", sorted(LONG))
def test_what_is_still_done_after_a_signal_is_little(
    tmp_path: Path, striker: Striker, report: Report, what: str
) -> None:
    root = make(tmp_path / "ground")
    name, flags = LONG[what]
    place = striker.run(make(tmp_path / "other"), *TRAIN, record=True).steps.index(name) + 1
    ended = striker.run(root, *TRAIN, *flags, record=True, signals=[(place + 3, signal.SIGUSR1, 0.0)])
    assert ended.status == signals.STATUS["SIGUSR1"], ended.output
    rest = ended.steps[place + 2 :]
    # The batch or the token that it is at, and then the last state and the light copy of it; once each.
    assert rest.count("training/engine.py Engine.outputs") <= 1
    assert rest.count("model/gpt.py GPT.forward") <= 1
    assert rest.count("training/checkpointing.py write") <= (3 if what == "gold" else 2)
    assert find(root / "checkpoints", "m").step == events(root, "m")[-1]["iter"]
    report(**{f"{what}_seconds": f"{ended.seconds:.2f}"})


def test_signals_while_python_starts_and_torch_is_loaded(tmp_path: Path, report: Report) -> None:
    root = make(tmp_path / "ground")
    before = listing(root)
    silent = said = 0
    for number in range(times(3, 100)):
        chance = draw("start", number)
        # Short ones too, since most of the time goes into torch.
        later = chance.choice([chance.uniform(0, 0.15), chance.uniform(0, 2.5)])
        name = chance.choice(NAMES)
        process = subprocess.Popen(
            command(root, *TRAIN),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        time.sleep(later)
        os.killpg(process.pid, signals.NUMBERS[name])
        out, _ = process.communicate(timeout=120)
        words = f"round {number}, {name} after {later:.3f} s: {process.returncode}\n{out}"
        ours = Path(mypt.__file__).parent
        first = [f'File "{ours / name}"' for name in ("__init__.py", "starting.py")]
        frames = [line for line in out.splitlines() if f'File "{ours}{os.sep}' in line]
        if "KeyboardInterrupt" in out and all(any(begin in line for begin in first) for line in frames):
            # Before our first lines Python is alone, and says of Ctrl+C what it likes.
            continue
        # On a quick machine it is trained, saved and said before a late signal comes.
        done = "training_complete" in {event["event"] for event in events(root, "m")}
        assert process.returncode in (signals.STATUS[name], -signals.NUMBERS[name], *[0] * done), words
        assert not any(word in out for word in UGLY), words
        if list_records(root).records:
            assert row(root)["state"] == ("finished" if done else "stopped"), words
            root = make(tmp_path / f"ground{number}")
            continue
        silent, said = silent + (not out), said + bool(out)
        for place in (".mypt", "checkpoints", "logs"):
            shutil.rmtree(root / place, ignore_errors=True)
        assert listing(root) == before, words
    report(silent=silent, with_a_line=said)


@pytest.mark.parametrize("program", ["mypt", "mypt-tui", "-m mypt", "a program"])
def test_ctrl_c_while_the_program_is_loaded_is_quiet(tmp_path: Path, program: str) -> None:
    # What is imported early, and presses the keys.
    (tmp_path / "argparse.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    script = tmp_path / program.replace(" ", "_")
    package = "tui" if program == "mypt-tui" else "mypt"
    script.write_text(f"import sys\nfrom {package}.cli import main\nsys.exit(main())\n")
    words = ["-m", "mypt"] if program == "-m mypt" else [str(script)]
    path = os.pathsep.join([str(tmp_path), str(Path(mypt.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, *words, "--version"],
        env=environment(PYTHONPATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGINT and not done.stdout
    # Whoever only uses MyPT is asked as Python asks.
    assert ("KeyboardInterrupt" in done.stderr) == (program == "a program"), done.stderr
    assert program == "a program" or not done.stderr


@pytest.mark.parametrize("to", ["supervisor", "group"] if ROUNDS > 1 else ["supervisor"])
def test_a_signal_to_who_started_it_reaches_the_training(tmp_path: Path, to: str) -> None:
    root = make(tmp_path / "ground", max_iters=1_000_000, eval_interval=1_000_000, save_every=None)
    words = ["--config_file", "p", "--model_name", "m"]
    record = launch(root, words, model_name="m", log_file="logs/train/m_eval.jsonl", settings={})
    run = record.directory(root)
    try:
        assert wait_for(lambda: last_iter(root, "m") >= 3 or run.exit_file.exists())
        known = load(run)
        assert isinstance(known, RunRecord) and known.supervisor is not None and known.trainer is not None
        if to == "supervisor":
            assert known.supervisor.signal_if_same(signal.SIGUSR1)
        else:
            os.killpg(known.trainer.pid, signal.SIGUSR1)
        assert wait_for(run.exit_file.exists)
    finally:
        known = load(run)
        if isinstance(known, RunRecord) and known.trainer is not None:
            known.trainer.signal_if_same(signal.Signals.SIGKILL)
    end = read_exit(run)
    assert end is not None and (end.code, end.signal) == (signals.STATUS["SIGUSR1"], None)
    step = events(root, "m")[-1]["iter"]
    assert step >= 3 and find(root / "checkpoints", "m").step == step
    seen = row(root)
    assert (seen["state"], seen["why"]) == ("stopped", f"stopped by SIGUSR1 at step {step}, saved")


# ── other commands ──────────────────────────────────────────────────────────────────────────────────────────────


def labelled(root: Path, striker: Striker) -> None:
    trained(root, striker)
    lines = [{"text": story(60, n)[30:], "label": "ab"[n % 2]} for n in range(24)]
    (root / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


COMMANDS: dict[str, tuple[Callable[[Path, Striker], None], tuple[str, ...], str]] = {
    "prepare": (texts, PREPARE, "data/s"),
    "tokenizer": (
        texts,
        ("tokenizer", "train", "text0.txt", "--output", "t.json", "--vocab_size", "300"),
        "t.json",
    ),
    "import": (trained, ("import", "checkpoints/m", "--model_name", "n"), "checkpoints/n"),
    "export": (trained, ("export", "m", "--format", "bf16"), "exports/m_bf16"),
    "generate": (trained, ("generate", "--model_name", "m", "--max_new_tokens", "20", "--device", "cpu"), ""),
    "finetune-classifier": (
        labelled,
        (
            *("finetune-classifier", "--init_from_model", "m", "--model_name", "c", "--data", "texts.jsonl"),
            *(
                "--eval_data",
                "texts.jsonl",
                "--text",
                "text",
                "--device",
                "cpu",
                "--num_epochs",
                "1",
                "--eval_interval",
                "2",
                "--batch_size",
                "4",
            ),
        ),
        "checkpoints/c",
    ),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_signals_at_any_step_of_other_commands(
    tmp_path: Path, striker: Striker, report: Report, name: str
) -> None:
    prepare, words, made = COMMANDS[name]
    ground = tmp_path / "ground"
    ground.mkdir()
    prepare(ground, striker)
    words = tuple(str(ground / word) if word == "checkpoints/m" else word for word in words)
    whole = Path(shutil.copytree(ground, tmp_path / "whole"))
    undisturbed = striker.run(whole, *words, record=True)
    assert undisturbed.status == 0, undisturbed.output
    sent = 0
    for number in range(times(1)):
        chance = draw(name, number)
        root = Path(shutil.copytree(ground, tmp_path / f"struck{number}"))
        asked = strikes(chance, pick(chance, undisturbed.steps))
        ended = striker.run(root, *words, signals=asked)
        sent += len(asked)
        said = f"round {number}, {asked}: {ended.status}\n{ended.output}"
        numbers = [number for _, number, _ in asked]
        assert not any(word in ended.output for word in UGLY), said
        assert ended.status in {0, *(128 + n for n in numbers), *(-n for n in numbers)}, said
        if ended.status > 0:
            assert any(
                word in ended.output for word in ("stopped by ", "ended at once by ", "did not begin")
            ), said
        if made and name != "finetune-classifier" and ended.status > 0 and (root / made).exists():
            # The signal came when it was there.
            assert_alike(whole / made, root / made)
        over = ["--overwrite"] if ended.status and made in ("data/s", "t.json") else []
        again = striker.run(root, *words, *over)
        assert again.status in (0, 2), again.output
        if made and name != "finetune-classifier":
            assert_alike(whole / made, root / made)
        assert not leftovers(root), said
        shutil.rmtree(root)
    report(signals=sent)


def assert_alike(one: Path, two: Path) -> None:
    """The same files, with the same content but for what tells of the time."""
    if one.is_file():
        assert one.read_bytes() == two.read_bytes()
        return
    ours, theirs = listing(one), listing(two)
    assert ours.keys() == theirs.keys()
    for name, content in ours.items():
        if not name.endswith((".json", ".pt")):
            assert content == theirs[name], name


def test_a_program_keeps_what_it_does_with_the_signals_of_schedulers(tmp_path: Path) -> None:
    from mypt.training.stopping import StopFlag

    heard: list[Any] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    flag = StopFlag(say=lambda text: None)
    flag.listen()
    try:
        signal.raise_signal(signal.SIGUSR1)
        assert heard == [signal.SIGUSR1] and flag.asked() is None
        signal.raise_signal(signal.SIGUSR2)
        assert flag.asked() == "SIGUSR2"
    finally:
        flag.unlisten()
        signal.signal(signal.SIGUSR1, before)
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_what_calls_the_command_line_keeps_its_signals(tmp_path: Path) -> None:
    from mypt.cli import main

    make(tmp_path / "ground")
    before = {name: signal.getsignal(number) for name, number in signals.NUMBERS.items()}
    words = ["--workspace", str(tmp_path / "ground"), *TRAIN, "--max_iters", "1", "--eval_interval", "1"]
    assert main(words) == 0
    assert {name: signal.getsignal(number) for name, number in signals.NUMBERS.items()} == before
