"""What happened in a run, in order and bounded: marks by kind, the list of lines, samples. Rewinds with the run."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from threading import Lock
from typing import Any, NamedTuple

from mypt.events import Eval
from mypt.watch import marks as words
from mypt.watch.lines import EvalRow
from mypt.watch.marks import Mark, MarkKind, SampleText

MOST_LINES = 2000
"""Enough for every list that a person scrolls through; a log may hold a million evaluations."""
_MOST_MARKS = 10_000
_MOST_SAMPLES = 500
# What is repeated at its step stands within so many lines of what it replaces.
_LOOK_BACK = 20
_ONCE_A_STEP = frozenset({"start", "resume", "eval", "gold", "blocked", "phase", "complete"})


class EvalLine(NamedTuple):
    """An evaluation in the list of lines, not yet put into words: few of a million are ever looked at."""

    kind: MarkKind
    step: int
    tokens: float
    time: float
    event: Eval | EvalRow

    def mark(self) -> Mark:
        """The same in words."""
        event = self.event
        stamp = words.one_line(event.timestamp, 40)
        return Mark("eval", self.step, self.tokens, self.time, stamp, event.val_loss, words.eval_words(event))


class _Batch(NamedTuple):
    """Evaluations that came together, not yet lines: of a long log nearly all are pushed out before anybody looks."""

    steps: Sequence[int]
    tokens: Sequence[float]
    times: Sequence[float]
    events: Sequence[Eval | EvalRow]


class Ledger:
    """One thread writes, any may read: what is handed out are copies."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._marks: dict[MarkKind, list[Mark]] = {}
        self._lines: list[Mark | EvalLine] = []
        self._batches: deque[_Batch] = deque()
        self._samples: list[SampleText] = []

    def __bool__(self) -> bool:
        """Whether there is a line; `lines` would put all of them into words."""
        with self._lock:
            return bool(self._lines or self._batches)

    def of(self, kind: MarkKind) -> tuple[Mark, ...]:
        """The marks of one kind, in the order of their steps."""
        return tuple(self._marks.get(kind, ()))

    def last(self, kind: MarkKind, before: int | None = None) -> Mark | None:
        """The last mark of a kind, at a step less than `before` where that is given."""
        marks = reversed(self._marks.get(kind, []))
        return next((mark for mark in marks if before is None or mark.step < before), None)

    def lines(self, most: int) -> tuple[Mark, ...]:
        """The last `most` lines, in words."""
        with self._lock:
            lines = self._settled()[-most:] if most > 0 else []
        return tuple(line if isinstance(line, Mark) else line.mark() for line in lines)

    def samples(self) -> tuple[SampleText, ...]:
        """The samples, oldest first."""
        return tuple(self._samples)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._marks.clear()
            self._lines.clear()
            self._batches.clear()
            self._samples.clear()

    def rewind(self, step: int) -> None:
        """Forget what happened after `step`."""
        with self._lock:
            stepped: list[list[Any]] = [*self._marks.values(), self._settled(), self._samples]
            for items in stepped:
                while items and items[-1].step > step:
                    items.pop()

    def add_line(self, line: Mark | EvalLine) -> None:
        """Add a line in its place among the steps; of what is told once a step, it replaces the one that is there."""
        with self._lock:
            self._add_line(line)

    def _add_line(self, line: Mark | EvalLine) -> None:
        lines = self._settled()
        if line.kind in _ONCE_A_STEP:
            for index in range(len(lines) - 1, max(-1, len(lines) - _LOOK_BACK), -1):
                if lines[index].step < line.step:
                    break
                if lines[index].kind == line.kind and lines[index].step == line.step:
                    del lines[index]
                    break
        if lines and lines[-1].step > line.step:
            # A gold that is saved while training goes on is told when it is whole, later than what came after it.
            bisect.insort(lines, line, key=attrgetter("step"))
        else:
            lines.append(line)
        _bound(lines, MOST_LINES)

    def add_evals(
        self,
        steps: Sequence[int],
        tokens: Sequence[float],
        times: Sequence[float],
        events: Sequence[Eval | EvalRow],
    ) -> None:
        """Append a line an evaluation; the steps rise strictly, so that only the first can replace one that is there."""
        batch = _Batch(steps, tokens, times, events)
        with self._lock:
            last = (
                self._batches[-1].steps[-1] if self._batches else self._lines[-1].step if self._lines else -1
            )
            if steps[0] <= last:
                self._add_line(EvalLine("eval", steps[0], tokens[0], times[0], events[0]))
                batch = _Batch(steps[1:], tokens[1:], times[1:], events[1:])
            if batch.steps:
                self._batches.append(batch)
            while self._batches and sum(map(_rows, self._batches)) - _rows(self._batches[0]) >= MOST_LINES:
                self._batches.popleft()

    def _settled(self) -> list[Mark | EvalLine]:
        """The lines, with those of the batches; the lock is the caller's."""
        for batch in self._batches:
            rows = zip(batch.steps, batch.tokens, batch.times, batch.events, strict=True)
            self._lines.extend(EvalLine("eval", *row) for row in rows)
        if self._batches:
            self._batches.clear()
            _bound(self._lines, MOST_LINES)
        return self._lines

    def add_mark(self, mark: Mark) -> None:
        """Append a mark; those of its kind at later steps are replaced, and at its own where one can be there only."""
        marks = self._marks.setdefault(mark.kind, [])
        while marks and (
            marks[-1].step > mark.step or (marks[-1].step == mark.step and mark.kind in _ONCE_A_STEP)
        ):
            marks.pop()
        marks.append(mark)
        _bound(marks, _MOST_MARKS)

    def add_sample(self, sample: SampleText) -> None:
        """Append a sample; one of the same step and prompt is replaced."""
        recent = self._samples[-_LOOK_BACK:]
        same = (sample.step, sample.prompt)
        self._samples[-_LOOK_BACK:] = [s for s in recent if (s.step, s.prompt) != same]
        self._samples.append(sample)
        _bound(self._samples, _MOST_SAMPLES)


def _rows(batch: _Batch) -> int:
    return len(batch.steps)


def _bound(items: list[Any], most: int) -> None:
    # Cut seldom, and then by half, since every cut moves all that stay.
    if len(items) > 2 * most:
        del items[:-most]
