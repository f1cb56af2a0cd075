"""Whether the forecast of the final validation loss is honest: how often it holds the end, how wide it is, when it is silent.

python -m benchmarks forecast                  some runs of every kind, made here
python -m benchmarks.forecast FOLDER           finished runs of your own: every log below FOLDER
python -m benchmarks.curves FOLDER 100 107     the long set, for the same

Each run is asked at 25, 50, 75 and 90 % of its updates. Beside the forecast stand two that anybody can make: the
present loss, give or take the spread of the last half of its evaluations; and a straight line through the logarithms of
that half. They are compared by the interval score (Gneiting and Raftery 2007: the width, and for an end outside
2 / 0.2 times how far outside), in percent of the present loss, where all three say something. Lower is better.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, pstdev

from benchmarks import curves
from mypt.events import read_log
from mypt.watch.column import Column
from mypt.watch.forecast import Forecast, NoForecast, forecast
from mypt.watch.history import RunHistory

SHARES = (0.25, 0.5, 0.75, 0.9)
MISSES = 0.2
"""The share of ends that may lie outside."""
_Z = 1.2816
_SHORT = range(200, 201)


@dataclass(frozen=True)
class Span:
    """An interval for the end."""

    low: float
    high: float

    def holds(self, end: float) -> bool:
        """Whether the end lies in it."""
        return self.low <= end <= self.high

    def score(self, end: float) -> float:
        """The interval score, lower is better."""
        return self.high - self.low + 2 / MISSES * (max(self.low - end, 0) + max(end - self.high, 0))


@dataclass(frozen=True)
class Moment:
    """What was said of a run when `share` of its updates were done, and how it ended; losses over the present one."""

    kind: str
    run: str
    share: float
    said: Forecast | NoForecast
    now: float
    end: float
    seconds: float
    naive: Span | None = None
    line: Span | None = None

    @property
    def ours(self) -> Span | None:
        """The interval of the forecast, where there is one."""
        return Span(self.said.low, self.said.high) if isinstance(self.said, Forecast) else None


def moments(log: Path, shares: Sequence[float] = SHARES) -> list[Moment]:
    """A finished run, asked on its way; nothing for a run without an end or with too little to be asked."""
    events = read_log(log)[0]
    whole = RunHistory()
    whole.feed(events)
    val, total = whole.curves.get("val"), whole.max_iters
    last = val.last() if val else None
    if val is None or last is None or total is None or last.step < total or not math.isfinite(last.y):
        return []
    found = []
    for share in shares:
        history = RunHistory()
        for event in events:
            if getattr(event, "iter", 0) > share * total:
                break
            history.feed([event])
        seen = history.curves.get("val")
        now = seen.last() if seen else None
        if seen is None or now is None or not math.isfinite(now.y):
            continue
        began = time.perf_counter()
        said = forecast(history)
        seconds = time.perf_counter() - began
        # A run that went on longer was on its way to another end before.
        goal = history.max_iters or total
        there = val.at_or_before("step", goal)
        if there is None or there.step < goal or not math.isfinite(there.y):
            continue
        kind = log.stem.rpartition("_")[0] or log.stem
        spans = _naive(seen), _line(seen, goal)
        found.append(Moment(kind, log.stem, share, said, now.y, there.y, seconds, *spans))
    return found


def _naive(val: Column) -> Span | None:
    late = _late_half(val)
    if len(late) < 2:
        return None
    now, half = late[-1][1], _Z * pstdev(y for _, y in late)
    return Span(now - half, now + half)


def _line(val: Column, goal: int) -> Span | None:
    late = [(math.log(step), math.log(y)) for step, y in _late_half(val) if step > 0 and y > 0]
    if len(late) < 3:
        return None
    x0, y0 = fmean(x for x, _ in late), fmean(y for _, y in late)
    across = sum((x - x0) ** 2 for x, _ in late)
    slope = sum((x - x0) * (y - y0) for x, y in late) / across
    off = sum((y - y0 - slope * (x - x0)) ** 2 for x, y in late) / (len(late) - 2)
    away = math.log(goal) - x0
    half = _Z * math.sqrt(off * (1 + 1 / len(late) + away**2 / across))
    middle = y0 + slope * away
    return Span(math.exp(min(middle - half, 700)), math.exp(min(middle + half, 700)))


def _late_half(val: Column) -> list[tuple[int, float]]:
    points = [(p.step, p.y) for p in val.points() if math.isfinite(p.y)]
    return points[len(points) // 2 :]


# ── what is printed ─────────────────────────────────────────────────────────────────────────────────────────────


def table(asked: Iterable[Moment]) -> str:
    """By kind, by share and in all: how many, how often silent, coverage, median width, and the three scores."""
    rows: dict[str, list[Moment]] = defaultdict(list)
    asked = list(asked)
    for moment in asked:
        rows[moment.kind].append(moment)
    for moment in asked:
        rows[f"at {100 * moment.share:.0f} %"].append(moment)
    rows["all"] = asked
    head = f"{'':12} {'asked':>5} {'silent':>6} {'held':>5} {'below':>5} {'above':>5} {'width':>6}   score: ours, present loss, line"
    return "\n".join([head, *(_row(name, each) for name, each in rows.items())])


def _row(name: str, asked: list[Moment]) -> str:
    told = [(moment, moment.ours) for moment in asked if moment.ours]
    start = f"{name[:12]:12} {len(asked):5} {len(asked) - len(told):6}"
    if not told:
        return start
    below = sum(m.end < span.low for m, span in told) / len(told)
    above = sum(m.end > span.high for m, span in told) / len(told)
    wide = median((span.high - span.low) / m.now for m, span in told)
    scores = [
        [span.score(m.end) / m.now for span in (ours, m.naive, m.line)]
        for m, ours in told
        if m.naive and m.line
    ]
    means = [fmean(column) for column in zip(*scores, strict=True)]
    shares = f"{100 * (1 - below - above):4.0f}% {100 * below:4.0f}% {100 * above:4.0f}% {100 * wide:5.1f}%"
    return f"{start} {shares}   {'  '.join(f'{100 * mean:6.2f}' for mean in means)}"


def main(folder: Path | None = None) -> None:
    """Ask the runs and print the table."""
    if folder is not None:
        logs = sorted(folder.rglob("*.jsonl"))
        asked = [moment for log in logs for moment in moments(log)]
    else:
        with tempfile.TemporaryDirectory(prefix="mypt-bench-") as name:
            asked = [moment for log in curves.make(Path(name), _SHORT) for moment in moments(log)]
    if not asked:
        print(f"forecast: no finished run below {folder}")
        return
    print(f"forecast of {len({m.run for m in asked})} runs:\n{table(asked)}")
    took = [1000 * moment.seconds for moment in asked if moment.ours]
    if took:
        print(f"forecast: {median(took):.1f} ms where something is said (median; {max(took):.1f} at most)")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
