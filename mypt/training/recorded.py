"""A run that others can see: its log held against a second writer, its record with how it ended."""

from __future__ import annotations

import contextlib
import faulthandler
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from mypt import signals
from mypt.errors import MyptError
from mypt.runs.attach import RUN_DIR_VARIABLE, finish
from mypt.runs.directory import RunDirectory
from mypt.runs.log_lock import LogLock
from mypt.training.console import Console


def recorded(directory: RunDirectory, console: Console, body: Callable[[], int]) -> int:
    """Run `body`, keep what it prints, and write down how it ended, whatever happens. Returns its exit status."""
    if (
        os.environ.get(RUN_DIR_VARIABLE) is None
        or directory.path != Path(os.environ[RUN_DIR_VARIABLE]).resolve()
    ):
        # A supervisor keeps what is printed; without one nobody else would.
        console.keep_in(directory.console)
    code, reason = 1, "error"
    crashes = _tell_crashes(directory)
    try:
        code = body()
        reason = signals.name_of_status(code)
        return code
    except MyptError as error:
        code, reason = error.exit_status, str(error)
        console.note(reason)
        raise
    except KeyboardInterrupt:
        code, reason = 130, "SIGINT, sent twice"
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        if crashes is not None:
            # What comes after is the program's own.
            faulthandler.disable()
            crashes.close()
        finish(directory, code, reason)


def _tell_crashes(directory: RunDirectory) -> IO[str] | None:
    """Let Python leave a word where a library, or a file that became shorter, ends the process on the spot.

    The file that it will be in, which must stay open; None where somebody has other wishes for that.
    """
    if faulthandler.is_enabled():
        return None
    try:
        file = directory.crash_file.open("w", encoding="utf-8")
    except OSError:
        return None
    faulthandler.enable(file, all_threads=False)
    return file


@contextlib.contextmanager
def only_writer(workspace: Path, log: Path, shown: str) -> Iterator[LogLock]:
    """Hold `log`, called `shown`, while this process writes it.

    Raises `UserError` where another run writes it, `RunError` where the lock cannot be made.
    """
    lock = LogLock(workspace, log, shown)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()
