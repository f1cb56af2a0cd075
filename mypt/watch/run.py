"""One run as it lives: its log, its records, and the state that they amount to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from mypt.runs.directory import ExitRecord, RunDirectory, read_exit
from mypt.runs.record import RunRecord
from mypt.runs.silence import Silence
from mypt.runs.state import Evidence, RunState, decide, evidence_of
from mypt.slurm.squeue import Squeue, Told
from mypt.text import printable
from mypt.watch.clock import seconds_since_epoch
from mypt.watch.follow import LogFollower
from mypt.watch.history import RunHistory, RunSummary
from mypt.watch.preview import preview

# Processes are asked for at most this often; a run that is over is looked at again as something may be written late.
_EVALUATE_S = 1.0
_EVALUATE_OVER_S = 5.0
_EVALUATE_SETTLED_S = 60.0
# More attempts than this are history: whether the oldest still runs is not asked any more.
_MOST_ATTEMPTS = 20
_LOG_SUFFIX = "_eval"
# SLURM forgets a job that is over after MinJobAge, five minutes unless a cluster says otherwise.
_FORGOTTEN_S = 900.0
# A file that is so much younger than its last event was not written by whoever trained: more than two time zones can
# be apart, and a day on top.
_COPIED_S = 50 * 3600.0


class Run:
    """A log, the records that name it (none for a log of another trainer), and what they tell together.

    One thread calls `read` and `evaluate` (the workspace does), any other may look at the rest.
    """

    def __init__(
        self,
        key: str,
        workspace: Path,
        log_path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        squeue: Squeue | None = None,
    ) -> None:
        self.key = key
        """The log's path below the workspace (or absolute): the same for the whole life of the run."""
        self.log_path = log_path
        self.attempts: tuple[RunRecord, ...] = ()
        """Every recorded start, oldest first."""
        self.record: RunRecord | None = None
        """The attempt that decides the state: the latest that lives, else the latest."""
        self.label = ""
        """`name`, with the folder where two runs share it."""
        self.state = RunState.STOPPED
        self.sentence = "its log is being read"
        """Why `state` is what it is, for people."""
        self.last_lines: tuple[str, ...] = ()
        """The last lines that a failed run printed, printable; empty where nobody kept them, and for other states."""
        self._history = RunHistory()
        self._preview: RunHistory | None = None
        self.follower = LogFollower(log_path, clock=clock)
        self.reading = True
        """Whether part of the log is still to be read, so that state and curves are not the last word."""
        self.known = False
        """Whether `state` was decided from the whole log."""
        self.gone = False
        """Whether there is no log file (not yet, or no more; what was read stays)."""
        self.found_at = 0.0
        """When the log was last changed as the folder was listed, in seconds since the epoch."""
        self.name = self._file_name()
        self._workspace = workspace
        self._clock = clock
        self._squeue = squeue
        self._over: dict[str, tuple[RunState, str]] = {}
        # How the latest attempt ended, of a run of SLURM's.
        self._end: ExitRecord | None = None
        self._evaluate_at = -math.inf
        self._settled = False
        self._silence = Silence(clock=clock)
        self._grew_at: float | None = None
        # Whether somebody was seen to write to the log.
        self._is_written = False
        self._beginnings: dict[str, Silence] = {}

    @property
    def history(self) -> RunHistory:
        """What the log tells: of a long one, while it is read, what a few lines from every part of it tell."""
        return self._preview or self._history

    # ── for those who look ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def directory(self) -> RunDirectory | None:
        """Where the deciding attempt keeps its files; None without a record."""
        return self.record.directory(self._workspace) if self.record else None

    @property
    def console_path(self) -> Path | None:
        """What the deciding attempt printed; the file is there for runs started by a supervisor."""
        directory = self.directory
        return directory.console if directory else None

    @property
    def born(self) -> float:
        """When the run began, as far as is known, in seconds since the epoch: sorts runs without ever jumping."""
        if self.attempts:
            return _epoch(self.attempts[0].created_at) or 0.0
        return seconds_since_epoch(self.history.started_at) or self.found_at

    @property
    def age_s(self) -> float | None:
        """Seconds since the log last grew; before it has, since the run was recorded. None where unknown."""
        if self._grew_at is not None:
            return max(0.0, self._clock() - self._grew_at)
        last = _epoch(self.record.created_at) if self.record else None
        return None if not last else max(0.0, time.time() - last)

    @property
    def eta_s(self) -> float | None:
        """Seconds from now to the end, while the run is running; None where less than one is left by its steps.

        What follows the last step, or whether anybody still trains what has no record, no count of steps tells.
        """
        eta = self.history.eta_s
        if eta is None or self.state is not RunState.RUNNING:
            return None
        left = eta - (self.age_s or 0.0)
        return left if left >= 1 else None

    @property
    def summary(self) -> RunSummary:
        """The present in plain values, as the log has it."""
        return self.history.summary()

    def sparkline(self, width: int) -> list[float]:
        """At most `width` values that show the shape of the loss."""
        return self.history.sparkline(width)

    # ── for the workspace ───────────────────────────────────────────────────────────────────────────────────────

    def set_attempts(self, attempts: Sequence[RunRecord]) -> bool:
        """Give the records, oldest first; True where they differ from before."""
        attempts = tuple(attempts)
        if attempts == self.attempts:
            return False
        kept = {record.run_id for record in attempts if record in self.attempts}
        self._over = {run_id: over for run_id, over in self._over.items() if run_id in kept}
        self._beginnings = {
            record.run_id: self._beginnings.get(record.run_id) or Silence(clock=self._clock)
            for record in attempts[-_MOST_ATTEMPTS:]
        }
        self._end = None
        self.attempts = attempts
        self.record = attempts[-1] if attempts else None
        self.name = printable(attempts[-1].model_name, newline=False) if attempts else self._file_name()
        self._evaluate_at = -math.inf
        return True

    def read(self, max_bytes: int, *, final: bool = False) -> bool:
        """Take in what is new in the log, at most `max_bytes`; True where something was. Sets `reading`, `gone`."""
        bad, gone, first = self.follower.bad, self.gone, not self.follower.offset
        poll = self.follower.poll(max_bytes, final=final)
        if poll.reset:
            # A copy put there by others may be old.
            self._silence.forget()
            self._is_written = False
            self._history.reset()
            self._preview = None
            self._over.clear()
        elif poll.events and not self.reading:
            self._is_written = True
        if self.follower.modified:
            self._grew_at = self._clock() - self._silence.of(self.follower.modified)
        if poll.events:
            self._history.feed(poll.events)
        self._history.bad_lines = self.follower.bad
        if not poll.more:
            self._preview = None
        elif first:
            self._preview = preview(self.log_path)
        self.gone = poll.gone
        finished = self.reading and not poll.more
        self.reading = poll.more
        changed = bool(poll.events) or poll.reset or self.follower.bad != bad or gone != poll.gone or finished
        if changed:
            self._evaluate_at = -math.inf
        return changed

    @property
    def jobs(self) -> list[str]:
        """The SLURM job of the latest attempt, where SLURM can tell something of it that is not over; or nothing.

        How the attempt ended is known as of the last `evaluate`.
        """
        latest = self.attempts[-1] if self.attempts else None
        if latest is None or latest.origin != "slurm" or latest.job is None:
            return []
        end = self._end
        # One that saved before its limit queues again; what else was said is the last word once SLURM has forgotten it.
        over = end is not None and not end.requeues
        return [] if over and (self.age_s or 0.0) > _FORGOTTEN_S else [latest.job]

    def look_again(self) -> None:
        """Something outside was learnt that may change the state: the next `evaluate` looks."""
        self._evaluate_at = -math.inf

    @property
    def evaluation_due(self) -> bool:
        """Whether `evaluate` would look."""
        return self._clock() >= self._evaluate_at

    def evaluate(self) -> bool:
        """Decide the state anew where it is time to; True where state or sentence changed."""
        now = self._clock()
        if now < self._evaluate_at:
            return False
        latest = self.attempts[-1] if self.attempts else None
        if latest is not None and latest.origin == "slurm" and self._squeue:
            self._end = read_exit(latest.directory(self._workspace))
            if self._told_by_slurm(latest) is None:
                # Its first answer is on its way: nothing wrong is said until then.
                return False
        state, sentence = self._decide()
        self.known = not self.reading
        over = _EVALUATE_SETTLED_S if self._settled else _EVALUATE_OVER_S
        self._evaluate_at = now + (over if state.is_over else _EVALUATE_S)
        if (state, sentence) == (self.state, self.sentence):
            return False
        end = read_exit(self.directory) if state is RunState.FAILED and self.directory else None
        self.last_lines = end.last_lines if end else ()
        self.state, self.sentence = state, sentence
        return True

    def _decide(self) -> tuple[RunState, str]:
        self._settled = False
        if not self.attempts:
            self.record = None
            ended = self._history.ended
            closing = ended.closing if ended else None
            wrote = self.history.has_begun
            silent = self._silent_s()
            if silent is not None and not (self.reading or self._is_written):
                silent += self._older_than_its_file()
            state, sentence = decide(Evidence(closing=closing, silent_s=silent, wrote_event=wrote))
            if self.reading and ended is None and state is RunState.STOPPED:
                sentence = "its log is being read"
            return state, sentence
        found: list[tuple[RunRecord, RunState, str]] = []
        for record in reversed(self.attempts[-_MOST_ATTEMPTS:]):
            state, sentence = self._over.get(record.run_id) or self._decide_attempt(record)
            found.append((record, state, sentence))
            if state in _ALIVE:
                break
        # A refused second start must not hide the first, which lives; a queued one waits behind it.
        for wanted in (_ALIVE, (RunState.QUEUED,)):
            for record, state, sentence in found:
                if state in wanted:
                    self.record = record
                    return state, sentence
        self.record, state, sentence = found[0]
        return state, sentence

    def _decide_attempt(self, record: RunRecord) -> tuple[RunState, str]:
        wrote, closing = self._told_by(record)
        evidence = evidence_of(
            self._workspace,
            record,
            closing=closing,
            silent_s=self._silent_s() if wrote else None,
            wrote_event=wrote,
            silence=self._beginnings.get(record.run_id),
            slurm=self._told_by_slurm(record),
            exit_record=self._end
            if record.origin == "slurm" and record is self.attempts[-1] and self._squeue
            else ...,
        )
        state, sentence = decide(evidence)
        if record is self.attempts[-1]:
            self._settled = evidence.exit is not None and not self.reading
        elif state.is_over and not self.reading and (evidence.exit is not None or record.trainer is not None):
            self._over[record.run_id] = (state, sentence)
        return state, sentence

    def _told_by_slurm(self, record: RunRecord) -> Told | None:
        if record.origin != "slurm" or self._squeue is None:
            return None
        if record.job is not None and record is self.attempts[-1] and not self.jobs:
            return Told()
        return self._squeue.told(record.job, record.run_id)

    def _told_by(self, record: RunRecord) -> tuple[bool, str | None]:
        """Whether this attempt wrote to the log, and its last word there."""
        history = self._history
        if record.run_id in history.run_ids:
            return True, history.closings.get(record.run_id)
        # A start that names no record belongs to the latest one that was there before it.
        if history.run_id is None and record is self.attempts[-1]:
            started, created = seconds_since_epoch(history.last_start_at), _epoch(record.created_at)
            if started is not None and created is not None and started >= created:
                return True, history.ended.closing if history.ended else None
        return False, None

    def _silent_s(self) -> float | None:
        if self._grew_at is not None:
            return max(0.0, self._clock() - self._grew_at)
        return max(0.0, time.time() - self.found_at) if self.found_at else None

    def _older_than_its_file(self) -> float:
        """By how many seconds the last event is older than the file, where that is so much that the file is a copy."""
        stamp = seconds_since_epoch(self.history.last_event_at)
        older = 0.0 if stamp is None else self.follower.modified - stamp
        return older if older > _COPIED_S else 0.0

    def _file_name(self) -> str:
        name = self.log_path.name.removesuffix(".jsonl")
        return printable(name.removesuffix(_LOG_SUFFIX) or name, newline=False)


_ALIVE = (RunState.RUNNING, RunState.STARTING, RunState.STALLED)


def _epoch(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
