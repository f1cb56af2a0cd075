"""The dashboard in a real terminal, whatever becomes of its files, its disk, its terminal and its fellows."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import mischief
from tests.faults.busy import write_bundle
from tests.faults.ground import PLAIN, TRAIN, make
from tests.faults.rounds import ROUNDS, Report, draw, times
from tests.training.alike import assert_same_file
from tests.training.killer import Killer
from tests.tui.logs import write_run
from tests.tui.terminal import Terminal, terminal
from tests.workbench import log_of, start, story, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal"),
]
TUI = (sys.executable, "-m", "tui.cli")
HELP = "╭─ Keys ─"
KEYS = (
    "t",
    "c",
    "c]",
    "c]]",
    "g",
    "n",
    "l",
    "ll",
    "lll",
    "]",
    "m",
    "f",
    "x",
    "r",
    "s",
    "E",
    "v",
    "w",
    "z",
    "/a",
    "\x07",
)


@pytest.fixture(autouse=True)
def preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "preferences"
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(folder))
    return folder


def bound_by_permissions() -> tuple[str, ...]:
    """The dashboard without what lets root read everything."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return TUI
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *TUI)


def answers(dashboard: Terminal) -> None:
    """Wherever one is, keys are answered: the way back, and then the help, which opens and closes."""
    # What follows an escape at once is taken for a part of it; the answer takes its time on a busy machine.
    keys = itertools.cycle((("\x1b", 0.3), ("?", 10.0)))
    due = 0.0

    def opened(text: str) -> bool:
        nonlocal due
        if HELP not in text and time.monotonic() > due:
            key, patience = next(keys)
            dashboard.press(key)
            due = time.monotonic() + patience
        return HELP in text

    dashboard.wait_for(opened)
    due = 0.0

    def closed(text: str) -> bool:
        nonlocal due
        # A key that was late may have opened it once more.
        if HELP in text and time.monotonic() > due:
            dashboard.press("\x1b")
            due = time.monotonic() + 3.0
        return HELP not in text

    dashboard.wait_for(closed)


def test_whatever_becomes_of_its_files_it_lives_and_answers(tmp_path: Path, report: Report) -> None:
    pristine = mischief.make(tmp_path / "pristine")
    workspace = tmp_path / "workspace"
    shutil.copytree(pristine, workspace, symlinks=True)
    done = 0
    with terminal(workspace, program=bound_by_permissions()) as dashboard:
        dashboard.wait_for("3 runs")
        laps = list(mischief.together(times(1), draw("deeds")))
        if ROUNDS == 1:
            # Pipes are what one waits for; of the rest, some.
            pipes = [deeds for deeds in laps if any("pipes" in what for what, _ in deeds)]
            laps = [*pipes, *draw("some").sample(laps, 4)]
        for number, deeds in enumerate(laps):
            chance = draw("deed", number)
            for _, deed in deeds:
                # One that cannot be done to what another has left is not done.
                with contextlib.suppress(OSError):
                    deed(workspace, chance)
                    done += 1
            try:
                dashboard.press(chance.choice(KEYS))
                answers(dashboard)
                assert "stands still" not in dashboard.text
            except AssertionError as error:
                raise AssertionError(f"{number}: {[what for what, _ in deeds]}: {error}") from error
            for path in workspace.iterdir():
                mischief.remove(path)
            shutil.copytree(pristine, workspace, symlinks=True, dirs_exist_ok=True)
        # Where the line of runs begins with the one in view, it says how many there are.
        dashboard.wait_for(
            lambda text: "3 runs" in text and ("/3]" in text or all(name in text for name in mischief.NAMES))
        )
        # Nothing has kept what looks at the disk: something that comes is seen.
        write_run(workspace, "homer")
        dashboard.wait_for("4 runs")
        dashboard.press("\x11")
        assert dashboard.exit_status() == 0
        assert b"Traceback" not in dashboard.raw
    report(deeds=done)


