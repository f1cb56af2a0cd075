"""What no one would do on purpose: odd names, odd files, odd sizes, a folder that goes and a clock that jumps."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.screen import ModalScreen

from mypt import events
from mypt.events import LogWriter
from mypt.runs.state import RunState
from tests.tui.logs import log_path, write_run
from tests.tui.painted import painted, painted_lines
from tests.tui.test_checkpoints_screen import save
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.widgets.lines import KeyLine

SIZES = [(80, 24), (160, 48), (300, 80), (40, 12)]
NAMES = [
    "n" * 200,
    "wide " + "物語" * 20,
    "مرحبا بالعالم",
    "zero\u200bwidth e\u0301\u0301\u0301 \u2066isolate",
    "[red]markup[/] [@click=app.quit]x",
    "esc \x1b]0;evil\x07\x1b[2J\x9b31m",
    "--flag",
    "🚀 rocket 👩‍👩‍👧",
]


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Runs and checkpoints with every name that a file system allows."""
    for name in NAMES:
        path = write_run(tmp_path, name)
        with LogWriter(path) as log:
            log.write(
                events.Sample(iter=31, prompt="\x1b[31m\x07", text="[bold]\x00\u202e物 [/nope]\r\nx\tq")
            )
            log.write(events.GoldBlocked(iter=31, val_loss=1.0, reason="[link=x]\x1b[2J" + "r" * 300))
            log.write(events.PhaseSwitch(iter=31, new_phase="[/] \x9b31m" + "p" * 300))
        save(tmp_path, name[:200], base="no such base \x1b[5m", chars="\x00\x1b\u202e ab")
    return tmp_path


async def read(pilot: Pilot[Any], app: MyptApp, runs: int) -> None:
    await until(pilot, lambda: len(app.live.workspace.runs) == runs)
    await until(pilot, lambda: all(run.known for run in app.live.workspace.runs))
    await pilot.pause()


def check(app: MyptApp, size: tuple[int, int]) -> None:
    """What holds of every picture: it fits, obeys nothing, and its last line tells the way out in whole words."""
    lines = painted_lines(app)
    assert len(lines) == size[1]
    text = "\n".join(lines)
    for char in text.replace("\n", ""):
        code = ord(char)
        assert code >= 32 and not 0x7F <= code < 0xA0 and char not in "\u202e\u2066", hex(code)
    for line in lines:
        assert cell_len(line) == size[0], line
    if not isinstance(app.screen, ModalScreen):
        keys = app.screen.query_one(KeyLine)
        assert keys.region.bottom == size[1] and keys.region.width == size[0]
        last = lines[-1]
        assert "? Keys" in last or "f1 Keys" in last, last
        assert "Back" in last or "Quit" in last, last


# Each is resized to all of them at its end, so a beginning in three is enough.
@pytest.mark.parametrize("size", [(80, 24), (300, 80), (40, 12)], ids=str)
async def test_every_screen_bears_every_size_and_every_name(place: Path, size: tuple[int, int]) -> None:
    app = MyptApp(place)
    walks = (
        ["right_square_bracket"] * len(NAMES),
        ["l"] * 5,
        ["c", *["down"] * 4, "right_square_bracket", "right_square_bracket"],
        ["c", "space", "down", "down", "space", "v", "down", "right"],
        ["n"],
        ["n", "ctrl+n", "ctrl+n", "ctrl+n"],
        ["ctrl+g", *["down"] * 4],
        ["ctrl+g", "f2"],
        ["question_mark"],
        ["ctrl+p"],
        ["s"],
        ["g"],
        ["c", "g"],
        ["t", "down", "p", "down", "h", "H", "o", "O"],
        ["t", "slash", *"nothing", "enter"],
        ["c", "down", "D", "down"],
        ["c", "down", "R", *"\\x"],
        ["c", "down", "e", "down"],
        ["c", "i", *"/nowhere"],
        ["w"],
        ["ctrl+g", *["down"] * 12, "enter"],
        ["g", *"x y", "ctrl+u", "f2", "down", "f3"],
    )
    async with app.run_test(size=size) as pilot:
        await read(pilot, app, len(NAMES))
        check(app, size)
        for walk in walks:
            for key in walk:
                await pilot.press(key)
                await pilot.pause()
                check(app, size)
            await pilot.pause(0.1)
            check(app, size)
            while len(app.screen_stack) > 1:
                await app.pop_screen()
            await pilot.pause()
        for other in SIZES:
            await pilot.resize_terminal(*other)
            await pilot.pause()
            check(app, other)


