"""Tells the log and the console what happens in a run; the loop knows of neither."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from mypt import events
from mypt.events import LogWriter
from mypt.text import count, printable
from mypt.training.console import Console, bar
from mypt.training.gold import Decision
from mypt.training.progress import Progress

#: Gives (prompt, text), or None where a stop came before the text's end.
Sampler = Callable[[], tuple[str, str] | None]


class RunReporter:
    """Writes each event to the log first and says it on the console then.

    `sampler` gives (prompt, text), or None where a stop came before the text's end; it is None where the run wants
    no samples.
    """

    def __init__(
        self,
        log: LogWriter,
        console: Console,
        max_iters: int,
        sampler: Sampler | None,
    ) -> None:
        self.log, self.console, self.max_iters, self._sampler = log, console, max_iters, sampler
        self._first: tuple[float, int] | None = None

    def train(self, event: events.Train) -> None:
        """One update, for the log."""
        self.log.write(event)

    def evaluation(self, event: events.Eval) -> None:
        """An evaluation: a line of the log, two of the console."""
        self.log.write(event)
        if self._first is None:
            self._first = (event.elapsed_s or 0.0, event.iter)
        head = [
            f"step {event.iter}/{self.max_iters} ({event.progress_pct or 0:.1f}%)",
            time.strftime("%H:%M:%S"),
            span(event.elapsed_s or 0.0),
            f"ETA {self._eta(event)}",
            f"{count(event.tokens_processed or 0, 2)} tokens",
        ]
        body = [
            f"val {four(event.val_loss)}",
            f"lr {event.lr:.2e}",
            f"phase: {event.phase}",
            *(f"{name} {four(value)}" for name, value in event.eval_sets.items()),
            f"train eval {four(event.train_loss)}",
        ]
        self.console.line()
        self.console.line(" | ".join(head), "strong")
        self.console.line("  " + " | ".join(body))
        if event.val_loss is not None and not math.isfinite(event.val_loss):
            self.console.line(f"  ⚠️  the validation loss is {event.val_loss}: this is no gold", "trouble")

    def gold(self, decision: Decision, step: int, val_loss: float, train_loss: float | None) -> None:
        """A gold checkpoint was saved, or blocked by a guard."""
        if decision.accepted:
            self.log.write(events.GoldCheckpoint(iter=step, val_loss=val_loss, prev_best=decision.prev_best))
            self.console.line(f"  🏆 New GOLD checkpoint! val_loss={val_loss:.4f} at step {step}", "gold")
            return
        self.log.write(
            events.GoldBlocked(
                iter=step, val_loss=val_loss, best_val_loss=decision.prev_best, reason=decision.reason
            )
        )
        kind, _, detail = decision.reason.partition(": ")
        detail = detail.removesuffix(".0x") + "x" if detail.endswith(".0x") else detail
        best = "no gold yet" if decision.prev_best is None else f"< best {decision.prev_best:.4f}"
        self.console.line(f"  ⚠️  GOLD blocked: val {val_loss:.4f} {best} but {kind} ({detail})", "trouble")

    def phase(self, event: events.PhaseSwitch) -> None:
        """The curriculum goes on."""
        self.log.write(event)
        self.console.line(f"  → phase: {event.new_phase} from step {event.iter}", "strong")

    def notice(self, event: events.Notice) -> None:
        """Something that a person should know of."""
        self.log.write(event)
        self.console.line(f"  ⚠️  step {event.iter}: {event.message}", "trouble")

    def sample(self, step: int) -> bool:
        """What the model writes now; False where a stop cut it short."""
        if self._sampler is None:
            return True
        drawn = self._sampler()
        if drawn is None:
            return False
        prompt, text = drawn
        self.log.write(events.Sample(iter=step, prompt=prompt, text=text))
        shown = " ".join(printable(prompt + text).split())
        self.console.line(f"  “{shown[:150]}{'…' if len(shown) > 150 else ''}”", "quiet")
        return True

    def progress(self, made: Progress, tokens_per_sec: float | None) -> None:
        """The progress line between two evaluations."""
        rate = f"{count(tokens_per_sec)} tok/s" if tokens_per_sec else "measuring speed"
        self.console.progress(
            f"{bar(made.iter / self.max_iters)} {made.iter}/{self.max_iters}  loss {four(made.train_loss)}  {rate}"
        )

    def stopping(self, step: int, why: str) -> None:
        """Somebody who waits for a stop should know that it was heard: large checkpoints take their time."""
        self.console.end_progress()
        self.console.line(f"  {why}: saving the checkpoint of step {step} ...", "quiet")

    def _eta(self, event: events.Eval) -> str:
        assert self._first is not None
        seconds, steps = (event.elapsed_s or 0.0) - self._first[0], event.iter - self._first[1]
        if steps <= 0:
            return "..."
        return span(seconds / steps * (self.max_iters - event.iter))


def four(loss: float | None) -> str:
    """A loss with four decimals; a dash where no token counted."""
    return "–" if loss is None else f"{loss:.4f}"


def span(seconds: float) -> str:
    """A time span in one unit, as the evaluation lines have it: 42s, 15m, 52.3h."""
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 3600 else f"{seconds / 3600:.1f}h"
