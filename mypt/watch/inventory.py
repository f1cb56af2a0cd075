"""The living picture of a workspace: every run in it, kept up to date in slices of time that a screen can spare."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from mypt.bundle import BundleInfo
from mypt.runs.record import BrokenRecord, RunRecord
from mypt.runs.state import RunState
from mypt.slurm.squeue import Squeue
from mypt.text import printable
from mypt.watch.checkpoints import Bundles, Model, lineage
from mypt.watch.renames import Renamed, Renames
from mypt.watch.run import Run
from mypt.watch.scan import Records, find_logs

# One slice of a log: a few milliseconds, so that a budget is kept and a short run never waits for a long one.
_SLICE = 64 * 1024
# The log of a run that is over and has been quiet for so long is looked at when folders are, not at every poll.
_DORMANT_S = 60.0
# Also when reading took all the time, states are decided, a few at each poll.
_FEWEST_EVALUATIONS = 20
# Somebody waits for a picture that is taken once.
_PATIENCE_S = 5.0


class StateChange(NamedTuple):
    """A run's state became another while it was watched (not: became known)."""

    key: str
    before: RunState
    after: RunState


class Changes(NamedTuple):
    """What one poll found: keys of runs, changes of state, and whether more is still to be read."""

    added: list[str]
    removed: list[str]
    updated: list[str]
    states: list[StateChange]
    more: bool

    @property
    def any(self) -> bool:
        """Whether anything is different from before."""
        return bool(self.added or self.removed or self.updated or self.states)