async def test_logs_that_are_empty_huge_or_nonsense(tmp_path: Path) -> None:
    write_run(tmp_path, "good")
    folder = tmp_path / "logs" / "train"
    (folder / "empty_eval.jsonl").write_bytes(b"")
    (folder / "nonsense_eval.jsonl").write_bytes(os.urandom(100_000))
    (folder / "deep_eval.jsonl").write_bytes(b'{"a":' * 100_000)
    (folder / "binary_eval.jsonl").write_bytes(b"\0" * 4096)
    with (folder / "sparse_eval.jsonl").open("wb") as file:
        file.write(b'{"event": "eval", "iter": 0, "val_loss": 4.0}\n')
        file.truncate(1 << 30)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.live.workspace.runs) == 6)
        good = app.live.workspace.find("good")[0]
        await until(pilot, lambda: good.known and good.state is RunState.FINISHED)
        await pilot.pause()
        # The screen answers while the gigabyte is read.
        await pilot.press("c")
        await pilot.pause()
        assert type(app.screen).__name__ == "CheckpointsScreen"
        await pilot.press("escape")
        sparse = app.live.workspace.find("sparse")[0]
        await until(pilot, lambda: sparse.history.latest("val") == 4.0)
        check(app, (120, 36))


async def test_a_folder_that_vanishes_while_it_is_shown(place: Path) -> None:
    app = MyptApp(place)
    async with app.run_test(size=(120, 36)) as pilot:
        await read(pilot, app, len(NAMES))
        await pilot.press("c")
        await pilot.pause()
        shutil.rmtree(place / "checkpoints")
        await until(pilot, lambda: not app.live.bundles)
        await pilot.pause()
        check(app, (120, 36))
        await pilot.press("escape")
        shutil.rmtree(place / "logs")
        await until(pilot, lambda: not app.live.workspace.runs)
        await pilot.pause()
        check(app, (120, 36))
        place.rename(place.with_name("moved"))
        await pilot.press("f12")
        await until(pilot, lambda: any(toast.title == "No picture" for toast in toasts(app)))
        await pilot.press("n")
        await pilot.pause(0.5)
        check(app, (120, 36))
        await pilot.press("escape")
        await pilot.pause()
        place.with_name("moved").rename(place)
        write_run(place, "again")
        await until(pilot, lambda: [run.label for run in app.live.workspace.runs] == ["again"])


async def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, "poems", complete=False)
    now = time.time
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await read(pilot, app, 1)
        for jump in (10 * 365 * 86_400.0, -50 * 365 * 86_400.0, 0.0):
            monkeypatch.setattr(time, "time", lambda jump=jump: now() + jump)
            with LogWriter(log_path(tmp_path, "poems")) as log:
                log.write(events.Train(iter=40, train_loss=1.0, elapsed_s=4.0, tokens_processed=2560))
            app.live.hint()
            await pilot.pause(1.2)
            check(app, (120, 36))
            for key in ("c", "escape", "x", "x", "x"):
                await pilot.press(key)
                await pilot.pause()
            check(app, (120, 36))
        # A jump is no event: nothing is told twice, and nothing that did not happen.
        titles = [toast.title for toast in toasts(app)]
        assert len(titles) == len(set(titles)) and not any("finished" in title for title in titles)


async def test_logs_with_clocks_of_all_ages(tmp_path: Path) -> None:
    stamps = ["0000-00-00T00:00:00", "9999-12-31T23:59:59", "1970-01-01T00:00:00", "\x1b[2J", "x" * 5000, ""]
    for number, stamp in enumerate(stamps):
        path = log_path(tmp_path, f"run{number}")
        path.parent.mkdir(parents=True, exist_ok=True)
        start = {
            "event": "training_start",
            "timestamp": stamp,
            "started_at": stamp,
            "config": {"max_iters": 10},
        }
        rows = [start, {"event": "eval", "iter": 1, "timestamp": stamp, "val_loss": 1.0}]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await read(pilot, app, len(stamps))
        for _ in stamps:
            await pilot.press("right_square_bracket")
            await pilot.pause()
            check(app, (120, 36))
        assert "x" * 500 not in painted(app)
