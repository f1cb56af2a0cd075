"""One writer a log: two stories in a file are none."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from mypt import disk
from mypt.errors import Problem, RunError, UserError
from mypt.runs.filelock import PATIENCE_S, FileLock
from mypt.runs.lock import LostError


class LogLock:
    """The lock on the log at `path`, which messages call `shown`; held by whoever writes it, until `release`."""

    def __init__(self, workspace: Path, path: Path, shown: str = "") -> None:
        name = blake2b(os.fsencode(path.resolve()), digest_size=8).hexdigest()
        # No model is called so: the locks of models lie beside it.
        self._lock = FileLock(workspace / ".mypt" / "locks" / f".log-{name}.lock")
        self._workspace, self._shown = workspace, shown or str(path)

    def acquire(self, remedy: str = "name another log_file, or wait until that run ends") -> None:
        """Take the lock. Raises `UserError` with the `remedy` where another run writes the log, `RunError` where the
        lock cannot be made.
        """
        try:
            taken = self._lock.try_acquire()
        except OSError as error:
            raise RunError(f"cannot lock the log {self._shown}: {disk.told(error)}") from error
        if taken is False:
            raise UserError(
                Problem("another run writes it now", field="log_file", value=self._shown, remedy=remedy)
            )

    def keep(self, *, patience_s: float = PATIENCE_S) -> None:
        """Take the lock anew where its file was removed. Raises `LostError` where another run took it meanwhile."""
        if not self._lock.keep(self._workspace, patience_s):
            raise LostError(
                f"{self._shown}: the lock on this log was removed, and another run writes it since; this one ends, "
                "since nobody could tell the lines of the two apart; it goes on from its last checkpoint with "
                "another --log_file, or with this one when that run has ended"
            )

    def release(self) -> None:
        """Give the log back; does nothing when it is not held."""
        self._lock.release()