class Workspace:
    """The runs and checkpoints of one workspace. Reads only; nothing that lies there makes it raise.

    One thread calls `poll` (or `load`); `hint` may be called, and runs be looked at, from any.
    """

    def __init__(
        self,
        path: Path,
        *,
        rescan_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        squeue: Squeue | None = None,
    ) -> None:
        self.path = path
        self._root = os.path.realpath(path)
        self._rescan_s = rescan_s
        self._clock = clock
        self._scan_at = -math.inf
        self._hints: deque[str] = deque(maxlen=1000)
        self._runs: dict[str, Run] = {}
        self._due: deque[Run] = deque()
        self._waiting: set[str] = set()
        self._focus: tuple[str, ...] = ()
        self._records = Records(path)
        self._bundles = Bundles(path / "checkpoints")
        self._renames = Renames(path)
        self._squeue = squeue or Squeue(clock=clock)

    # ── for those who look ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def runs(self) -> list[Run]:
        """Every run, the youngest first."""
        return sorted(self._runs.values(), key=lambda run: (-run.born, run.key))

    def get(self, key: str) -> Run | None:
        """The run of that key."""
        return self._runs.get(key)

    def find(self, name: str) -> list[Run]:
        """The runs that `name` can mean: a key, a label, a model's name, a log's path or a run id; youngest first."""
        exact = self._runs.get(name)
        if exact is not None:
            return [exact]
        path = name
        # Of names and run ids, by which screens ask, the disk is told nothing: it may not answer.
        if os.sep in name or name.endswith(".jsonl"):
            with contextlib.suppress(OSError, ValueError):
                path = os.path.realpath(name)
        return [
            run
            for run in self.runs
            if name in (run.label, run.name)
            or str(run.log_path) == path
            or any(name == record.run_id for record in run.attempts)
        ]

    @property
    def broken_records(self) -> list[BrokenRecord]:
        """Run records that cannot be read, and why."""
        return self._records.broken

    def bundles(self) -> list[BundleInfo]:
        """Every checkpoint, broken ones included; those that have not changed are not read again."""
        return self._bundles.read()

    def lineage(self) -> tuple[Model, ...]:
        """The checkpoints as a tree: base models, their fine-tunes below them."""
        return lineage(self.bundles(), self.renames())

    def renames(self) -> tuple[Renamed, ...]:
        """Which models were renamed; the file is read again only when it has changed."""
        return self._renames.read()

    # ── for who drives ──────────────────────────────────────────────────────────────────────────────────────────

    def hint(self, paths: Iterable[str | os.PathLike[str]] = ()) -> None:
        """Something changed at `paths` (anywhere, if none is named): the next poll looks there. Any thread."""
        named = [os.fspath(path) for path in paths]
        self._hints.extend(named or [""])

    def focus(self, *keys: str) -> None:
        """These runs are looked at by a person: every poll reads them first."""
        self._focus = keys

    def __contains__(self, key: object) -> bool:
        """Whether there is a run of that key."""
        return key in self._runs

    def poll(self, budget_s: float = 0.05) -> Changes:
        """Bring the picture up to date for about `budget_s` seconds; what is left over waits for the next call.

        Folders are listed every `rescan_s` or after a hint, logs that may grow are looked at every time.
        """
        deadline = self._clock() + budget_s
        added: list[str] = []
        removed: list[str] = []
        updated: dict[str, None] = {}
        if self._take_hints() or self._clock() >= self._scan_at:
            added, removed, renamed = self.scan()
            updated.update(dict.fromkeys(renamed))
        for urgent in self._urgent():
            if self._clock() < deadline:
                self._look(urgent, updated)
            else:
                self._wait(urgent)
        favoured = [self._runs[key] for key in self._focus if key in self._runs]
        while self._due:
            run = self._due.popleft()
            self._waiting.discard(run.key)
            if self._runs.get(run.key) is run:
                self._look(run, updated)
            for run in favoured:
                if run.reading:
                    self._look(run, updated)
            if self._clock() >= deadline:
                break
        self._ask_slurm()
        states = self._evaluate(updated, deadline)
        fresh = set(added)
        return Changes(
            added,
            removed,
            [key for key in updated if key not in fresh],
            states,
            more=any(not run.known for run in self._runs.values()),
        )

    def load(self) -> None:
        """Read everything to its end, unfinished last lines included: for a picture that is taken once."""
        self.scan()
        self._ask_slurm()
        self._squeue.wait(_PATIENCE_S)
        for run in list(self._runs.values()):
            run.read(_SLICE)
            while run.reading:
                run.read(1 << 20)
            run.read(1 << 20, final=True)
            run.evaluate()
        self._due.clear()
        self._waiting.clear()

    def scan(self) -> tuple[list[str], list[str], list[str]]:
        """List the folders now: keys of runs that came, that went, and whose records or label changed."""
        self._scan_at = self._clock() + self._rescan_s
        logs = find_logs(self.path / "logs")
        attempts: dict[str, list[RunRecord]] = {}
        for record in self._records.read():
            path = self._real_path(record)
            if path is not None:
                attempts.setdefault(path, []).append(record)
        runs: dict[str, Run] = {}
        changed: dict[str, None] = {}
        for path in dict.fromkeys([*logs.found, *attempts]):
            key = self._key(path)
            run = self._runs.get(key) or Run(
                key, self.path, Path(path), clock=self._clock, squeue=self._squeue
            )
            run.found_at = logs.found.get(path, run.found_at)
            if run.set_attempts(attempts.get(path, ())):
                changed[key] = None
            runs[key] = run
        for key, run in self._runs.items():
            if key not in runs and any(
                str(run.log_path).startswith(folder + os.sep) for folder in logs.unread
            ):
                runs[key] = run
        changed.update(dict.fromkeys(_label(runs.values())))
        added = [key for key in runs if key not in self._runs]
        removed = [key for key in self._runs if key not in runs]
        # One assignment, so that another thread sees the old picture or the new.
        self._runs = runs
        for run in sorted(runs.values(), key=lambda run: -run.found_at):
            self._wait(run)
        self._squeue.want(job for run in runs.values() for job in run.jobs)
        return added, removed, [key for key in changed if key not in added]

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_hints(self) -> bool:
        """Whether what was hinted at asks for a listing; logs that are known are only looked at."""
        scan = False
        known: dict[str, Run] = {}
        while self._hints:
            hint = self._hints.popleft()
            if not known:
                known = {str(run.log_path): run for run in self._runs.values()}
            run = known.get(os.path.realpath(hint)) if hint and "\0" not in hint else None
            if run is None:
                scan = True
            else:
                self._wait(run, first=True)
        return scan

    def _urgent(self) -> list[Run]:
        """The runs that every poll looks at: those in focus, and those whose logs may grow."""
        runs = self._runs
        urgent = {key: runs[key] for key in self._focus if key in runs}
        urgent.update({key: run for key, run in runs.items() if not run.reading and not _is_dormant(run)})
        return list(urgent.values())

    def _look(self, run: Run, updated: dict[str, None]) -> None:
        if run.read(_SLICE):
            updated[run.key] = None
        if run.reading:
            self._wait(run)

    def _wait(self, run: Run, *, first: bool = False) -> None:
        """Put `run` at the end of the queue of those that are looked at when there is time."""
        if run.key in self._waiting:
            return
        self._waiting.add(run.key)
        if first:
            self._due.appendleft(run)
        else:
            self._due.append(run)

    def _evaluate(self, updated: dict[str, None], deadline: float) -> list[StateChange]:
        changes: list[StateChange] = []
        for done, run in enumerate(run for run in self._runs.values() if run.evaluation_due):
            before, known = run.state, run.known
            if run.evaluate():
                updated[run.key] = None
                if known and run.known and run.state is not before:
                    changes.append(StateChange(run.key, before, run.state))
            # The rest is still due at the next poll.
            if done >= _FEWEST_EVALUATIONS and self._clock() >= deadline:
                break
        return changes

    def _ask_slurm(self) -> None:
        """Let in what SLURM tells of jobs."""
        if self._squeue.poll():
            for run in self._runs.values():
                if run.record is not None and run.record.origin == "slurm":
                    run.look_again()

    def _real_path(self, record: RunRecord) -> str | None:
        try:
            return os.path.realpath(record.log_path(self.path))
        except (ValueError, OSError):
            # A NUL in the name: no file can be called so.
            return None

    def _key(self, path: str) -> str:
        inside = path.removeprefix(self._root + os.sep)
        return inside.replace(os.sep, "/") if inside != path else path


