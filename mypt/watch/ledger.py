"""What happened in a run, in order and bounded: marks by kind, the list of lines, samples. Rewinds with the run."""

from __future__ import annotations

from typing import Any, NamedTuple

from mypt.events import Eval
from mypt.watch import marks as words
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
    event: Eval

    def mark(self) -> Mark:
        """The same in words."""
        event = self.event
        stamp = words.one_line(event.timestamp, 40)
        return Mark("eval", self.step, self.tokens, self.time, stamp, event.val_loss, words.eval_words(event))


class Ledger:
    """One thread writes, any may read: what is handed out are copies."""

    def __init__(self) -> None:
        self._marks: dict[MarkKind, list[Mark]] = {}
        self._lines: list[Mark | EvalLine] = []
        self._samples: list[SampleText] = []

    def of(self, kind: MarkKind) -> tuple[Mark, ...]:
        """The marks of one kind, in the order of their steps."""
        return tuple(self._marks.get(kind, ()))

    def last(self, kind: MarkKind, before: int | None = None) -> Mark | None:
        """The last mark of a kind, at a step less than `before` where that is given."""
        marks = reversed(self._marks.get(kind, []))
        return next((mark for mark in marks if before is None or mark.step < before), None)

    def lines(self, most: int) -> tuple[Mark, ...]:
        """The last `most` lines, in words."""
        lines = self._lines[-most:] if most > 0 else []
        return tuple(line if isinstance(line, Mark) else line.mark() for line in lines)

    def samples(self) -> tuple[SampleText, ...]:
        """The samples, oldest first."""
        return tuple(self._samples)

    def clear(self) -> None:
        """Forget everything."""
        self._marks.clear()
        self._lines.clear()
        self._samples.clear()

    def rewind(self, step: int) -> None:
        """Forget what happened after `step`."""
        stepped: list[list[Any]] = [*self._marks.values(), self._lines, self._samples]
        for items in stepped:
            while items and items[-1].step > step:
                items.pop()

    def add_line(self, line: Mark | EvalLine) -> None:
        """Append a line; of what is told once a step, it replaces the one that is there."""
        lines = self._lines
        if line.kind in _ONCE_A_STEP:
            for index in range(len(lines) - 1, max(-1, len(lines) - _LOOK_BACK), -1):
                if lines[index].step < line.step:
                    break
                if lines[index].kind == line.kind and lines[index].step == line.step:
                    del lines[index]
                    break
        lines.append(line)
        _bound(lines, MOST_LINES)

    def add_mark(self, mark: Mark) -> None:
        """Append a mark; those of its kind at later steps, and (all but NaN) at its own, are replaced."""
        marks = self._marks.setdefault(mark.kind, [])
        while marks and (marks[-1].step > mark.step or (marks[-1].step == mark.step and mark.kind != "nan")):
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


def _bound(items: list[Any], most: int) -> None:
    # Cut seldom, and then by half, since every cut moves all that stay.
    if len(items) > 2 * most:
        del items[:-most]
