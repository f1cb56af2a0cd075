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
from mypt.runs.identity import Alive
from mypt.runs.state import RunState
from mypt.watch.checkpoints import Model, lineage
from mypt.watch.console import Console
from mypt.watch.inventory import Changes, StateChange, Workspace
from mypt.watch.renames import Renamed, present_log
from mypt.watch.system import SystemProbe

# An event must be on the screen within half a second also where no hints come (network disks).
_HEARTBEAT_S = 0.4
# Reading shares one interpreter with the screen: short slices, and none for a moment after each key.
_SLICE_S = 0.006
_WAY_S = 0.03
_PICTURE_S = 0.5
# A round takes milliseconds, the first one in a large workspace on a slow disk a second or two.
_ANSWERS_WITHIN_S = 4.0
_BUNDLES_EVERY_S = 2.0
_SYSTEM_EVERY_S = 2.0
# Looking for GPUs loads a library; the first picture does not wait for that.
_SYSTEM_AFTER_S = 2.0


class Live:
    """Owns the picture of the workspace. `start` begins to look; messages go to `post`, which must be thread-safe."""

    class Changed(Message):
        """Something in the workspace is different: what `changes` names, the console or the checkpoints."""

        def __init__(self, changes: Changes, *, console: bool, bundles: bool, first: bool) -> None:
            super().__init__()
            self.changes, self.console, self.bundles, self.first = changes, console, bundles, first

    class SystemSampled(Message):
        """The machine was looked at: `system.history` has what was found."""

    class Failed(Message):
        """Nothing is looked at any more, for a reason that nobody expected: what is shown grows old."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(self, path: Path, post: Callable[[Message], object]) -> None:
        self.workspace = Workspace(path)
        self.bundles: list[BundleInfo] = []
        self.models: tuple[Model, ...] = ()
        self.renames: tuple[Renamed, ...] = ()
        """Which models have other names than they had."""
        self.console = Console(None)
        """The console output of the run that is looked at."""
        self.system = SystemProbe(path)
        self.system_wanted = False
        """Whether somebody looks at the machine; GPUs are looked at always, since the first line tells of them."""
        self._focused: str | None = None
        self._way_until = 0.0
        self._asked: tuple[float, float] | None = None
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

    def stop(self) -> bool:
        """Look no more; True when the threads have ended, False where a second each was not enough."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=1.0)
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def unanswered_since(self) -> float | None:
        """When the disk was asked for what it has not told yet, in seconds since the epoch; None while it answers."""
        asked = self._asked
        if asked is None or time.monotonic() - asked[0] < _ANSWERS_WITHIN_S:
            return None
        return asked[1]

    def focus(self, key: str | None) -> None:
        """A person looks at this run: its log and its console come first."""
        self.workspace.focus(*([key] if key else []))
        self._focused = key
        self._wake.set()

    @property
    def names(self) -> set[str]:
        """The names of all models that are here or were trained here."""
        return {run.name for run in self.workspace.runs} | {info.model_name for info in self.bundles}

    def present_key(self, key: str) -> str:
        """The key of the run that was known by `key`, before its model was renamed."""
        return present_log(key, self.renames, self.workspace)

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
            self._asked = None
            # A picture that stands still must not pass for a run that does.
            self._post(self.Failed(error))

    def _look(self) -> None:
        # Reading shares one interpreter with the screen, which must get its turn within a millisecond, not five.
        sys.setswitchinterval(0.001)
        pending = _Pending()
        first, bundles_at, posted_at = True, 0.0, 0.0
        system_at = time.monotonic() + _SYSTEM_AFTER_S
        while not self._stop.is_set():
            self._asked = (time.monotonic(), time.time())
            pending.add(self.workspace.poll(_SLICE_S))
            moment = time.monotonic()
            if moment >= bundles_at or pending.added:
                bundles_at = moment + _BUNDLES_EVERY_S
                found = self.workspace.bundles()
                renames = self.workspace.renames()
                if (found, renames) != (self.bundles, self.renames):
                    self.renames, self.bundles = renames, found
                    self.models, pending.bundles = lineage(found, renames), True
            # A long log comes in hundreds of slices, and a person sees a few pictures a second.
            due = not pending.more or first or moment - posted_at >= _PICTURE_S
            if due:
                pending.console |= self._read_console()
            if moment >= system_at and not pending.more:
                system_at = moment + _SYSTEM_EVERY_S
                self._look_at_system()
            self._asked = None
            if due and (pending.any or first):
                self._post(pending.message(first=first))
                pending, first, posted_at = _Pending(more=pending.more), False, moment
            if pending.more:
                time.sleep(max(0.0, min(_WAY_S, self._way_until - time.monotonic())))
            else:
                self._wake.wait(_HEARTBEAT_S)
            self._wake.clear()

    def _read_console(self) -> bool:
        """Take in what the run in view has printed; True where something is new, or it is another run's."""
        run = self.workspace.get(self._focused) if self._focused else None
        path = run.console_path if run else None
        if path == self.console.path:
            return self.console.read()
        console = Console(path)
        console.read()
        self.console = console
        return True

    def _look_at_system(self) -> None:
        history = self.system.history
        if history and not (self.system_wanted or history[-1].gpus):
            return
        run = self.workspace.get(self._focused) if self._focused else None
        trainer = run.record.trainer if run and run.record and run.state is RunState.RUNNING else None
        # On another machine, or after its end, that number may be somebody else's process.
        here = trainer is not None and trainer.is_alive() is Alive.ALIVE
        self.system.sample(trainer.pid if trainer is not None and here else None)
        self._post(self.SystemSampled())

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
