"""Writing files so that a kill at any moment leaves the old or the new, never half of either.

Needs no other library; used by everything that puts something on disk.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from mypt.signals import UNFINISHED

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# For C libraries without a wrapper (musl, old glibc): the number of the renameat2 system call.
_RENAMEAT2_NUMBER = {"x86_64": 316, "aarch64": 276, "riscv64": 276, "ppc64le": 357, "s390x": 347}
# What the kernel or the file system answers when it does not know how to exchange.
_CANNOT_EXCHANGE = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ENOTTY}
)


def write_atomic(path: str | os.PathLike[str], data: bytes | str, *, durable: bool = False) -> None:
    """Replace `path` by `data` (str is written as UTF-8) in one step; a reader sees the old file or the new one.

    With `durable` the data and the name survive a power cut once this returns. Raises OSError, also for a pipe or a
    disk, which are never replaced; then what was there is untouched and no temporary file is left.
    """
    target = Path(path)
    if target.is_symlink():
        target = Path(os.path.realpath(target))  # what somebody keeps elsewhere stays there
    raw = data.encode("utf-8") if isinstance(data, str) else data
    if target.is_char_device():
        # It takes what is written (/dev/null), and must not become a file, which root could make of it.
        target.write_bytes(raw)
        return
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OSError(errno.EINVAL, "is no regular file, and is not replaced", str(target))
    # Same directory, since a rename does not cross file systems; a name of its own, since two may write at once.
    temporary = target.parent / f".{target.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}"
    UNFINISHED[str(temporary)] = os.getpid()
    try:
        with temporary.open("xb") as file:
            file.write(raw)
            if durable:
                file.flush()
                fsync_file(file.fileno())
        replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            # What fails to be written names no file, and the temporary one is nobody's concern.
            error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        UNFINISHED.pop(str(temporary), None)
    if durable:
        fsync_dir(target.parent)


def write_json_atomic(path: str | os.PathLike[str], value: Any, *, durable: bool = False) -> None:
    """`write_atomic` of `value` as indented JSON with a closing newline.

    Raises ValueError on a number that is not finite, since other readers reject such files.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A lone surrogate (a file name that is not UTF-8) cannot be encoded; as an ASCII escape it can, and reads back.
    raw = (
        text.encode("utf-8")
        if _encodable(text)
        else (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
    )
    write_atomic(path, raw, durable=durable)


def finite(value: Any) -> Any:
    """JSON's `value` with null for each number in it that is NaN or infinite, which JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def append_line(fd: int, line: bytes) -> None:
    """Append `line` (a newline is added where it has none) to `fd`, opened with O_APPEND, in one `os.write`.

    Should the system take only a part (disk full, a quota), the rest follows; where that fails too, the torn part
    is cut off again, unless somebody else has written since, and the OSError is raised: the line is in or out.
    """
    if not line.endswith(b"\n"):
        line += b"\n"
    written = os.write(fd, line)
    if written == len(line):
        return
    try:
        while written < len(line):
            more = os.write(fd, line[written:])
            if more == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += more
    except OSError:
        with contextlib.suppress(OSError):
            end = os.lseek(fd, 0, os.SEEK_CUR)
            if os.fstat(fd).st_size == end:
                os.ftruncate(fd, end - written)
        raise


def end_torn_line(fd: int) -> None:
    """Where the last line of `fd`, opened for reading and appending, has no end, give it one: what follows is another's."""
    end = os.lseek(fd, 0, os.SEEK_END)
    if end:
        os.lseek(fd, end - 1, os.SEEK_SET)
        if os.read(fd, 1) != b"\n":
            os.write(fd, b"\n")


def fsync_file(fd: int) -> None:
    """Bring the data of `fd` to the disk itself (macOS needs a stronger call than fsync for that)."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def fsync_dir(path: str | os.PathLike[str]) -> None:
    """Make the names in directory `path` durable. Does nothing where directories cannot be synced (Windows)."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems refuse to sync a directory; the rename itself is then all there is.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(fd)


def replace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """`os.replace`, with patience on Windows, where it fails for as long as a reader has the target open."""
    deadline = time.monotonic() + 2.0
    while True:
        try:
            Path(source).replace(target)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def exchange_dirs(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    """Swap the directories `a` and `b` (both exist, same file system) in one step, so that neither name is ever missing.

    False where this system or file system cannot, with nothing changed: the caller then renames in two steps.
    Raises OSError when it could but a path is wrong (missing, no permission, two file systems).
    """
    call = _exchange_call()
    if call is None:
        return False
    code = call(os.fsencode(a), os.fsencode(b))
    if code == 0:
        return True
    if code in _CANNOT_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), os.fspath(a), None, os.fspath(b))


def remove_folder(folder: Path) -> None:
    """Remove `folder` and all that is in it, as far as the file system lets it."""
    shutil.rmtree(folder, ignore_errors=True)


def swap_in(staging: Path, target: Path, aside: Path, remove: Callable[[Path], None] = remove_folder) -> None:
    """Make the synced folder `staging` the folder `target`, durably, and `remove` the one that was there.

    In one step where the system can exchange folders; elsewhere the old one is renamed to `aside` for an instant, so a
    kill then leaves it there, and whoever comes next puts it back. All three are on one file system.
    """
    remove(aside)
    if not target.exists():
        replace(staging, target)
        fsync_dir(target.parent)
        return
    if exchange_dirs(staging, target):
        fsync_dir(target.parent)
        remove(staging)
        return
    replace(target, aside)
    try:
        replace(staging, target)
    except BaseException:
        if not target.exists():
            replace(aside, target)
        raise
    fsync_dir(target.parent)
    remove(aside)


@lru_cache(maxsize=1)
def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    """A function (a, b) -> errno (0 when swapped), or None where there is no such call."""
    if sys.platform != "linux":
        return None
    # Here and not above: processes that only write small files shall not carry it in memory.
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None
    number = _RENAMEAT2_NUMBER.get(os.uname().machine)
    if hasattr(libc, "renameat2"):
        function = libc.renameat2
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        leading: tuple[Any, ...] = ()
    elif number is not None:
        function = libc.syscall
        leading = (ctypes.c_long(number),)
    else:
        return None
    function.restype = ctypes.c_long if leading else ctypes.c_int

    def exchange(a: bytes, b: bytes) -> int:
        done = function(*leading, _AT_FDCWD, a, _AT_FDCWD, b, _RENAME_EXCHANGE)
        return 0 if done == 0 else ctypes.get_errno()

    return exchange


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