def _is_dormant(run: Run) -> bool:
    return run.known and run.state.is_over and (run.age_s or 0.0) > _DORMANT_S


def _label(runs: Iterable[Run]) -> list[str]:
    """Give every run a label that no other has; the keys of those whose label changed."""
    runs = list(runs)
    shared = Counter(run.name for run in runs)
    placed = Counter((run.name, run.log_path.parent) for run in runs)
    changed = []
    for run in runs:
        label = run.name
        if placed[run.name, run.log_path.parent] > 1:
            label = f"{run.name} ({printable(run.key, newline=False)})"
        elif shared[run.name] > 1:
            folder = run.key.rpartition("/")[0].removeprefix("logs/") or "."
            label = f"{run.name} ({printable(folder, newline=False)})"
        if label != run.label:
            run.label = label
            changed.append(run.key)
    return changed


def in_line(runs: Iterable[Run]) -> list[Run]:
    """The runs that wait in the queue, whose turn is next first."""
    # What waits in SLURM has its order there.
    waiting = [run for run in runs if run.state is RunState.QUEUED and run.record and run.record.queued]
    waiting.sort(key=lambda run: run.record.place if run.record else ("", ""))
    return waiting


def with_the_queue_in_line(runs: Iterable[Run]) -> list[Run]:
    """`runs` as they are, but where queued ones stand, the one whose turn is next comes first."""
    found = list(runs)
    line = in_line(found)
    slots = {run.key for run in line}
    turns = iter(line)
    return [next(turns) if run.key in slots else run for run in found]
