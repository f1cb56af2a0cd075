"""Events folded into one clean story, however often the run was resumed.

Steps trained again replace those that they replay: a start at step S, or an `iter` that goes back, takes with it all
that was heard of later steps. What was measured at S itself stays, since our trainer does not repeat it; where
another trainer does, the newer value replaces the older.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import compress, groupby
from operator import not_
from typing import Any, NamedTuple

from mypt.events import (
    AnyEvent,
    Eval,
    GoldBlocked,
    GoldCheckpoint,
    Notice,
    Number,
    PhaseSwitch,
    Sample,
    Train,
    TrainingComplete,
    TrainingStart,
    TrainingStopped,
    Unknown,
)
from mypt.text import loss
from mypt.watch import marks as words
from mypt.watch import pace
from mypt.watch.axes import Axes
from mypt.watch.clock import Clock
from mypt.watch.column import Column
from mypt.watch.ledger import Ledger
from mypt.watch.lines import EvalRow, Measured, eval_set_columns
from mypt.watch.marks import Mark, MarkKind, SampleText
from mypt.watch.table import Table, Values

_MOST_EVAL_SETS = 64
_LR_OF_EVALS = "lr of evaluations"
# Steps are kept as doubles, which count exactly up to here.
_LARGEST_STEP = 1 << 53


class Ended(NamedTuple):
    """The last word of a run: `kind` "complete", or "stopped" with the log's `reason` and `message` (printable)."""

    kind: str
    step: int
    timestamp: str
    reason: str = ""
    message: str = ""

    @property
    def closing(self) -> str:
        """The form in which `mypt.runs.state.Evidence` takes it."""
        return "complete" if self.kind == "complete" else f"stopped:{self.reason}:{self.message}"


