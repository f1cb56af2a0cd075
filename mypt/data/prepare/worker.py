"""Worker processes for the steps of preparing, without a word about what the steps are.

They are started plainly, not forked (threads of libraries do not survive that) and not by multiprocessing (which would
run a user's script again). They live in a process group of their own, so that Ctrl+C reaches the parent alone, and
end when their standard input does: also after the parent was killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from mypt.errors import MyptError, RunError

Setup = TypeVar("Setup")
Task = TypeVar("Task")
Result = TypeVar("Result")
Work = TypeVar("Work")

# Tasks on their way for each process: one is worked on, the next is there already.
_AHEAD = 2
# The option's number in malloc.h.
_MMAP_THRESHOLD = -3
_QUIET = {"TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Pool:
    """Runs a step over tasks in `number` processes, or here where `number` is 1. Results come in order.

    At most `2 * number` tasks are on their way, which bounds the memory whatever is slow.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._processes: list[_Process] = []
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None

    def map(
        self,
        step: Callable[[Setup, Task], Result],
        setup: Setup,
        works: Iterable[Work],
        task: Callable[[Work], Task],
    ) -> Iterator[tuple[Work, Result]]:
        """`(work, step(setup, task(work)))` for every work. `step` is a function of a module; `setup` goes to each process once.

        Raises what the step raises, and RunError where a process dies.
        """
        if self._number <= 1:
            give_large_blocks_back()
            for work in works:
                yield work, step(setup, task(work))
            return
        if self._threads is None:
            self._start()
        assert self._threads is not None
        kit = pickle.dumps((step, setup))
        pending: deque[tuple[Work, Future[Result]]] = deque()
        for work in works:
            pending.append((work, self._threads.submit(self._ask, kit, task(work))))
            if len(pending) >= _AHEAD * self._number:
                yield _done(pending.popleft())
        while pending:
            yield _done(pending.popleft())

    def pids(self) -> list[int]:
        """The worker processes."""
        return [process.pid for process in self._processes]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.end()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _start(self) -> None:
        self._threads = ThreadPoolExecutor(self._number, thread_name_prefix="prepare")
        for _ in range(self._number):
            process = _Process()
            self._processes.append(process)
            self._idle.put(process)

    def _ask(self, kit: bytes, task: Any) -> Any:
        process = self._idle.get()
        try:
            return process.ask(kit, task)
        finally:
            self._idle.put(process)


def _done(waiting: tuple[Work, Future[Result]]) -> tuple[Work, Result]:
    work, future = waiting
    while True:
        try:
            # In small sleeps, since Windows does not deliver Ctrl+C to one that waits without end.
            return work, future.result(timeout=0.5)
        except NotYet:
            if future.done():
                raise


class _Process:
    """One worker and the pipes to it; used by one thread at a time."""

    def __init__(self) -> None:
        root = str(Path(__file__).parents[3])
        own = os.environ.get("PYTHONPATH")
        env = {**os.environ, **_QUIET, "PYTHONPATH": os.pathsep.join([root, own] if own else [root])}
        apart: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from mypt.data.prepare.worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            **apart,
        )
        self.pid = self._process.pid
        self._kit = b""

    def ask(self, kit: bytes, task: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            new = b"" if kit is self._kit else kit
            pickle.dump((new, task), self._process.stdin, protocol=5)
            self._process.stdin.flush()
            self._kit = kit
            kind, result = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError, ValueError):
            raise RunError(
                "a worker process ended before its work was done (was it killed, or is memory short?); "
                "fewer processes need less: --num_proc"
            ) from None
        if kind == "error":
            which, message = result
            raise which(message)
        if kind == "bug":
            raise RuntimeError(f"in a worker process:\n{result}")
        return result

    def end(self) -> None:
        """Kill it; whatever it was doing is not wanted any longer."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass  # what it did not read any longer


def give_large_blocks_back() -> None:
    """Let what is freed in large blocks go back to the system at once.

    glibc else learns from the first large block to keep them, and pieces of work of ever other sizes leave ever more
    gaps between them: a worker grew by half a megabyte a task, without end.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 20)


def serve() -> None:
    """The life of a worker process: take a task, answer, until nobody asks any longer."""
    give_large_blocks_back()
    asked = sys.stdin.buffer
    # Whatever a library prints must not end up between the answers.
    answers: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    step: Callable[[Any, Any], Any] | None = None
    setup: Any = None
    while True:
        try:
            kit, task = pickle.load(asked)
        except (EOFError, KeyboardInterrupt):
            return
        answer: tuple[str, Any]
        try:
            if kit:
                step, setup = pickle.loads(kit)
            assert step is not None
            answer = "ok", step(setup, task)
        except MyptError as error:
            answer = "error", (type(error), str(error))
        except MemoryError:
            short = "a worker process ran out of memory; fewer processes need less: --num_proc"
            answer = "error", (RunError, short)
        except BaseException:
            answer = "bug", traceback.format_exc()
        try:
            pickle.dump(answer, answers, protocol=5)
            answers.flush()
        except OSError:
            return
