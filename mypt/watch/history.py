"""What a run is and was, as its log tells: curves, marks, lines, samples and the plain values of the present."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mypt.watch import marks as words
from mypt.watch import pace
from mypt.watch.column import Column
from mypt.watch.fold import Fold
from mypt.watch.ledger import MOST_LINES
from mypt.watch.marks import Mark, SampleText
from mypt.watch.sparkline import sparkline


class Best(NamedTuple):
    """A validation loss and the step at which it was measured."""

    value: float
    step: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The present of a run in plain values, None where unknown. Losses may be NaN or infinite; times in seconds."""

    step: int = 0
    max_iters: int | None = None
    progress: float | None = None
    phase: str = "default"
    val_loss: float | None = None
    train_loss: float | None = None
    best_val: float | None = None
    best_step: int | None = None
    gold_val: float | None = None
    gold_step: int | None = None
    lr: float | None = None
    grad_norm: float | None = None
    tokens: float = 0.0
    elapsed_s: float = 0.0
    tokens_per_sec: float | None = None
    mfu: float | None = None
    eta_s: float | None = None
    total_params: int | None = None
    started_at: str = ""
    last_event_at: str = ""
    resumes: int = 0
    ended: str | None = None
    ended_reason: str = ""
    ended_message: str = ""
    nan_step: int | None = None
    bad_lines: int = 0


