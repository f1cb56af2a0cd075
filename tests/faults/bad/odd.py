"""What can lie where a file should: a folder, a pipe that nobody writes, a link to nowhere, a file that never rests.

No devices: who is allowed to write them must not lose one to a reader that writes as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

KINDS = (
    "folder",
    "pipe",
    "socket",
    "loop",
    "nothing",
    "long name",
    "restless",
    "empty",
    "hole",
)


def put(path: Path, kind: str) -> None:
    """Let something of this kind lie at `path`, in place of the file that is there."""
    remove(path)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "nothing":
        path.symlink_to("gone")
    elif kind == "long name":
        path.symlink_to("/".join(["x" * 200] * 12))
    elif kind == "hole":
        with path.open("wb") as file:
            file.truncate(48 << 20)
    else:
        path.write_bytes(b"")


def remove(path: Path) -> None:
    """Take away what lies there, whatever it is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def restless(path: Path, content: bytes) -> Iterator[None]:
    """While the block runs, the file grows, shrinks, is replaced, and goes, again and again."""
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                path.write_bytes(content)
                os.truncate(path, len(content) // 2)
                with path.open("ab") as file:
                    file.write(content)
                path.unlink()
                aside = path.with_name(f".{path.name}.aside")
                aside.write_bytes(content)
                aside.replace(path)
            over.wait(0.0005)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
