"""When what a training holds is written: at once, or behind its back from a copy, so that it waits for the copying only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from mypt import memory
from mypt.machine import saves_behind
from mypt.memory import ran_out
from mypt.text import size
from mypt.training.engine import Engine
from mypt.training.held import Copies, Held

Write = Callable[[Held], None]
"""Writes a checkpoint of what it is given."""

# Of the memory that is free, a copy takes no more: who trains, and whatever else runs here, goes on taking some.
_MOST_OF_FREE = 0.8


class Saver:
    """Saves what `engine` holds."""

    def __init__(self, engine: Engine) -> None:
        self.say: Callable[[str], None] = lambda text: None
        """Told once where it has to go on otherwise than was wanted."""
        self._engine = engine
        self.behind = saves_behind(engine.settings, engine.numerics.kind)
        """Whether it saves behind the training's back."""
        self._queue = Queue()
        self._copies = Copies()
        self._copy: tuple[int, Held] | None = None

    def save(self, step: int, write: Write, *, light: bool = False) -> None:
        """Have what is held after update `step` saved by `write`: the weights alone where it is `light`.

        Returns as soon as training may go on. What is not written behind its back comes after all that is. Raises what
        went wrong with this or an earlier one.
        """
        self.check()
        copy = self._copied(step) if self.behind and not light else None
        if copy is None or not self._queue.add(partial(write, copy)):
            self.wait()
            write(self._engine.held(moments=not light))

    def check(self) -> None:
        """Raises what went wrong behind the training's back, once."""
        self._queue.check()

    def wait(self) -> None:
        """Wait until all is written. Raises as `check` does."""
        self._queue.wait()

    def abandon(self) -> None:
        """Begin nothing more; what is being written is not waited for."""
        self._queue.abandon()

    @property
    def abandoned(self) -> bool:
        """Whether nobody wants any longer what is being written."""
        return self._queue.abandoned

    def _copied(self, step: int) -> Held | None:
        """A copy of what is held now, one for all that is saved after the same update; None where there is no room."""
        if self._copy is not None and self._copy[0] == step:
            return self._copy[1]
        # Its room is that of the one before, which may still be written.
        self.wait()
        held, self._copy = self._engine.held(moments=True), None
        # Before the first update there are no moments, and a copy takes more later.
        lacking, free = held.size - self._copies.size, memory.free()
        # Ranks with a part each take theirs at the same moment.
        lacking *= self._engine.ranks.here if self._engine.layout.in_parts else 1
        if lacking > 0 and free is not None and lacking > _MOST_OF_FREE * free:
            self._go_without(f"takes {size(lacking)}, and {size(free)} are free")
            return None
        try:
            copy = self._copies.take(held)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            self._go_without(f"takes {size(held.size)}, which could not be had")
            return None
        self._copy = step, copy
        return copy

    def _go_without(self, why: str) -> None:
        self.behind = False
        self._copies.give_back()
        self.say(f"training waits while checkpoints are saved: a copy to save from {why}")


class Queue:
    """Does one thing after the other in a thread of its own, until one fails: then none of those that wait."""

    def __init__(self) -> None:
        self.abandoned = False
        self._jobs: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None

    def add(self, job: Callable[[], None]) -> bool:
        """Have it done after the others; False where there is no thread to be had for it."""
        with self._changed:
            self._jobs.append(job)
            if self._thread is None:
                # Whoever has to end at once is not kept by a disk that hangs.
                self._thread = threading.Thread(target=self._work, name="mypt-save", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    self._thread = None
                    self._jobs.clear()
                    return False
        return True

    def check(self) -> None:
        """Raises what failed, once."""
        with self._changed:
            failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def wait(self) -> None:
        """Wait until nothing is left to do. Raises as `check` does."""
        with self._changed:
            while self._thread is not None:
                # On Windows no signal is heard within a wait that has no end.
                self._changed.wait(1.0)
        self.check()

    def abandon(self) -> None:
        """Begin nothing more. Called in a signal's handler too, so that no lock is taken."""
        self.abandoned = True

    def _work(self) -> None:
        while True:
            with self._changed:
                if self.abandoned or not self._jobs:
                    self._jobs.clear()
                    self._thread = None
                    self._changed.notify_all()
                    return
                job = self._jobs.pop(0)
            try:
                job()
            except BaseException as error:
                with self._changed:
                    self._failed = error
                    self._jobs.clear()
            # What it held in memory is not kept until the next one comes.
            del job
