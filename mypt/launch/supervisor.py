"""The small process above a trainer: it waits for its turn, runs the trainer, and writes down how it ended.

It lives in a session of its own, so that no closed terminal reaches it, and knows nothing of training. Should it be
killed itself, the trainer goes on. Started by `mypt.launch.start` as `python -m mypt.launch.supervisor RUN_DIR`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from mypt import signals
from mypt.cgroup import Kills, killed_since, kills
from mypt.errors import RunError
from mypt.launch.queue import Queue
from mypt.runs.attach import RUN_DIR_VARIABLE
from mypt.runs.directory import (
    CANCELLED,
    NOT_STARTED,
    ExitRecord,
    RunDirectory,
    now,
    request_stop,
    stop_requested,
    word_of,
    write_exit,
)
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.record import BrokenRecord, RunRecord, load, modify, update
from mypt.text import printable

_LAST_LINES = 20
_LAST_BYTES = 16_384
_LINE_LIMIT = 500
# A disk is full exactly when runs end on it: keep trying for a while, somebody may make room.
_EXIT_RETRY_S = 5.0
_EXIT_PATIENCE_S = 600.0
_QUEUE_LOOK_S = 0.5


class Supervisor:
    """Runs the command of one record to its end."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.workspace = run.path.parent.parent.parent
        self.trainer: ProcessIdentity | None = None
        self.signals: deque[signal.Signals] = deque()

    def main(self) -> int:
        """Wait, run, record. Returns this process's own exit status: 1 when there was nothing that could be run."""
        self._listen()
        record = load(self.run)
        if isinstance(record, BrokenRecord):
            print(f"{record.path}: {record.problem}", file=sys.stderr)
            return 1
        if self.run.exit_file.exists() or _is_taken(record):
            print(f"run {record.run_id} has been started before", file=sys.stderr)
            return 1
        record = update(self.run, supervisor=ProcessIdentity.of_self())
        try:
            mine = self._wait_for_turn(record)
            end = self._run_trainer(record) if mine else ExitRecord(code=None, reason=CANCELLED)
        except (OSError, RunError) as error:
            end = ExitRecord(code=None, reason=f"{NOT_STARTED}: {error}")
        self._write_exit(end)
        return 0

    def _listen(self) -> None:
        """Pass requests to stop on to the trainer; a hang-up concerns neither."""
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for name, number in signals.NUMBERS.items():
            if name != "SIGHUP":
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(signal.Signals(number))
        self._pass_on()

    def _pass_on(self) -> None:
        """Hand each signal that came to the trainer, once; those that come before it has a name wait for it."""
        while self.trainer is not None and self.signals:
            # A signal may come between the two lines and empty the queue itself.
            with contextlib.suppress(IndexError, OSError):
                number = self.signals.popleft()
                if sys.platform == "win32":
                    # There a signal would end the trainer on the spot; the file lets it save.
                    request_stop(self.run)
                else:
                    self.trainer.signal_if_same(number)

    def _wait_for_turn(self, record: RunRecord) -> bool:
        """Wait until the runs before this one have ended (queued runs only); False when this one is not to start."""
        queue = Queue(self.workspace, record) if record.queued else None
        while True:
            if self.signals or stop_requested(self.run) is not None:
                return False
            if not self.run.path.is_dir():
                return False
            if queue is None or queue.take_turn():
                return True
            time.sleep(_QUEUE_LOOK_S)

    def _run_trainer(self, record: RunRecord) -> ExitRecord:
        environment = dict(os.environ) | {
            RUN_DIR_VARIABLE: str(self.run.path),
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "TERM": "dumb",
        }
        modify(self.run, lambda record: replace(record, started_at=record.started_at or now()))
        with self.run.console.open("ab", buffering=0) as console:
            child = subprocess.Popen(
                record.command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=self.workspace,
                env=environment,
                **_own_group(),
            )
        before = kills()
        self._name_trainer(child.pid)
        self._pass_on()
        status = child.wait()
        died = status < 0 and sys.platform != "win32"
        lines = last_lines(self.run.console)
        return ExitRecord(
            code=None if died else status,
            signal=-status if died else None,
            reason=_starved(before, status) or self._not_printed(status, lines),
            last_lines=lines,
        )

    def _not_printed(self, status: int, lines: tuple[str, ...]) -> str:
        """Why the trainer says that it ended, where a full disk did not take what it printed of that."""
        word = word_of(self.run)
        if status == 0 or word is None or word.code != status or not word.reason:
            return ""
        said = word.reason.splitlines()[-1][: _LINE_LIMIT // 2]
        return "" if any(said in line for line in lines) else word.reason

    def _name_trainer(self, pid: int) -> None:
        """Record the child at once, so that it can be stopped before it has come to itself."""
        try:
            identity = ProcessIdentity.of_pid(pid)
        except ProcessLookupError:
            return  # ended already: there is nothing to name
        try:
            # Unless the trainer was faster: where it has children of its own, it knows better which of them trains.
            modify(self.run, lambda record: replace(record, trainer=record.trainer or identity))
        except RunError as error:
            print(f"the trainer could not be recorded: {error}", file=sys.stderr)
        self.trainer = identity

    def _write_exit(self, record: ExitRecord) -> None:
        deadline = time.monotonic() + _EXIT_PATIENCE_S
        while self.run.path.is_dir():
            try:
                write_exit(self.run, record)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    print(f"the end of the run could not be recorded: {error}", file=sys.stderr)
                    return
                time.sleep(_EXIT_RETRY_S)


def _starved(before: Kills, status: int) -> str:
    """That the system killed the trainer for lack of memory, where it was killed and the counters say so."""
    if sys.platform == "win32" or status != -signal.SIGKILL or not (how := killed_since(before)):
        return ""
    return f"{how}; lower batch_size or block_size, or choose a smaller model"


def last_lines(console: Path) -> tuple[str, ...]:
    """The last lines of a console log, printable; of a line that was drawn over with carriage returns, what is left."""
    try:
        with console.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            tail = file.read(_LAST_BYTES)
    except OSError:
        return ()
    lines = tail.decode("utf-8", "replace").split("\n")
    if size > _LAST_BYTES:
        lines = lines[1:] or lines
    if lines and not lines[-1]:
        lines.pop()
    shown = (line.rstrip("\r").rpartition("\r")[2] for line in lines[-_LAST_LINES:])
    return tuple(printable(line[:_LINE_LIMIT], newline=False) for line in shown)


def _is_taken(record: RunRecord) -> bool:
    return any(
        identity is not None and identity.is_alive() is not Alive.DEAD
        for identity in (record.supervisor, record.trainer)
    )


def _own_group() -> dict[str, Any]:
    """Popen arguments that put the trainer into a process group of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"process_group": 0}


def main() -> int:
    """Entry point of `python -m mypt.launch.supervisor RUN_DIR`."""
    if len(sys.argv) != 2:
        print("usage: python -m mypt.launch.supervisor RUN_DIR", file=sys.stderr)
        return 2
    try:
        return Supervisor(RunDirectory(Path(sys.argv[1]).resolve())).main()
    except RunError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
