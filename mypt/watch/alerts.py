"""What in the runs of a workspace is worth a call: ends, trouble, notices and new golds, each told once.

Pure: a `Snapshot` says how a run stands, `Alerts` compares it with how it stood. What was there before somebody
began to look is the past, of which nothing is told; a log that is read anew tells nothing twice.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mypt.runs.state import RunState
from mypt.text import loss, whole
from mypt.watch.clock import seconds_since_epoch
from mypt.watch.run import Run

# A run says many golds and notices in its life; what stands at the end of the list is all that can be new.
_MOST_LATEST = 200
_MOST_TOLD = 5000


class AlertKind(enum.Enum):
    """What happened."""

    FINISHED = "finished"
    FAILED = "failed"
    STALLED = "stalled"
    NAN = "nan"
    NOTICE = "notice"
    GOLD = "gold"

    @property
    def is_trouble(self) -> bool:
        """Whether somebody should look."""
        return self in (AlertKind.FAILED, AlertKind.STALLED, AlertKind.NAN)


class Said(NamedTuple):
    """What the trainer found worth telling and went on, in words."""

    step: int
    text: str


class Gold(NamedTuple):
    """An accepted gold checkpoint."""

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a run stands, in plain values.

    `golds` and `notices` are the latest ones, in the order of their steps. `began` is when it began, in seconds since the epoch
    (None: unknown). `life` tells one life of the run from another under the same name (its first start in the log),
    `attempt` one start from the next, `word` the last event.
    """

    key: str
    label: str
    known: bool
    state: RunState
    sentence: str
    step: int = 0
    max_iters: int | None = None
    val_loss: float | None = None
    golds: tuple[Gold, ...] = ()
    notices: tuple[Said, ...] = ()
    nan_step: int | None = None
    ended_by_nan: bool = False
    began: float | None = None
    life: str = ""
    attempt: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened to one run. `sentence` is for people and printable; `ids` are the same whoever looks.

    Golds that came together are one alert with an id each.
    """

    kind: AlertKind
    run: Snapshot
    sentence: str
    ids: tuple[str, ...]
    golds: tuple[Gold, ...] = ()


def snapshot(run: Run) -> Snapshot:
    """How `run` stands now."""
    history, ended = run.history, run.history.ended
    record = run.record
    return Snapshot(
        key=run.key,
        label=run.label,
        known=run.known,
        state=run.state,
        sentence=run.sentence,
        step=history.step,
        max_iters=history.max_iters,
        val_loss=history.latest("val"),
        golds=tuple(
            Gold(mark.step, math.nan if mark.value is None else mark.value)
            for mark in history.golds[-_MOST_LATEST:]
        ),
        notices=tuple(Said(mark.step, mark.text) for mark in history.notices[-_MOST_LATEST:]),
        nan_step=history.nan_step,
        ended_by_nan=ended is not None and ended.reason == "nan",
        began=_began(run),
        life=history.started_at,
        attempt=record.run_id if record else history.last_start_at,
        word=history.last_event_at,
    )


def _began(run: Run) -> float | None:
    stamps = [run.history.started_at, *(record.created_at for record in run.attempts[:1])]
    return next((moment for stamp in stamps if (moment := seconds_since_epoch(stamp)) is not None), None)


@dataclass(slots=True)
class _Past:
    """What is known of a run from before."""

    state: RunState | None = None
    nan: bool = False
    told: dict[str, None] = field(default_factory=dict)

    def is_new(self, id: str) -> bool:
        if id in self.told:
            return False
        self.told[id] = None
        while len(self.told) > _MOST_TOLD:
            del self.told[next(iter(self.told))]
        return True


class Alerts:
    """Tells what is new in the runs of a workspace from `opened_at` (seconds since the epoch) on."""

    def __init__(self, opened_at: float) -> None:
        # Some logs know no parts of a second.
        self._opened_at = math.floor(opened_at)
        self._past: dict[str, _Past] = {}
        self._old: set[str] = set()

    def begin(self, keys: Iterable[str]) -> None:
        """These runs were there before: what they are when they have been read is the past, whenever they began."""
        self._old.update(keys)

    def look(self, runs: Iterable[Snapshot]) -> list[Alert]:
        """What has happened since the last look, in the order of `runs`. Runs that are still being read wait."""
        return [alert for run in runs if run.known for alert in self._compare(run)]

    def _compare(self, run: Snapshot) -> list[Alert]:
        past = self._past.get(run.key)
        if past is None:
            past = self._past[run.key] = _Past()
            if run.key in self._old or run.began is None or run.began < self._opened_at:
                self._tell(run, past)
                return []
        return self._tell(run, past)

    def _tell(self, run: Snapshot, past: _Past) -> list[Alert]:
        golds = self._golds(run, past)
        alerts = [gold_alert(run, golds)] if golds else []
        alerts += self._notices(run, past)
        before, past.state = past.state, run.state
        if run.state is not before:
            kind = _KINDS.get(run.state)
            if kind is AlertKind.FAILED and run.ended_by_nan:
                kind = AlertKind.NAN
            if kind is not None:
                id = _id(run, kind, run.attempt, run.word)
                # That a loss is no number, and then that the run stopped for it, is one piece of news.
                if past.is_new(id) and not (kind is AlertKind.NAN and past.nan):
                    alerts.append(_ended(run, kind, id))
                past.nan |= kind is AlertKind.NAN
        if run.nan_step is None:
            past.nan = past.nan and run.state is RunState.FAILED
        elif not past.nan:
            past.nan = True
            id = _id(run, AlertKind.NAN, run.nan_step)
            if past.is_new(id):
                words = f"a loss is no finite number since step {whole(run.nan_step)}"
                alerts.append(Alert(AlertKind.NAN, run, words, (id,)))
        return alerts

    def _notices(self, run: Snapshot, past: _Past) -> list[Alert]:
        new = []
        for said in reversed(run.notices):
            id = _id(run, AlertKind.NOTICE, *said)
            if not past.is_new(id):
                break
            new.append((said, id))
        if not new:
            return []
        last, more = new[0][0], f" (and {len(new) - 1} more before)" if len(new) > 1 else ""
        words = f"{last.text}, at step {whole(last.step)}{more}"
        return [Alert(AlertKind.NOTICE, run, words, tuple(id for _, id in reversed(new)))]

    def _golds(self, run: Snapshot, past: _Past) -> list[Gold]:
        new = []
        for gold in reversed(run.golds):
            if not past.is_new(_id(run, AlertKind.GOLD, gold.step, f"{gold.value:.6f}")):
                break
            new.append(gold)
        # What an old look has not kept of a long list is not new for that.
        return new[::-1]


_KINDS = {
    RunState.FINISHED: AlertKind.FINISHED,
    RunState.FAILED: AlertKind.FAILED,
    RunState.STALLED: AlertKind.STALLED,
}


def _id(run: Snapshot, kind: AlertKind, *parts: object) -> str:
    return "\n".join(map(str, (run.key, run.life, kind.value, *parts)))


def gold_alert(run: Snapshot, golds: Sequence[Gold]) -> Alert:
    """One alert for golds of one run, at least one, in the order of their steps."""
    last = golds[-1]
    words = f"val {loss(last.value)} at step {whole(last.step)}"
    if len(golds) > 1:
        words = f"{len(golds)} of them, the last with {words}"
    ids = tuple(_id(run, AlertKind.GOLD, gold.step, f"{gold.value:.6f}") for gold in golds)
    return Alert(AlertKind.GOLD, run, words, ids, tuple(golds))


def merged(alerts: Iterable[Alert]) -> list[Alert]:
    """The same alerts, all golds of a run as one."""
    found: dict[object, Alert] = {}
    for alert in alerts:
        key = alert.run.key if alert.kind is AlertKind.GOLD else alert.ids
        before = found.get(key)
        found[key] = gold_alert(alert.run, before.golds + alert.golds) if before else alert
    return list(found.values())


def _ended(run: Snapshot, kind: AlertKind, id: str) -> Alert:
    sentence = run.sentence
    if kind is AlertKind.FINISHED and run.golds:
        gold = run.golds[-1]
        sentence += f"; gold {loss(gold.value)} at step {whole(gold.step)}"
    return Alert(kind, run, sentence, (id,))


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said at once: one alert, or several of a kind."""

    kind: AlertKind
    title: str
    text: str
    alerts: tuple[Alert, ...]


