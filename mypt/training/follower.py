"""A rank that follows: it computes its share of every update and evaluation, and leaves log and checkpoints to rank 0."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

from mypt import events, signals
from mypt.training import numerics as machine
from mypt.training.build import memory_needed
from mypt.training.console import Console
from mypt.training.engine import Engine, NotFiniteError
from mypt.training.gold import Decision
from mypt.training.loop import Trainer
from mypt.training.progress import Progress
from mypt.training.ranks import Ranks
from mypt.training.roles import End
from mypt.training.run import Job
from mypt.training.saving import Saver
from mypt.training.stopping import StopFlag


class _Silent:
    """Tells nobody: rank 0 does."""

    def train(self, event: events.Train) -> None:
        pass

    def evaluation(self, event: events.Eval) -> None:
        pass

    def gold(self, decision: Decision, step: int, val_loss: float, train_loss: float | None) -> None:
        pass

    def phase(self, event: events.PhaseSwitch) -> None:
        pass

    def notice(self, event: events.Notice) -> None:
        pass

    def sample(self, step: int) -> bool:
        return True

    def progress(self, made: Progress, tokens_per_sec: float | None) -> None:
        pass

    def stopping(self, step: int, why: str) -> None:
        pass


class _Helped:
    """Saves nothing by itself: where this rank has a part of what is saved, it helps rank 0, which leads."""

    took_s, behind = 0.0, False

    def __init__(self, engine: Engine) -> None:
        self._layout, self._saver = engine.layout, Saver(engine)

    def last(self, progress: Progress) -> None:
        self._help(progress)

    def gold(self, progress: Progress, then: Callable[[], None] = lambda: None) -> None:
        self._help(progress)

    def fp16(self, progress: Progress) -> None:
        self._help(progress, light=True)

    def check(self) -> None:
        pass

    def settle(self) -> None:
        with contextlib.suppress(Exception):
            self._saver.wait()

    def _help(self, progress: Progress, *, light: bool = False) -> None:
        if self._layout.in_parts:
            self._saver.save(progress.iter, self._layout.help, light=light)


def follow(job: Job, ranks: Ranks, stop: StopFlag) -> int:
    """Train with the others once rank 0 says that there is something to train. Returns the exit status.

    Raises `RunError` for bad luck; what stops all of them, rank 0 tells.
    """
    stop.listen()
    try:
        # By now rank 0 holds the locks, and has mended what a kill left.
        if not ranks.told():
            return 0
        console = Console(io.StringIO())
        run, data = job.check()
        made = job.build(run, data, console)
        made.engine.ranks = ranks
        needed = memory_needed(made.model.num_parameters(), run.settings)
        with machine.telling_memory(made.engine.numerics.device, needed), contextlib.ExitStack() as stack:
            made.join(console)
            keeper = _Helped(made.engine)
            # However this ends, rank 0 is not left alone with what it saves.
            stack.callback(keeper.settle)
            end = Trainer(made.engine, data, made.progress, _Silent(), keeper, stop).run()
            keeper.fp16(made.progress)
    except NotFiniteError:
        return 1
    finally:
        stop.unlisten()
    return signals.STATUS.get(stop.signal or "", 1) if end is End.SIGNAL else 0
