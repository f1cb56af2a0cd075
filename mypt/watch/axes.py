"""Where on the three axes a run is: updates, tokens and seconds, made to grow through every resume."""

from __future__ import annotations

import math
from collections.abc import Sequence


class Axes:
    """The present place, and what must be added to a log's counters to make them those of the whole run.

    Our trainer's counters go on after a resume; the original's begin at 0 again. Which of the two a log does shows in
    the first counters after a resume.
    """

    __slots__ = ("_base_time", "_base_tokens", "_resumed_at", "step", "time", "tokens", "tokens_per_step")

    def __init__(self) -> None:
        self.step = 0
        self.tokens = 0.0
        self.time = 0.0
        self.tokens_per_step: int | None = None
        self._base_tokens = 0.0
        self._base_time = 0.0
        self._resumed_at: int | None = None

    @property
    def settled(self) -> bool:
        """Whether it is known from where the counters count; after a resume the first event tells."""
        return self._resumed_at is None

    def resume(self, step: int, tokens: float, time: float) -> None:
        """A process takes over at `step`, where the run had come to `tokens` and `time`."""
        self.step, self.tokens, self.time = step, tokens, time
        self._resumed_at = step

    def place(self, step: int, tokens: int | None, elapsed_s: float | None) -> tuple[float, float]:
        """The tokens and seconds of the whole run for one event's counters; NaN where it has none."""
        if self._resumed_at is not None:
            self._settle(step, tokens, elapsed_s)
        try:
            whole_tokens = math.nan if tokens is None else tokens + self._base_tokens
        except OverflowError:
            whole_tokens = math.nan
        whole_time = math.nan if elapsed_s is None else elapsed_s + self._base_time
        if step > self.step:
            self.step = step
        # Written so that NaN, which compares false with all, changes nothing.
        if self.tokens < whole_tokens < math.inf:
            self.tokens = whole_tokens
        if self.time < whole_time < math.inf:
            self.time = whole_time
        return whole_tokens, whole_time

    def place_all(
        self, steps: Sequence[int], tokens: Sequence[int | None], elapsed_s: Sequence[float | None]
    ) -> tuple[list[float], list[float]]:
        """What `place` says of each of many events, whose steps never fall."""
        if len(steps) == 1 or not self.settled:
            placed = [self.place(*event) for event in zip(steps, tokens, elapsed_s, strict=True)]
            return [place[0] for place in placed], [place[1] for place in placed]
        try:
            # One addition that fails stands for all: nearly every log tells both of every event.
            whole_tokens = [count + self._base_tokens for count in tokens]  # type: ignore[operator]
            whole_times = [seconds + self._base_time for seconds in elapsed_s]  # type: ignore[operator]
            most_tokens, most_time = max(whole_tokens), max(whole_times)
            if not math.isfinite(sum(whole_tokens) + sum(whole_times)):
                raise OverflowError
        except (TypeError, OverflowError):
            placed = [self.place(*event) for event in zip(steps, tokens, elapsed_s, strict=True)]
            return [place[0] for place in placed], [place[1] for place in placed]
        self.step = max(self.step, steps[-1])
        self.tokens, self.time = max(self.tokens, most_tokens), max(self.time, most_time)
        return whole_tokens, whole_times

    def _settle(self, step: int, tokens: int | None, elapsed_s: float | None) -> None:
        resumed_at = self._resumed_at
        if resumed_at is None or (tokens is None and elapsed_s is None):
            return
        self._resumed_at = None
        counted_here = (
            self.tokens_per_step is not None and tokens == (step - resumed_at) * self.tokens_per_step
        )
        # Between two events the place of the resume is an estimate: only a clear step back means a new count.
        from_zero = tokens is not None and (counted_here or tokens < 0.9 * self.tokens)
        self._base_tokens = self.tokens if from_zero else 0.0
        back = elapsed_s is not None and elapsed_s < 0.9 * self.time - 1.0
        self._base_time = self.time if from_zero or back else 0.0