# Up to so many runs are named one by one; a queue whose data has gone fails as a whole.
_MOST_SINGLE = 3
_MOST_NAMED = 6


def notices(alerts: Iterable[Alert]) -> list[Notice]:
    """Alerts as they are said: a few one by one, many of a kind as one, trouble first."""
    together = merged(alerts)
    found: list[Notice] = []
    for kind in sorted(AlertKind, key=lambda kind: not kind.is_trouble):
        of_kind = [alert for alert in together if alert.kind is kind]
        if len(of_kind) <= _MOST_SINGLE:
            found += [
                Notice(kind, f"{alert.run.label} {_WORDS[kind]}", alert.sentence, (alert,))
                for alert in of_kind
            ]
            continue
        labels = [alert.run.label for alert in of_kind]
        named = ", ".join(labels[:_MOST_NAMED])
        more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
        found.append(Notice(kind, f"{len(labels)} runs {_MANY[kind]}", f"{named}{more}", tuple(of_kind)))
    return found


_WORDS = {
    AlertKind.FINISHED: "finished",
    AlertKind.FAILED: "failed",
    AlertKind.STALLED: "stalled",
    AlertKind.NAN: "has a loss that is no number",
    AlertKind.NOTICE: "should be looked at",
    AlertKind.GOLD: "has a new gold",
}
_MANY = {**_WORDS, AlertKind.NAN: "have a loss that is no number", AlertKind.GOLD: "have new golds"}
