"""Keys that were typed while a screen opens: they wait, and go to it one after the other once it takes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from time import monotonic
from typing import Any, Protocol, runtime_checkable
from weakref import WeakKeyDictionary, WeakSet

from textual.app import App
from textual.events import Event, Key, MouseEvent, Paste
from textual.message import Message
from textual.screen import Screen

_LOOK_EVERY_S = 0.02
_OPENING_AT_MOST_S = 10.0
"""What is not there by then has failed, or its disk does not answer: who types is held up no longer."""
_PASSING_AT_MOST_S = 2.0
_OLD_AFTER_S = 10.0
"""Nobody means what was typed so long ago."""
_MOST = 200
_LEAVES = "ctrl+q"


@runtime_checkable
class Reading(Protocol):
    """A screen that shows its frame before it can be typed into."""

    @property
    def takes_keys(self) -> bool:
        """Whether what it was to read is there."""
        ...


class Passed(Message):
    """Goes the way of a key, behind it: when it has come to the end, so has the key."""

    def __init__(self, reached: asyncio.Event) -> None:
        super().__init__()
        self.reached = reached


class TypeAhead:
    """Holds keys while the screen that was asked for cannot take them; the mouse meanwhile points at what has gone.

    Opening a screen may import it first, which takes a moment during which people type on. What they type is for the
    new screen, and what they click at is not there any more.
    """

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._undrawn: WeakSet[Screen[Any]] = WeakSet()
        self._patience: WeakKeyDictionary[Screen[Any], float] = WeakKeyDictionary()
        """Until when each screen that was opened is waited for."""
        self._kept: deque[tuple[float, Key | Paste]] = deque()
        self._given: Event | None = None
        self._task: asyncio.Task[None] | None = None

    def opened(self, screen: Screen[Any]) -> None:
        """`screen` is in front now: what is typed waits until it is drawn and has read what it needs."""
        if screen in self._patience:
            return
        self._patience[screen] = monotonic() + _OPENING_AT_MOST_S
        self._undrawn.add(screen)
        screen.call_after_refresh(self._undrawn.discard, screen)
        if self._task is None:
            self._task = asyncio.create_task(self._give_all(), name="type ahead")

    def keeps(self, event: Event) -> bool:
        """Whether the event is kept for later, or dropped: then nobody else is to see it."""
        if self._task is None or event is self._given:
            return False
        if isinstance(event, MouseEvent):
            return self._app.screen in self._undrawn
        if not isinstance(event, Key | Paste):
            return False
        if isinstance(event, Key):
            if event.key == _LEAVES:
                return False
            screen = self._app.screen
            if event.key == "escape" and screen not in self._undrawn and self._is_busy(screen):
                # Whoever does not want to wait for what is being read goes back, and wants nothing of it.
                self._kept.clear()
                return False
        if len(self._kept) < _MOST:
            self._keep(event)
        return True

    def _keep(self, event: Key | Paste) -> None:
        """Behind all that were typed before: one that was on its way to the old screen may come later than one after it."""
        fresh = Key(event.key, event.character) if isinstance(event, Key) else Paste(event.text)
        fresh.time = event.time
        at = len(self._kept)
        while at and self._kept[at - 1][1].time > event.time:
            at -= 1
        self._kept.insert(at, (monotonic(), fresh))

    async def _give_all(self) -> None:
        try:
            while True:
                await self._until_it_takes_keys()
                if not self._kept:
                    return
                since, event = self._kept.popleft()
                if monotonic() - since < _OLD_AFTER_S:
                    await self._give(event)
        finally:
            self._task = self._given = None

    async def _until_it_takes_keys(self) -> None:
        while self._app.screen_stack and self._is_busy(self._app.screen):
            await asyncio.sleep(_LOOK_EVERY_S)

    def _is_busy(self, screen: Screen[Any]) -> bool:
        busy = screen in self._undrawn or not _takes_keys(screen)
        return busy and monotonic() < self._patience.get(screen, 0.0)

    async def _give(self, event: Key | Paste) -> None:
        """Let it go its usual way, and wait until it has gone all of it: the next may be meant for what it leads to."""
        self._given = event
        self._app.post_message(event)
        passed, drawn = asyncio.Event(), asyncio.Event()

        def follow() -> None:
            target = self._app.focused or self._app.screen
            if not target.post_message(Passed(passed)):
                passed.set()

        self._app.call_later(follow)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(passed.wait(), _PASSING_AT_MOST_S)
            self._app.screen.call_after_refresh(drawn.set)
            await asyncio.wait_for(drawn.wait(), _PASSING_AT_MOST_S)


def _takes_keys(screen: Screen[Any]) -> bool:
    return not isinstance(screen, Reading) or screen.takes_keys
