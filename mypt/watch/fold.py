"""Events folded into one clean story, however often the run was resumed.

Steps trained again replace those that they replay: a start at step S, or an `iter` that goes back, takes with it all
that was heard of later steps. What was measured at S itself stays, since our trainer does not repeat it; where
another trainer does, the newer value replaces the older.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from mypt.events import (
    AnyEvent,
    Eval,
    GoldBlocked,
    GoldCheckpoint,
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
from mypt.watch.column import Column
from mypt.watch.ledger import EvalLine, Ledger
from mypt.watch.marks import Mark, MarkKind, SampleText
from mypt.watch.series import Series

_MOST_EVAL_SETS = 64
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
        self._series: dict[str, Series] = {}
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
        self.run_id: str | None = None
        """The run record that the last start named."""
        self.started_at = ""
        self.last_start_at = ""
        self._last_stamp = ""
        self.ended: Ended | None = None
        for series in self._series.values():
            series.rewind(0)
        self._ledger.clear()
        self._axes = Axes()
        self._first_phase = ""
        self._latest_phase = ""
        self._nan_since: dict[str, int] = {}
        self._revision += 1

    def feed(self, events: Iterable[AnyEvent]) -> None:
        """Take in `events` in the order of the log. Never raises for what they hold."""
        for event in events:
            if isinstance(event, Train):
                # Far the most, so they skip the look at all the kinds.
                self._train(event)
            else:
                self._take(event)
            self._revision += 1
            if event.timestamp:
                self._last_stamp = event.timestamp
        self._flush()

    def _flush(self) -> None:
        for series in self._series.values():
            series.flush()

    @property
    def _columns(self) -> dict[str, Column]:
        return {name: s.column for name, s in list(self._series.items()) if len(s.column)}

    def whole(self, name: str) -> int | None:
        """A whole number, not negative, of the last start's config; None where there is none of that name."""
        value = self.config.get(name)
        if not words.is_number(value) or not 0 <= value <= _LARGEST_STEP:
            return None
        return int(value)

    # ── one event of each kind ──────────────────────────────────────────────────────────────────────────────────

    def _train(self, event: Train) -> None:
        step = event.iter
        if (step < self._axes.step or step > _LARGEST_STEP or self.ended is not None) and not self._goes_to(
            step
        ):
            return
        tokens, time = self._axes.place(step, event.tokens_processed, event.elapsed_s)
        value = event.train_loss
        if value is not None:
            self._add("train", (step, tokens, time, value))
            if not -math.inf < value < math.inf or self._nan_since:
                self._watch_nan("train", step, value, event.timestamp)
        if event.lr is not None:
            self._add("lr", (step, tokens, time, event.lr))
        if event.grad_norm is not None:
            self._add("grad_norm", (step, tokens, time, event.grad_norm))
        if event.tokens_per_sec is not None:
            self._add("tokens_per_sec", (step, tokens, time, event.tokens_per_sec))
        if isinstance(event.mfu, float):
            self._add("mfu", (step, tokens, time, event.mfu))

    def _take(self, event: AnyEvent) -> None:
        match event:
            case TrainingStart():
                self._start(event)
            case Eval():
                self._eval(event)
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
            case Train():
                self._train(event)

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
        self.runtime = event.runtime if isinstance(event.runtime, dict) else {}
        self.run_id = event.run_id if isinstance(event.run_id, str) else None
        if self.run_id is not None:
            self.run_ids |= {self.run_id}
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
        else:
            self._line("start", self._axes.step, event.timestamp, None, words.start_words(event))

    def _eval(self, event: Eval) -> None:
        step = event.iter
        if not self._goes_to(step):
            return
        tokens, time = self._axes.place(step, event.tokens_processed, event.elapsed_s)
        self._latest_phase = self._name(event.phase)
        self._first_phase = self._first_phase or self._latest_phase
        if event.lr is not None:
            self._add("lr", (step, tokens, time, event.lr))
        if event.train_loss is not None:
            self._add("train_eval", (step, tokens, time, event.train_loss))
        for name, value in event.eval_sets.items():
            self._eval_set(name, step, tokens, time, value)
        self._ledger.add_line(EvalLine("eval", step, tokens, time, event))
        if event.val_loss is not None:
            self._add("val", (step, tokens, time, event.val_loss))
            self._watch_nan("val", step, event.val_loss, event.timestamp)

    def _eval_set(self, name: str, step: int, tokens: float, time: float, value: float | None) -> None:
        key = "eval:" + self._name(name)
        if value is None or (key not in self._series and len(self._series) >= _MOST_EVAL_SETS):
            return
        try:
            self._add(key, (step, tokens, time, float(value)))
        except OverflowError:
            # A whole number beyond every float.
            self._add(key, (step, tokens, time, math.inf))

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
        val = self._series.get("val")
        if event.final_val_loss is not None and (val is None or val.top < step):
            # The original measures once more at the end and says so only here.
            self._add("val", (step, tokens, time, event.final_val_loss))
            self._watch_nan("val", step, event.final_val_loss, event.timestamp)
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
        self._flush()
        tokens, time = pace.position(self._columns, step, self._axes.tokens_per_step)
        for series in self._series.values():
            series.rewind(step + 1)
        self._ledger.rewind(step)
        self._nan_since = {name: since for name, since in self._nan_since.items() if since <= step}
        phase = self._ledger.last("phase")
        self._latest_phase = phase.text if phase else self._first_phase
        self._axes.resume(step, tokens, time)

    def _add(self, name: str, row: tuple[int, float, float, float]) -> None:
        series = self._series.get(name)
        if series is None:
            # A new dictionary, since others may be walking the old one.
            series = Series()
            self._series = {**self._series, name: series}
        series.add(row)

    def _watch_nan(self, name: str, step: int, value: float, timestamp: str) -> None:
        if -math.inf < value < math.inf:
            if not self._nan_since:
                return
            self._nan_since = {other: since for other, since in self._nan_since.items() if other != name}
        elif name not in self._nan_since:
            self._nan_since = {**self._nan_since, name: step}
            self._mark("nan", step, timestamp, value, f"{name} loss is {value}")

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
            self._flush()
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
