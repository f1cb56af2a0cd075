"""A lock on a file that the kernel releases on any death of its holder."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
_CANNOT_LOCK = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
# Windows locks are mandatory: a byte far behind the content leaves the content readable.
_WINDOWS_BYTE = 1 << 30
#: Someone who only looks whether a lock is held takes it for an instant; a second is ample to outwait that.
PATIENCE_S = 1.0


class FileLock:
    """An exclusive lock on `path` (created where missing, never removed), held until `release` or the end of the process.

    Children made by fork do not hold it: a worker that outlives the trainer shall not keep the model locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._kept = threading.Lock()
        _locks.add(self)

    @property
    def fd(self) -> int:
        """The open descriptor (read and write), or -1 while the lock is not held."""
        return self._fd

    def try_acquire(self) -> bool | None:
        """Take the lock now: True taken, False another process has it, None this file system cannot lock.

        After None the file is open all the same. Raises OSError where the file cannot be opened or made.
        """
        if self._fd >= 0:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            taken = _lock(fd, shared=False)
        except BaseException:
            os.close(fd)
            raise
        if taken is False:
            os.close(fd)
        else:
            self._fd = fd
        return taken

    def renew(self) -> bool | None:
        """Hold what lies at `path`, also where the file was removed or replaced since: as `try_acquire`, then.

        Where another process has the one that is there (False), or it cannot be opened (OSError), the old lock stays.
        """
        old = self._fd
        if old >= 0 and _is_at(old, self.path):
            return True
        self._fd = -1
        try:
            taken = self.try_acquire()
        finally:
            if self._fd < 0:
                self._fd = old
            elif old >= 0:
                os.close(old)
        return taken

    def keep(self, workspace: Path, patience_s: float = PATIENCE_S) -> bool:
        """`renew` a lock that is held, and wait for those who only look; False where another process has it.

        A disk that does not let it be looked at is not worth an error, and a `workspace` that is gone stays gone: made
        again, it would be another one than the one that was renamed.
        """
        # Another thread that is at it does the same; one that was interrupted by a signal must not be waited for.
        if self._fd < 0 or not workspace.is_dir() or not self._kept.acquire(blocking=False):
            return True
        deadline = time.monotonic() + patience_s
        try:
            while self.renew() is False:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
        except OSError:
            return True
        finally:
            self._kept.release()
        return True

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _forget_in_child(self) -> None:
        # Closing the child's copy leaves the parent's lock alone; unlocking it would not.
        self.release()


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool | None:
    """Whether some process holds the lock on `path`; None where that cannot be told.

    Asks by taking a shared lock for an instant, which is why `try_acquire` is to be tried more than once.
    """
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        free = _lock(fd, shared=True)
    except OSError:
        return None
    finally:
        os.close(fd)
    return None if free is None else not free


@contextlib.contextmanager
def locked(path: Path, *, patience_s: float = 5.0) -> Iterator[None]:
    """Hold the lock on `path` for a short piece of work; waits up to `patience_s`, then raises TimeoutError.

    Where the file system cannot lock, the work is done without.
    """
    lock = FileLock(path)
    deadline = time.monotonic() + patience_s
    while lock.try_acquire() is False:
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another process keeps this lock", str(path))
        time.sleep(0.01)
    try:
        yield
    finally:
        lock.release()


def _lock(fd: int, *, shared: bool) -> bool | None:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, _WINDOWS_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno in _CANNOT_LOCK:
            return None
        raise
    return True


_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_locks):
        lock._forget_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
