"""One run a model: the lock that a trainer holds for life on `.mypt/locks/<model>.lock`.

What the kernel says decides; the content tells who and since when. On a shared file system whose locks do not reach
other machines the content is all there is: a holder elsewhere is believed until its run is known to have ended, since
two trainers on one model would ruin each other's checkpoints, and a file is quickly removed by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from mypt import disk
from mypt.errors import Problem, RunError, UserError
from mypt.files import read_file
from mypt.runs.directory import RunDirectory, runs_folder
from mypt.runs.filelock import PATIENCE_S, FileLock, is_locked
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.runs.mounts import locks_reach_everyone
from mypt.text import duration, printable

# Long enough for a write to be seen from another machine that asks the server.
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds a model, as the holder itself wrote it. `since` is ISO 8601."""

    run_id: str
    identity: ProcessIdentity
    since: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        command = f" ({_shorten(shlex.join(self.command))})" if self.command else ""
        run = f"run {self.run_id}, " if self.run_id else ""
        return printable(f"{run}pid {self.identity.pid} on {self.identity.host}{command}")


class LostError(RunError):
    """Another run has taken the model or the log of this one, whose lock file was removed."""


class ModelLock:
    """The lock on one model of a workspace. Content left by a crash on this machine refuses nobody."""

    def __init__(self, workspace: Path, model_name: str) -> None:
        if not model_name or model_name in (".", "..") or Path(model_name).name != model_name:
            raise ValueError(f"not a model name: {model_name!r}")
        self.model_name = model_name
        self.workspace = workspace
        self.path = workspace / ".mypt" / "locks" / f"{model_name}.lock"
        self._lock = FileLock(self.path)
        self._written: tuple[str, tuple[str, ...], str] | None = None

    def acquire(
        self, *, command: Sequence[str], run_id: str = "", patience_s: float = PATIENCE_S
    ) -> ModelLock:
        """Take the lock for this process and write who it is into it; usable as `with lock.acquire(…):`.

        A run that is recorded only once it holds its model says its `run_id` later, by `name_run`.

        Raises UserError naming the holder where another process trains this model, RunError where the lock file
        cannot be written.
        """
        deadline = time.monotonic() + patience_s
        try:
            while True:
                taken = self._lock.try_acquire()
                if taken is not False and self._rival(kernel=bool(taken)) is None:
                    break
                # What stands in the content does not improve by waiting.
                if taken is not False or time.monotonic() > deadline:
                    self._lock.release()
                    raise UserError(self._refusal())
                time.sleep(0.05)
            self._write(run_id, command)
            if not (taken and locks_reach_everyone(self.path)):
                self._settle()
        except OSError as error:
            self._lock.release()
            raise RunError(f"cannot lock the model {self.model_name!r}: {disk.told(error)}") from error
        return self

    def check_free(self) -> None:
        """Raises UserError where `acquire` would, as far as reading tells: it has the last word."""
        held = is_locked(self.path)
        if held or self._rival(kernel=held is False) is not None:
            raise UserError(self._refusal())

    def name_run(self, run_id: str) -> None:
        """Add to the lock which run holds it. Does nothing when it is not held; a full disk is not worth an error."""
        holder = self._read()
        if self._lock.fd >= 0 and holder is not None:
            with contextlib.suppress(OSError):
                self._write(run_id, holder.command, holder.since)

    def keep(self, *, patience_s: float = PATIENCE_S) -> None:
        """Take the lock anew where its file was removed, as by `rm -r .mypt`. Does nothing when it is not held.

        Raises `LostError` where another process has taken the model meanwhile. A disk that does not let it be looked
        at is not worth an error.
        """
        before = self._lock.fd
        if not self._lock.keep(self.workspace, patience_s):
            raise LostError(
                f"model {self.model_name!r}: its lock was removed, and another run has taken it since "
                f"({self._read() or 'nobody knows which'}); this one ends, since each would write over what "
                "the other saves; when that one has ended, run the same command again to go on"
            )
        if self._lock.fd != before and self._written is not None:
            with contextlib.suppress(OSError):
                self._write(*self._written)

    def release(self) -> None:
        """Give the model back; does nothing when it is not held."""
        if self._lock.fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._lock.fd, 0)
            self._lock.release()

    def holder(self) -> LockHolder | None:
        """Who holds this model now, or None. Reads only, and so disturbs nobody who is just taking it."""
        holder = self._read()
        if holder is None:
            return None
        alive = holder.identity.is_alive()
        if alive is Alive.OTHER_HOST:
            held = is_locked(self.path)
            return holder if held or self._rival(kernel=held is False) is not None else None
        return holder if alive is Alive.ALIVE else None

    def __enter__(self) -> ModelLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _write(self, run_id: str, command: Sequence[str], since: str | None = None) -> None:
        since = since or datetime.now(UTC).isoformat(timespec="seconds")
        self._written = run_id, tuple(command), since
        content = {
            "run_id": run_id,
            "identity": ProcessIdentity.of_self().to_json(),
            "since": since,
            "command": list(command),
        }
        # In place, not by a rename: the lock belongs to this file, not to its name.
        raw = json.dumps(content).encode()
        os.ftruncate(self._lock.fd, 0)
        os.lseek(self._lock.fd, 0, os.SEEK_SET)
        os.write(self._lock.fd, raw)

    def _read(self) -> LockHolder | None:
        try:
            content = json.loads(read_file(self.path))
            identity = ProcessIdentity.from_json(content["identity"])
            command = tuple(str(word) for word in content["command"])
            run_id, since = str(content["run_id"]), str(content["since"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return LockHolder(run_id, identity, since, command) if identity else None

    def _rival(self, *, kernel: bool) -> LockHolder | None:
        """Who holds the model although the kernel does not say so. `kernel`: whether it can speak for this machine."""
        holder = self._read()
        alive = holder.identity.is_alive() if holder else Alive.DEAD
        if holder is None or alive is Alive.DEAD:
            return None
        if alive is Alive.ALIVE:
            return None if kernel else holder
        if kernel and (holder.identity.is_of_this_kernel() or locks_reach_everyone(self.path)):
            return None
        return None if self._has_ended(holder) else holder

    def _has_ended(self, holder: LockHolder) -> bool:
        run = RunDirectory(runs_folder(self.workspace) / holder.run_id)
        return bool(holder.run_id) and run.exit_file.exists()

    def _settle(self) -> None:
        """Without locks that reach everyone, two may write at once: who is not the last steps back."""
        os.fsync(self._lock.fd)
        time.sleep(_SETTLE_S)
        holder = self._read()
        if holder is None or holder.identity != ProcessIdentity.of_self():
            self._lock.release()
            raise UserError(self._refusal())

    def _refusal(self) -> Problem:
        holder = self._read()
        remedy = "wait until that run ends, stop it, or choose another --model_name"
        if holder is None:
            by = "held by a process that has not said who it is"
        elif holder.identity.is_alive() is Alive.DEAD:
            by = f"held by what is left of {holder}, which itself has ended"
        else:
            by = f"held by {holder}, since {_since(holder.since)}"
            if holder.identity.is_alive() is Alive.OTHER_HOST and not is_locked(self.path):
                by += "; from here nobody can tell whether it still runs"
                place = self.path.relative_to(self.workspace).as_posix()
                remedy += f"; if {holder.identity.host} no longer trains it, remove {place}"
        return Problem(
            where=f"model {self.model_name!r}",
            message=f"two runs on one model: {by}",
            remedy=remedy,
        )


def _since(stamp: str) -> str:
    try:
        moment = datetime.fromisoformat(stamp)
        ago = (datetime.now(UTC) - moment).total_seconds()
        return f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({duration(max(ago, 0))} ago)"
    except (ValueError, TypeError):
        return stamp


def _shorten(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def held_by(workspace: Path, name: str) -> str:
    """That somebody trains this model now, and who, in printable words; empty where nobody does."""
    try:
        holder = ModelLock(workspace, name).holder()
    except (ValueError, OSError):
        return ""
    return f"{printable(name, newline=False)} is being trained now, by {holder}" if holder else ""
