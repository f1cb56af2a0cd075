"""When a run did what: from its seconds of training to the clock on the wall."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from typing import NamedTuple


class Clock(NamedTuple):
    """From seconds of training to seconds since the epoch. While a run lay stopped its own time stood still.

    `begins` are the seconds of training at which its processes began, rising; `offsets` what to add from there on.
    """

    begins: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()

    def at(self, seconds: float) -> float | None:
        """Seconds since the epoch when the run had trained for `seconds`; None where its log names no time."""
        if not self.begins:
            return None
        place = max(bisect_right(self.begins, seconds) - 1, 0)
        return seconds + self.offsets[place]

    def went_on(self, seconds: float, stamp: str) -> Clock:
        """The clock of a run that went on from `seconds` of training at the time `stamp`; what came later is void."""
        moment = seconds_since_epoch(stamp)
        if moment is None:
            return self
        kept = sum(begin < seconds for begin in self.begins)
        return Clock((*self.begins[:kept], seconds), (*self.offsets[:kept], moment - seconds))


def seconds_since_epoch(stamp: str) -> float | None:
    """A log's time stamp as seconds since the epoch; one without a zone is in this machine's. None where it is none."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
