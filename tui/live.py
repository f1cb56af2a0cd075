"""The thread that looks at the workspace, so that the screen never waits for a disk.

It polls `mypt.watch` on a heartbeat, sooner when the operating system hints at a change, and posts one message a
round with all that is new. Nothing else in the dashboard reads logs.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from textual.message import Message

from mypt.bundle import BundleInfo
from mypt.text import printable
from mypt.watch.checkpoints import Model, lineage
from mypt.watch.inventory import Changes, StateChange, Workspace

# An event must be on the screen within half a second also where no hints come (network disks).
_HEARTBEAT_S = 0.4
# Reading shares one interpreter with the screen: short slices, and none for a moment after each key.
_SLICE_S = 0.006
_PAUSE_S = 0.0005
_WAY_S = 0.03
_PICTURE_S = 0.5
_BUNDLES_EVERY_S = 2.0
_CONSOLE_TAIL = 64 * 1024


class Live:
    """Owns the picture of the workspace. `start` begins to look; messages go to `post`, which must be thread-safe."""

    class Changed(Message):
        """Something in the workspace is different: what `changes` names, the console or the checkpoints."""

        def __init__(self, changes: Changes, *, console: bool, bundles: bool, first: bool) -> None:
            super().__init__()
            self.changes, self.console, self.bundles, self.first = changes, console, bundles, first

    class Failed(Message):
        """Nothing is looked at any more, for a reason that nobody expected: what is shown grows old."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(self, path: Path, post: Callable[[Message], object]) -> None:
        self.workspace = Workspace(path)
        self.bundles: list[BundleInfo] = []
        self.models: tuple[Model, ...] = ()
        self.console = ConsoleTail()
        self._way_until = 0.0
        self._post = post
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to look, in threads that end with the process."""
        for body, name in ((self._look_or_tell, "mypt-live"), (self._listen, "mypt-hints")):
            thread = threading.Thread(target=body, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Look no more; returns when the threads have ended, or after a second."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=1.0)

    def focus(self, key: str | None) -> None:
        """A person looks at this run: its log and its console come first."""
        self.workspace.focus(*([key] if key else []))
        self.console.follow(key)
        self._wake.set()

    def give_way(self) -> None:
        """Somebody touched a key or the mouse: reading waits until the answer is on the screen."""
        self._way_until = time.monotonic() + _WAY_S

    def hint(self) -> None:
        """Something was just changed by ourselves: look now, new folders included."""
        self.workspace.hint()
        self._wake.set()

    def _look_or_tell(self) -> None:
        try:
            self._look()
        except Exception as error:
            # A picture that stands still must not pass for a run that does.
            self._post(self.Failed(error))

    def _look(self) -> None:
        # Reading shares one interpreter with the screen, which must get its turn within a millisecond, not five.
        sys.setswitchinterval(0.001)
        pending = _Pending()
        first, bundles_at, posted_at = True, 0.0, 0.0
        while not self._stop.is_set():
            pending.add(self.workspace.poll(_SLICE_S))
            moment = time.monotonic()
            if moment >= bundles_at or pending.added:
                bundles_at = moment + _BUNDLES_EVERY_S
                found = self.workspace.bundles()
                if found != self.bundles:
                    self.bundles, self.models, pending.bundles = found, lineage(found), True
            pending.console |= self.console.read(self.workspace)
            # A long log comes in hundreds of slices, and a person sees a few pictures a second.
            due = not pending.more or first or moment - posted_at >= _PICTURE_S
            if due and (pending.any or first):
                self._post(pending.message(first=first))
                pending, first, posted_at = _Pending(more=pending.more), False, moment
            if pending.more:
                time.sleep(max(_PAUSE_S, min(_WAY_S, self._way_until - time.monotonic())))
            else:
                self._wake.wait(_HEARTBEAT_S)
            self._wake.clear()

    def _listen(self) -> None:
        """Hints from the operating system; where there are none, the heartbeat does."""
        path = self.workspace.path
        with contextlib.suppress(Exception):
            import watchfiles

            while not self._stop.is_set():
                folders = [p for p in (path / "logs", path / ".mypt" / "runs") if p.is_dir()]
                if not folders:
                    self._stop.wait(2.0)
                    continue
                for found in watchfiles.watch(
                    *folders,
                    stop_event=self._stop,
                    debounce=100,
                    step=50,
                    rust_timeout=1000,
                    yield_on_timeout=True,
                    force_polling=False,
                    raise_interrupt=False,
                ):
                    if found:
                        self.workspace.hint(name for _, name in found)
                        self._wake.set()
                    # Folders come and go; a watch on one that was replaced hears nothing more.
                    if any(not f.is_dir() for f in folders) or len(folders) < 2:
                        now = [p for p in (path / "logs", path / ".mypt" / "runs") if p.is_dir()]
                        if now != folders:
                            break


@dataclass
class _Pending:
    """What was found since the last message."""

    added: dict[str, None] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    updated: dict[str, None] = field(default_factory=dict)
    states: list[StateChange] = field(default_factory=list)
    more: bool = False
    bundles: bool = False
    console: bool = False

    def add(self, changes: Changes) -> None:
        self.added.update(dict.fromkeys(changes.added))
        self.removed.update(dict.fromkeys(changes.removed))
        self.updated.update(dict.fromkeys(changes.updated))
        self.states += changes.states
        self.more = changes.more

    @property
    def any(self) -> bool:
        return bool(self.added or self.removed or self.updated or self.states or self.bundles or self.console)

    def message(self, *, first: bool) -> Live.Changed:
        changes = Changes(list(self.added), list(self.removed), list(self.updated), self.states, self.more)
        return Live.Changed(changes, console=self.console, bundles=self.bundles, first=first)


class ConsoleTail:
    """The last lines of the console output of the run that is looked at."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.path: Path | None = None
        self._key: str | None = None
        self._seen: tuple[Path | None, int, int] | None = None

    def follow(self, key: str | None) -> None:
        """Follow the console of this run from now on."""
        self._key, self._seen = key, None

    def read(self, workspace: Workspace) -> bool:
        """Take in what is new; True where the lines are others than before."""
        run = workspace.get(self._key) if self._key else None
        path = run.console_path if run else None
        size = modified = 0
        with contextlib.suppress(OSError):
            if path is not None:
                stat = path.stat()
                size, modified = stat.st_size, stat.st_mtime_ns
        seen = (path, size, modified)
        if seen == self._seen:
            return False
        self._seen, self.path = seen, path
        before, self.lines = self.lines, _tail(path, size)
        return before != self.lines


def _tail(path: Path | None, size: int) -> list[str]:
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            file.seek(max(size - _CONSOLE_TAIL, 0))
            raw = file.read(_CONSOLE_TAIL)
    except OSError:
        return []
    text = raw.decode("utf-8", "replace")
    if size > _CONSOLE_TAIL:
        text = text.partition("\n")[2]
    # Of a line that was written over by carriage returns only the last version counts.
    return [
        printable(line.rpartition("\r")[2] or line, newline=False) for line in text.rstrip("\n").split("\n")
    ]