class RunHistory(Fold):
    """Everything that the log of one run has said so far: `feed` it events, read the rest.

    One thread feeds; any other may read at the same time: curves lock themselves, lists are handed out as copies.
    Text for people (phase, marks, samples, `ended`) is printable; `config`, `model`, `runtime`, `settings` and `sources` are as logged.
    """

    @property
    def revision(self) -> int:
        """Grows with every event that was taken in and every reset; equal means that nothing has changed."""
        return self._revision

    @property
    def curves(self) -> Mapping[str, Column]:
        """By name: "val", "train" (a step's own loss), "train_eval" (at evaluations), "eval:<name>", "lr",
        "grad_norm", "tokens_per_sec", "mfu", "memory" (bytes). Only those that have a point.
        """
        return self._columns

    @property
    def golds(self) -> tuple[Mark, ...]:
        """Accepted gold checkpoints."""
        return self._ledger.of("gold")

    @property
    def blocked(self) -> tuple[Mark, ...]:
        """Gold checkpoints refused by a guard; `text` is the reason."""
        return self._ledger.of("blocked")

    @property
    def phases(self) -> tuple[Mark, ...]:
        """Where a curriculum went on; `text` is the new phase."""
        return self._ledger.of("phase")

    @property
    def resumes(self) -> tuple[Mark, ...]:
        """Where a process took over from a checkpoint."""
        return self._ledger.of("resume")

    @property
    def nans(self) -> tuple[Mark, ...]:
        """Where a loss stopped being a finite number."""
        return self._ledger.of("nan")

    @property
    def notices(self) -> tuple[Mark, ...]:
        """What a person should know of and did not stop the run; `value` is the loss of an update that it is about."""
        return self._ledger.of("notice")

    @property
    def samples(self) -> tuple[SampleText, ...]:
        """What the model wrote, oldest first, the latest few hundred."""
        return self._ledger.samples()

    @property
    def has_begun(self) -> bool:
        """Whether the log has told anything of this run."""
        return bool(self._ledger or self.curves or self.started_at)

    @property
    def lines(self) -> tuple[Mark, ...]:
        """The notable events in order, the latest few thousand (steps of training are not among them)."""
        return self.latest_lines(MOST_LINES)

    def latest_lines(self, most: int) -> tuple[Mark, ...]:
        """The last `most` of `lines`, for a list that shows no more."""
        return self._ledger.lines(most)

    @property
    def step(self) -> int:
        """Updates done, as far as the log says."""
        return self._axes.step

    @property
    def tokens(self) -> float:
        """Tokens trained on, over every resume."""
        return self._axes.tokens

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, over every resume."""
        return self._axes.time

    @property
    def max_iters(self) -> int | None:
        """The updates that the run is to make."""
        return self.whole("max_iters") or None

    @property
    def tokens_per_step(self) -> int | None:
        """Tokens of one update."""
        return self.whole("tokens_per_step")

    @property
    def start_step(self) -> int:
        """Where the last start began."""
        return self.whole("start_step") or 0

    @property
    def phase(self) -> str:
        """The present phase of the curriculum; "default" without one."""
        return self._latest_phase or "default"

    @property
    def last_event_at(self) -> str:
        """The time stamp of the latest event, as logged (naive local ISO)."""
        return words.one_line(self._last_stamp, 40)

    @property
    def progress(self) -> float | None:
        """The part that is done, 0 to 1."""
        ended, goal = self.ended, self.max_iters
        if ended and ended.kind == "complete":
            return 1.0
        return min(1.0, self.step / goal) if goal else None

    @property
    def nan_step(self) -> int | None:
        """Since when a loss is not a finite number; None while it is one."""
        return min(self._nan_since.values(), default=None)

    @property
    def best(self) -> Best | None:
        """The lowest validation loss of the present phase: another phase is measured on other data."""
        val = self._columns.get("val")
        if val is None:
            return None
        phase = self._ledger.last("phase")
        since = val.at_or_after("step", phase.step + 1) if phase else None
        later = [p for p in val.points(since.place) if math.isfinite(p.y)] if since else []
        point = min(later, key=lambda p: p.y) if later else val.best()
        return Best(point.y, point.step) if point else None

    @property
    def gold(self) -> Best | None:
        """The gold checkpoint that stands."""
        mark = self._ledger.last("gold")
        return mark and Best(math.nan if mark.value is None else mark.value, mark.step)

    @property
    def tokens_per_sec(self) -> float | None:
        """The present speed: a median, so that one slow step does not show."""
        return pace.tokens_per_sec(self._columns)

    @property
    def seconds_per_step(self) -> float | None:
        """The recent cost of a step with its share of the evaluations."""
        resume = self._ledger.last("resume")
        since = resume.step if resume else 0
        return pace.seconds_per_step(self._columns, since=since, eval_interval=self.whole("eval_interval"))

    @property
    def eta_s(self) -> float | None:
        """Seconds from the last event to the end; None when nobody can know, or when the run has ended."""
        cost, goal = self.seconds_per_step, self.max_iters
        if self.ended or cost is None or goal is None:
            return None
        return max(0, goal - self.step) * cost

    def latest(self, name: str) -> float | None:
        """The last value of a curve."""
        column = self._columns.get(name)
        point = column.last() if column else None
        return point.y if point else None

    def sparkline(self, width: int) -> list[float]:
        """At most `width` values that show the shape of the validation loss, or of the training loss without one."""
        columns = self._columns
        column = columns.get("val") or columns.get("train")
        return sparkline(column, width) if column else []

    def summary(self) -> RunSummary:
        """The present in plain values."""
        best, gold, ended = self.best, self.gold, self.ended
        train, params = self.latest("train"), self.model.get("total_params")
        return RunSummary(
            step=self.step,
            max_iters=self.max_iters,
            progress=self.progress,
            phase=self.phase,
            val_loss=self.latest("val"),
            train_loss=train if train is not None else self.latest("train_eval"),
            best_val=best.value if best else None,
            best_step=best.step if best else None,
            gold_val=gold.value if gold else None,
            gold_step=gold.step if gold else None,
            lr=self.latest("lr"),
            grad_norm=self.latest("grad_norm"),
            tokens=self.tokens,
            elapsed_s=self.elapsed_s,
            tokens_per_sec=self.tokens_per_sec,
            mfu=self.latest("mfu"),
            eta_s=self.eta_s,
            total_params=int(params) if words.is_number(params) else None,
            started_at=self.started_at,
            last_event_at=self.last_event_at,
            resumes=len(self.resumes),
            ended=ended.kind if ended else None,
            ended_reason=ended.reason if ended else "",
            ended_message=ended.message if ended else "",
            nan_step=self.nan_step,
            bad_lines=self.bad_lines + self.impossible,
        )
