"""The thread behind the screen: what it posts, and that it ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from textual.message import Message

from mypt import events
from mypt.events import LogWriter
from mypt.runs.record import create
from tests.processes import wait_until
from tests.tui.logs import log_path, write_run
from tui.live import Live
from tui.prefs import DEFAULTS, Preferences


def changes(posted: list[Message]) -> list[Live.Changed]:
    return [message for message in posted if isinstance(message, Live.Changed)]


def test_the_first_message_comes_even_from_an_empty_workspace(tmp_path: Path) -> None:
    posted: list[Message] = []
    live = Live(tmp_path, posted.append)
    live.start()
    try:
        wait_until(lambda: bool(posted))
        (first,) = changes(posted)[:1]
        assert first.first
        assert not first.changes.added
    finally:
        live.stop()


def test_an_event_is_posted_and_no_event_posts_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    posted: list[Message] = []
    live = Live(tmp_path, posted.append)
    live.start()
    try:
        wait_until(lambda: any(m.changes.added for m in changes(posted)))
        wait_until(lambda: bool(changes(posted)) and not changes(posted)[-1].changes.more)
        key = live.workspace.runs[0].key
        with LogWriter(log_path(tmp_path, "a")) as log:
            log.write(events.Eval(iter=90, val_loss=0.5))
        wait_until(lambda: any(key in m.changes.updated for m in changes(posted)))
        quiet = len(posted)
        # Two heartbeats at least.
        threading.Event().wait(1.0)
        assert len(posted) == quiet
    finally:
        live.stop()


def test_a_long_log_comes_in_few_messages(tmp_path: Path) -> None:
    with LogWriter(log_path(tmp_path, "long")) as log:
        for step in range(1, 30_001):
            log.write(
                events.Train(iter=step, elapsed_s=step / 10, train_loss=1.0, timestamp="2026-01-01T00:00:00")
            )
    posted: list[Message] = []
    live = Live(tmp_path, posted.append)
    began = time.monotonic()
    live.start()
    try:
        wait_until(lambda: bool(live.workspace.runs) and live.workspace.runs[0].history.step == 30_000, 30.0)
        assert len(changes(posted)) <= 4 + 4 * (time.monotonic() - began)
    finally:
        live.stop()


def test_stopping_ends_the_threads(tmp_path: Path) -> None:
    live = Live(tmp_path, lambda message: None)
    live.start()
    live.stop()
    wait_until(lambda: not any(t.name == "mypt-live" for t in threading.enumerate()))


def test_the_console_of_the_run_that_is_looked_at_is_read_as_it_grows(tmp_path: Path) -> None:
    write_run(tmp_path, "a", complete=False)
    record = create(
        tmp_path, model_name="a", log_file="logs/train/a_eval.jsonl", command=["mypt"], origin="shell"
    )
    console = record.directory(tmp_path).console
    console.write_bytes(b"first\n")
    posted: list[Message] = []
    live = Live(tmp_path, posted.append)
    live.start()
    try:
        wait_until(lambda: bool(live.workspace.runs))
        live.focus(live.workspace.runs[0].key)
        wait_until(lambda: live.console.lines == ("first",))
        with console.open("ab") as file:
            file.write(b"second\n")
        wait_until(lambda: live.console.lines == ("first", "second"))
        wait_until(lambda: any(isinstance(m, Live.Changed) and m.console for m in posted))
        live.focus(None)
        wait_until(lambda: live.console.lines == ())
    finally:
        live.stop()


def test_the_machine_is_looked_at_while_somebody_wants_to_see_it(tmp_path: Path) -> None:
    posted: list[Message] = []
    live = Live(tmp_path, posted.append)
    live.system_wanted = True
    live.start()
    try:
        wait_until(lambda: any(isinstance(m, Live.SystemSampled) for m in posted))
        look = live.system.history[-1]
        assert look.memory_total > look.memory_used > 0
        assert look.disk_total and look.disk_free
    finally:
        live.stop()


def test_preferences_survive_and_a_broken_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "dashboard.json"
    Preferences(path)["axis"] = "time"
    assert Preferences(path)["axis"] == "time"
    for broken in ("", "{", "[1]", '{"axis": 7, "log_y": "yes"}', "\x00"):
        path.write_text(broken)
        again = Preferences(path)
        assert {name: again[name] for name in DEFAULTS} == DEFAULTS
