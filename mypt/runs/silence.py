"""How long somebody has been silent, whatever the clock on the wall does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable


class Silence:
    """Asked again and again when the last sign of life was, it tells by the wall only how old the first one is.

    From then on the time that passes here counts: a clock that is set, another machine's that is wrong, and a lid that
    was closed for a night make nobody silent, and nobody alive for longer than they were. One thread asks.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._wall = clock, wall
        self._sign: float | None = None
        self._since = 0.0

    def of(self, sign: float) -> float:
        """Seconds since the last sign of life, whose stamp (in seconds since the epoch) is `sign`."""
        now = self._clock()
        if self._sign is None:
            self._since = now - max(0.0, self._wall() - sign)
        elif sign != self._sign:
            # It came after the look before this one, whatever its stamp says.
            self._since = now
        self._sign = sign
        return max(0.0, now - self._since)

    def forget(self) -> None:
        """The next sign is the first one: what it belongs to is another thing than before."""
        self._sign = None
