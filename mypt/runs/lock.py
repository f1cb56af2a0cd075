"""One run a model: the lock that a trainer holds for life on `.mypt/locks/<model>.lock`."""

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

from mypt.errors import Problem, RunError, UserError
from mypt.runs.filelock import FileLock, is_locked
from mypt.runs.identity import Alive, ProcessIdentity
from mypt.text import duration, printable

# Someone who only looks whether the lock is held takes it for an instant; a second is ample to outwait that.
_PATIENCE_S = 1.0


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


class ModelLock:
    """The lock on one model of a workspace. What the kernel says decides; the content only tells who and since when.

    Content left by a crash refuses nobody.
    """

    def __init__(self, workspace: Path, model_name: str) -> None:
        if not model_name or model_name in (".", "..") or Path(model_name).name != model_name:
            raise ValueError(f"not a model name: {model_name!r}")
        self.model_name = model_name
        self.path = workspace / ".mypt" / "locks" / f"{model_name}.lock"
        self._lock = FileLock(self.path)

    def acquire(
        self, *, command: Sequence[str], run_id: str = "", patience_s: float = _PATIENCE_S
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
                if taken or (taken is None and not self._content_is_alive()):
                    break
                # Without kernel locks the content is all there is; it does not improve by waiting.
                if taken is None or time.monotonic() > deadline:
                    self._lock.release()
                    raise UserError(self._refusal())
                time.sleep(0.05)
            self._write(run_id, command)
        except OSError as error:
            self._lock.release()
            raise RunError(f"cannot lock the model {self.model_name!r}: {error}") from error
        return self

    def check_free(self) -> None:
        """Raises UserError where `acquire` would, as far as reading tells: it has the last word."""
        held = is_locked(self.path)
        if held or (held is None and self._content_is_alive()):
            raise UserError(self._refusal())

    def name_run(self, run_id: str) -> None:
        """Add to the lock which run holds it. Does nothing when it is not held; a full disk is not worth an error."""
        holder = self._read()
        if self._lock.fd >= 0 and holder is not None:
            with contextlib.suppress(OSError):
                self._write(run_id, holder.command, holder.since)

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
        if alive is Alive.OTHER_HOST and is_locked(self.path) is not False:
            return holder
        return holder if alive is Alive.ALIVE else None

    def __enter__(self) -> ModelLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _write(self, run_id: str, command: Sequence[str], since: str | None = None) -> None:
        content = {
            "run_id": run_id,
            "identity": ProcessIdentity.of_self().to_json(),
            "since": since or datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(command),
        }
        # In place, not by a rename: the lock belongs to this file, not to its name.
        raw = json.dumps(content).encode()
        os.ftruncate(self._lock.fd, 0)
        os.lseek(self._lock.fd, 0, os.SEEK_SET)
        os.write(self._lock.fd, raw)

    def _read(self) -> LockHolder | None:
        try:
            content = json.loads(self.path.read_bytes())
            identity = ProcessIdentity.from_json(content["identity"])
            command = tuple(str(word) for word in content["command"])
            run_id, since = str(content["run_id"]), str(content["since"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return LockHolder(run_id, identity, since, command) if identity else None

    def _content_is_alive(self) -> bool:
        holder = self._read()
        return holder is not None and holder.identity.is_alive() is Alive.ALIVE

    def _refusal(self) -> Problem:
        holder = self._read()
        if holder is None:
            by = "held by a process that has not said who it is"
        elif holder.identity.is_alive() is Alive.DEAD:
            by = f"held by what is left of {holder}, which itself has ended"
        else:
            by = f"held by {holder}, since {_since(holder.since)}"
        return Problem(
            where=f"model {self.model_name!r}",
            message=f"two runs on one model: {by}",
            remedy="wait until that run ends, stop it, or choose another --model_name",
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
