"""What a state is decided from, and the states there are."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mypt.runs.directory import ExitRecord
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord
from mypt.slurm.squeue import Told
from mypt.text import duration

STALLED_AFTER_S = 600.0
"""A run silent for this long is stalled until new bytes come: long enough for an evaluation or a compilation."""
STARTING_GRACE_S = 30.0
"""Between the record and the first word of its supervisor: a Python start on a busy machine."""
GROWS, TRAINS = "its log is growing", "is training"
USUAL = (GROWS, TRAINS)
"""The sentences about a run of which nothing is to be told."""


class RunState(enum.Enum):
    """What a run does, as shown to people."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    STALLED = "stalled"
    LAST_SEEN = "last_seen"

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come from this run (as far as one can tell)."""
        return self in (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a state is decided from.

    `record` is None for a log that nobody recorded. `trainer` and `supervisor` are None where their identity was
    never written. `closing` is the last word of this run in its log, `"complete"` or `"stopped:<reason>:<message>"`,
    None while it has not said one. `silent_s` is the time in seconds since the log last grew or, when this run has
    written no event yet, since it was started or last printed something; None is unknown. `wrote_event` says whether this run wrote any event.
    `stop` is the reason of a stop request. `suspended` says that its process is alive but stopped,
    `here` what this machine is called, `death` how it died without a word (empty where nothing says so), `slurm` what SLURM tells of the run's job (None where it was not asked).
    """

    record: RunRecord | None = None
    trainer: Alive | None = None
    supervisor: Alive | None = None
    exit: ExitRecord | None = None
    closing: str | None = None
    silent_s: float | None = None
    wrote_event: bool = False
    stop: str | None = None
    suspended: bool = False
    here: str = ""
    slurm: Told | None = None
    death: str = ""


def span(seconds: float) -> str:
    """A time in seconds as a sentence has it."""
    if seconds < 3600:
        minutes = int(seconds // 60)
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    return duration(seconds)