class Fold:
    """Takes events in and holds what they amount to; `RunHistory` is the face that is read."""

    def __init__(self) -> None:
        self._trains = Table()
        self._evals = Table()
        self._ledger = Ledger()
        self._names: dict[str, str] = {}
        self._revision = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything: the log was truncated or replaced. Curves stay the same objects, emptied."""
        self.bad_lines = 0
        """Lines that were no events, as whoever follows the log counts them."""
        self.impossible = 0
        """Events that were ignored because no run can have them (a negative step)."""
        self.run_ids: frozenset[str] = frozenset()
        """Every run record that a start has named."""
        self.closings: dict[str, str] = {}
        """The last word of every run record that has said one, as `mypt.runs.state.Evidence` takes it."""
        self._start_anew()

    def _start_anew(self) -> None:
        self.config: dict[str, Any] = {}
        self.model: dict[str, Any] = {}
        self.runtime: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.run_id: str | None = None
        """The run record that the last start named."""
        self.started_at = ""
        self.last_start_at = ""
        self._last_stamp = ""
        self.ended: Ended | None = None
        self._trains.rewind(0)
        self._evals.rewind(0)
        self._ledger.clear()
        self._axes = Axes()
        self.clock = Clock()
        """When it trained."""
        self.rank_seconds: list[float] = []
        """What each of several processes spent in forward passes between the last two updates that were logged."""
        self._first_phase = ""
        self._latest_phase = ""
        self._nan_since: dict[str, int] = {}
        self._revision += 1

    def feed(self, events: Iterable[AnyEvent | EvalRow]) -> None:
        """Take in `events` in the order of the log. Never raises for what they hold."""
        events = list(events)
        # Most of what comes are measurements and nothing else.
        alone = all(issubclass(kind, Train | EvalRow | Eval) for kind in set(map(type, events)))
        groups = [(True, events)] if alone and events else groupby(events, key=_is_measured)
        for measured, group in groups:
            batch: list[Any] = list(group)
            if measured:
                self._measure(batch)
            else:
                for event in batch:
                    self._take(event)
            self._revision += len(batch)
            self._last_stamp = next((e.timestamp for e in reversed(batch) if e.timestamp), self._last_stamp)

    @property
    def _columns(self) -> dict[str, Column]:
        # Both kinds of event tell the learning rate; the one that comes more often draws it better.
        return {
            **{name: column for name, column in self._evals.columns() if name != _LR_OF_EVALS},
            **({"lr": lr} if (lr := self._evals.get(_LR_OF_EVALS)) is not None else {}),
            **dict(self._trains.columns()),
        }

    def whole(self, name: str) -> int | None:
        """A whole number, not negative, of the last start's config; None where there is none of that name."""
        value = self.config.get(name)
        if not words.is_number(value) or not 0 <= value <= _LARGEST_STEP:
            return None
        return int(value)

    # ── one event of each kind ──────────────────────────────────────────────────────────────────────────────────

    def _measure(self, events: list[Measured]) -> None:
        """Take in measurements: all at once where their steps go on from here, as nearly always, else singly."""
        while events:
            steps = [event.iter for event in events]
            goes_on = self.ended is None and self._axes.step <= steps[0] and steps[-1] <= _LARGEST_STEP
            if goes_on and self._axes.settled and _rise(events, steps) and self._is_finite(events):
                self._add(events, steps)
                return
            if self._goes_to(steps[0]):
                self._add(events[:1], steps[:1])
            events = events[1:]

    def _is_finite(self, events: list[Measured]) -> bool:
        # Where a loss stops being a number, or begins to be one again, is told in its place among the others.
        losses = [event.train_loss if isinstance(event, Train) else event.val_loss for event in events]
        return not self._nan_since and math.isfinite(sum(value for value in losses if value is not None))

    def _add(self, events: Sequence[Measured], steps: list[int]) -> None:
        places = self._axes.place_all(
            steps, [event.tokens_processed for event in events], [event.elapsed_s for event in events]
        )
        are_trains = [isinstance(event, Train) for event in events]
        rows: tuple[Sequence[Any], ...] = (events, steps, *places)
        if all(are_trains):
            self._add_trains(*rows)
        elif not any(are_trains):
            self._add_evals(*rows)
        else:
            self._add_trains(*(list(compress(row, are_trains)) for row in rows))
            self._add_evals(*(list(compress(row, map(not_, are_trains))) for row in rows))

    def _add_trains(
        self, events: Sequence[Train], steps: Sequence[int], tokens: Sequence[float], times: Sequence[float]
    ) -> None:
        losses = [event.train_loss for event in events]
        values: dict[str, Values] = {
            "train": losses,
            "lr": [event.lr for event in events],
            "grad_norm": [event.grad_norm for event in events],
            "tokens_per_sec": [event.tokens_per_sec for event in events],
            "mfu": [event.mfu if isinstance(event.mfu, float) else None for event in events],
            "memory": [event.memory if isinstance(event.memory, int) else None for event in events],
        }
        self._trains.extend(steps, tokens, times, values)
        last = events[-1].rank_seconds
        self.rank_seconds = last if isinstance(last, list) else []
        self._watch_nan("batch", events[-1], losses[-1], steps[-1])

    def _add_evals(
        self,
        events: Sequence[Eval | EvalRow],
        steps: Sequence[int],
        tokens: Sequence[float],
        times: Sequence[float],
    ) -> None:
        losses = [event.val_loss for event in events]
        values: dict[str, Values] = {
            _LR_OF_EVALS: [event.lr for event in events],
            "train_eval": [event.train_loss for event in events],
            "val": losses,
        }
        for name, column in eval_set_columns(events).items():
            key = "eval:" + self._name(name)
            if key in self._evals or len(self._evals) + len(values) < _MOST_EVAL_SETS:
                values[key] = column
        self._evals.extend(steps, tokens, times, values)
        self._first_phase = self._first_phase or self._name(events[0].phase)
        self._latest_phase = self._name(events[-1].phase)
        self._ledger.add_evals(steps, tokens, times, events)
        self._watch_nan("val", events[-1], losses[-1], steps[-1])

    def _take(self, event: AnyEvent) -> None:
        match event:
            case TrainingStart():
                self._start(event)
            case PhaseSwitch():
                if self._goes_to(event.iter):
                    self._axes.place(event.iter, event.tokens_processed, event.elapsed_s)
                    self._latest_phase = words.one_line(event.new_phase, 80)
                    self._mark("phase", event.iter, event.timestamp, None, self._latest_phase)
            case GoldCheckpoint():
                before = self._ledger.last("gold", before=event.iter)
                text = words.gold_words(event, before.value if before else None)
                self._mark("gold", event.iter, event.timestamp, event.val_loss, text)
            case GoldBlocked():
                self._mark(
                    "blocked", event.iter, event.timestamp, event.val_loss, words.one_line(event.reason)
                )
            case Notice():
                if self._goes_to(event.iter):
                    self._axes.place(event.iter, event.tokens_processed, event.elapsed_s)
                    value = event.train_loss if isinstance(event.train_loss, float) else None
                    text = words.one_line(event.message) or words.one_line(event.kind, 40)
                    self._mark("notice", event.iter, event.timestamp, value, text)
            case Sample():
                self._sample(event)
            case TrainingStopped():
                if self._counts(event.iter):
                    self._axes.place(event.iter, None, None)
                    reason, message = words.one_line(event.reason, 40), words.one_line(event.message)
                    self._end(Ended("stopped", event.iter, self._stamp(event), reason, message))
                    self._line("stopped", event.iter, event.timestamp, None, words.stopped_words(event))
            case TrainingComplete():
                self._complete(event)
            case Unknown():
                step = event.fields.get("iter")
                if not isinstance(step, int) or not 0 <= step <= _LARGEST_STEP:
                    step = self._axes.step
                self._line("other", step, event.timestamp, None, words.one_line(event.name, 80))
            case Train() | Eval():
                self._measure([event])

    def _start(self, event: TrainingStart) -> None:
        config = event.config
        before, ended = self._axes.step, self.ended
        self.config = config
        step = self.whole("start_step")
        # A run may be resumed at step 0 too: what was measured before its first update is not measured again.
        goes_on = step is not None and (step > 0 or config.get("resumed") is True)
        if step == 0 and not goes_on:
            # Whatever came before, this run begins from nothing.
            self._start_anew()
            self.config = config
        self.model = event.model
        self.runtime, self.settings, self.sources = (
            told if isinstance(told, dict) else {} for told in (event.runtime, event.settings, event.sources)
        )
        self.run_id = event.run_id if isinstance(event.run_id, str) else None
        if self.run_id is not None:
            self.run_ids |= {self.run_id}
            # SLURM starts the same run anew: what it said at an end before is not its last word.
            self.closings.pop(self.run_id, None)
        self.ended = None
        self.last_start_at = self._stamp(event)
        self.started_at = self.started_at or self.last_start_at
        self._axes.tokens_per_step = self.whole("tokens_per_step")
        if step is not None and goes_on:
            self._rewind(step)
            told = ""
            if before > step:
                told = f"; {before - step} later steps are trained again"
            if ended and ended.kind == "stopped":
                told += f" (was stopped at {ended.step}{': ' + ended.reason if ended.reason else ''})"
            self._mark("resume", step, event.timestamp, None, f"goes on from step {step}{told}")
            self.clock = self.clock.went_on(self._axes.time, self.last_start_at)
        else:
            self.clock = Clock().went_on(self._axes.time, self.last_start_at)
            self._line("start", self._axes.step, event.timestamp, None, words.start_words(event))

    def _sample(self, event: Sample) -> None:
        if not self._counts(event.iter):
            return
        sample = SampleText(
            event.iter, words.long_text(event.prompt), words.long_text(event.text), self._stamp(event)
        )
        self._ledger.add_sample(sample)
        self._line("sample", event.iter, event.timestamp, None, words.sample_words(event))

    def _complete(self, event: TrainingComplete) -> None:
        step = max(self._axes.step, self.whole("max_iters") or 0)
        tokens, time = self._axes.place(step, event.total_tokens, event.total_elapsed_s)
        if event.final_val_loss is not None and self._evals.top < step:
            # The original measures once more at the end and says so only here.
            self._evals.extend([step], [tokens], [time], {"val": [event.final_val_loss]})
            self._watch_nan("val", event, event.final_val_loss, step)
        self.started_at = words.one_line(event.started_at, 40) or self.started_at
        self._end(Ended("complete", step, self._stamp(event)))
        self._line("complete", step, event.timestamp, event.final_val_loss, words.complete_words(event))

    def _end(self, ended: Ended) -> None:
        self.ended = ended
        if self.run_id is not None:
            self.closings[self.run_id] = ended.closing

    # ── shared ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _counts(self, step: int) -> bool:
        if 0 <= step <= _LARGEST_STEP:
            return True
        self.impossible += 1
        return False

    def _goes_to(self, step: int) -> bool:
        """Make `step` the present one, going back where it is a replay; False where no run can have such a step."""
        if not self._counts(step):
            return False
        self.ended = None
        if step < self._axes.step:
            self._rewind(step)
        return True

    def _rewind(self, step: int) -> None:
        """Forget what was heard of the steps after `step`, and be there."""
        tokens, time = pace.position(self._columns, step, self._axes.tokens_per_step)
        self._trains.rewind(step + 1)
        self._evals.rewind(step + 1)
        self._ledger.rewind(step)
        self._nan_since = {name: since for name, since in self._nan_since.items() if since <= step}
        phase = self._ledger.last("phase")
        self._latest_phase = phase.text if phase else self._first_phase
        self._axes.resume(step, tokens, time)

    def _watch_nan(self, name: str, event: Measured | TrainingComplete, value: Number, step: int) -> None:
        if value is None:
            return
        if -math.inf < value < math.inf:
            if not self._nan_since:
                return
            self._nan_since = {other: since for other, since in self._nan_since.items() if other != name}
        elif name not in self._nan_since:
            self._nan_since = {**self._nan_since, name: step}
            self._mark("nan", step, event.timestamp, value, f"{name} loss is {value}")

    def _mark(self, kind: MarkKind, step: int, timestamp: str, value: float | None, text: str) -> None:
        if not self._counts(step):
            return
        line = {"blocked": f"blocked {loss(value)}: {text}", "phase": f"phase {text}"}.get(kind, text)
        mark = self._line(kind, step, timestamp, value, line)
        self._ledger.add_mark(mark._replace(text=text))

    def _line(self, kind: MarkKind, step: int, timestamp: str, value: float | None, text: str) -> Mark:
        axes = self._axes
        tokens, time = axes.tokens, axes.time
        if step < axes.step:
            tokens, time = pace.position(self._columns, step, axes.tokens_per_step)
        mark = Mark(kind, step, tokens, time, words.one_line(timestamp, 40), value, text)
        self._ledger.add_line(mark)
        return mark

    def _name(self, raw: str) -> str:
        """A name from the log, printable; the same few come with every evaluation."""
        name = self._names.get(raw)
        if name is None:
            name = words.one_line(raw, 80)
            if len(self._names) < _MOST_EVAL_SETS:
                self._names[raw] = name
        return name

    @staticmethod
    def _stamp(event: TrainingStart | Sample | TrainingStopped | TrainingComplete) -> str:
        return words.one_line(event.timestamp, 40)


def _is_measured(event: AnyEvent | EvalRow) -> bool:
    return isinstance(event, Train | EvalRow | Eval)


def _rise(events: Sequence[Measured], steps: list[int]) -> bool:
    """Whether the steps never fall, and rise strictly among the events of each kind."""
    if steps != sorted(steps):
        return False
    if len(set(steps)) == len(steps):
        return True
    kinds = [(isinstance(event, Train), step) for event, step in zip(events, steps, strict=True)]
    return len(set(kinds)) == len(kinds)