def test_a_disk_that_does_not_answer_keeps_no_key_waiting(tmp_path: Path) -> None:
    workspace, switch = mischief.make(tmp_path / "workspace"), tmp_path / "switch"
    told = switch.with_suffix(".screen")
    program = (sys.executable, str(Path(__file__).with_name("hanging.py")), str(switch))
    with terminal(workspace, str(workspace), program=program) as dashboard:
        dashboard.wait_for("3 runs")
        switch.touch()
        for key in ("g", "n", "r", "c"):
            dashboard.press(key)
            answers(dashboard)
        dashboard.wait_for("disk does not answer since")
        switch.unlink()
        dashboard.wait_for("The disk answers again")
        dashboard.wait_for(lambda text: "disk does not answer" not in text)
        write_run(workspace, "homer")
        dashboard.wait_for("4 runs")
        switch.touch()
        dashboard.wait_for("disk does not answer since")
        answers(dashboard)
        dashboard.press("c")
        answers(dashboard)
        dashboard.press("\x11")
        # Threads that wait for the disk do not keep it from leaving.
        assert dashboard.exit_status(20) == 0
    assert not told.exists(), told.read_text()


def test_training_never_notices(tmp_path: Path, killer: Killer) -> None:
    """Its dashboards die, its log and its records are spoilt, and it makes the very same weights."""
    ground = make(tmp_path / "ground")
    (ground / "input.txt").write_text(story())
    changes = {"max_iters": 200, "eval_interval": 100, "save_every": None, "log_interval": 20}
    preset = {**PLAIN, **changes, "input_file": "input.txt"}
    (ground / "configs" / "p.json").write_text(json.dumps(preset))
    whole, beset = (Path(shutil.copytree(ground, tmp_path / name)) for name in ("whole", "beset"))
    assert killer.run(whole, *TRAIN)[0] == 0
    log = log_of(beset, "m")
    spoil: list[Callable[[], object]] = [
        lambda: log.open("ab").write(b"\xff\x00garbage" * 100_000),
        lambda: os.truncate(log, log.stat().st_size // 2),
        log.unlink,
        lambda: shutil.rmtree(beset / ".mypt" / "runs"),
        lambda: shutil.rmtree(beset / "logs"),
        lambda: shutil.rmtree(beset / ".mypt"),
    ]
    with terminal(beset) as dashboard:
        dashboard.wait_for("MyPT")
        process = start(beset, *TRAIN)
        try:
            wait_for(lambda: log.exists() and log.stat().st_size > 0, process)
            for spoilt in spoil:
                with contextlib.suppress(OSError):
                    spoilt()
            dashboard.hang_up()
            assert process.poll() is None
            output, _ = process.communicate(timeout=150)
        finally:
            process.kill()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    for name in ("m", "m_fp16"):
        assert_same_file(*(root / "checkpoints" / name / "model.pt" for root in (whole, beset)))


FULL = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    "from tui.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize("how", ["full", "not to be written", *(["a file"] if ROUNDS > 1 else [])])
def test_nowhere_to_keep_what_is_set(tmp_path: Path, preferences: Path, how: str) -> None:
    workspace, program = mischief.make(tmp_path / "workspace"), bound_by_permissions()
    write_bundle(workspace / "checkpoints", "virgil", 100, goal=500)
    if how == "full":
        program = (sys.executable, "-c", FULL)
    elif how == "a file":
        preferences.write_text("in the way")
    else:
        preferences.mkdir()
        preferences.chmod(0o500)
        if "setpriv" not in program and os.geteuid() == 0:
            pytest.skip("root writes everywhere")
    with terminal(workspace, program=program) as dashboard:
        dashboard.wait_for("3 runs")
        for key in ("\x14", "y", "x", "m", "f", "l", "e"):
            dashboard.press(key)
        answers(dashboard)
        # On a busy machine a terminal's answers to these come late now and then: the long rounds have the time for them.
        if how == "full" and ROUNDS > 1:
            dashboard.press("]")
            dashboard.wait_for("─ virgil ─")
            dashboard.press("r")
            dashboard.wait_for("It did not start")
            answers(dashboard)
            dashboard.press("\x1b[24~")
            dashboard.wait_for("No picture")
            answers(dashboard)
        dashboard.press("\x11")
        assert dashboard.exit_status() == 0
        assert b"Traceback" not in dashboard.raw
