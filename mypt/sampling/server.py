"""The process that samples: takes requests from a pipe, lets every text have a token in turn, ends with the pipe."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from io import BufferedWriter
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from mypt.errors import MyptError
from mypt.sampling.models import Models
from mypt.sampling.protocol import (
    Asked,
    Cancel,
    Drop,
    Failed,
    Load,
    Started,
    Told,
    Write,
    read_request,
    to_line,
)
from mypt.sampling.stream import Stream

_T = TypeVar("_T")
#: Never more threads than these, and never more than a quarter of the cores: what trains beside it needs the others.
MOST_THREADS = 4
#: How far it stands back behind other programs, where the system knows such a thing.
NICENESS = 10


class Server:
    """Answers requests one after the other; texts are written in turns, a piece each."""

    def __init__(self, workspace: Path, say: Callable[[Told], object]) -> None:
        self._say = say
        self._models = Models(workspace, say)
        self._inbox: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._streams: dict[str, Stream] = {}
        # Written by whoever brings the requests, at once and not in turn: a text looks here before each token.
        self._cancelled: set[str] = set()

    def take(self, request: Asked | None) -> None:
        """Bring a request, from any thread; None ends `run` when all before it is done."""
        if isinstance(request, Cancel):
            self._cancelled.add(request.id)
        self._inbox.put(request)

    def run(self) -> None:
        """Work until the end is asked for."""
        while True:
            try:
                request = self._inbox.get(block=not self._streams)
            except queue.Empty:
                self._write_on()
                continue
            if request is None:
                break
            self._answer(request)
        while self._streams:
            self._write_on()

    def _write_on(self) -> None:
        """Every text has a turn."""
        for stream in list(self._streams.values()):
            if self._told(stream.step, id=stream.id) is not True:
                del self._streams[stream.id]
                self._cancelled.discard(stream.id)

    def _answer(self, request: Asked) -> None:
        match request:
            case Load():
                self._told(lambda: self._models.load(request.model, request.device), model=request.model)
            case Write():
                self._begin(request)
            case Cancel():
                if request.id not in self._streams:
                    self._cancelled.discard(request.id)
            case Drop():
                self._models.drop(request.model)

    def _begin(self, ask: Write) -> None:
        if ask.id in self._streams:
            self._say(Failed(message="a text of this id is being written already", id=ask.id))
            return

        def begin() -> Stream:
            bundle = self._models.get(ask.model).bundle
            return Stream(ask, bundle, self._say, lambda: ask.id in self._cancelled)

        stream = self._told(begin, id=ask.id)
        if stream is not None:
            self._streams[ask.id] = stream

    def _told(self, work: Callable[[], _T], *, id: str = "", model: str = "") -> _T | None:
        """What `work` gives; None, and a sentence for whoever asked, where it fails."""
        try:
            return work()
        except MyptError as error:
            message = str(error)
        except Exception as error:
            # Nobody expected it, but one text that fails must not take the other with it.
            message = f"a fault of the program: {type(error).__name__}: {error}"
        self._say(Failed(message=message, id=id, model=model))
        return None


def main(workspace: Path) -> int:
    """Serve standard input until it closes."""
    requests, reports = _take_the_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    niceness = _stand_back()

    def say(message: Told) -> None:
        try:
            reports.write(to_line(message))
            reports.flush()
        except OSError:
            os._exit(0)  # nobody listens any more

    server = Server(workspace, say)
    threading.Thread(target=_bring, args=(requests, server, say), name="mypt-requests", daemon=True).start()
    threads = _threads()
    import torch

    torch.set_num_threads(threads)
    say(Started(pid=os.getpid(), threads=threads, niceness=niceness))
    server.run()
    return 0


def _bring(requests: BinaryIO, server: Server, say: Callable[[Told], object]) -> None:
    for line in requests:
        try:
            request = read_request(line)
        except msgspec.DecodeError as error:
            say(Failed(message=f"not a request: {error}"))
        else:
            server.take(request)
    # Whoever asked is gone, however it ended: nothing is left to do, not even the token that is being drawn.
    os._exit(0)


def _take_the_pipes() -> tuple[BinaryIO, BufferedWriter]:
    """Standard input and output for ourselves; what a library prints goes to standard error and disturbs nobody."""
    requests = os.fdopen(os.dup(0), "rb")
    reports = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, reports


def _stand_back() -> int:
    if sys.platform == "win32":
        return 0
    with contextlib.suppress(OSError):
        return os.nice(NICENESS)
    return 0


def _threads() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(1, min(MOST_THREADS, cores // 4))
    return min(int(asked), most) if asked.isdigit() and int(asked) else most
