"""Looks at drafts in threads, one at a time, so that typing never waits and no old look overtakes a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from tui.screens.launch.data_look import DataFacts, check_data, data_key
from tui.screens.launch.draft import Draft
from tui.screens.launch.look import Review, look

# Long enough not to check every letter of a word, short enough to seem immediate.
_SETTLE_S = 0.2


class Reviewed(Message):
    """A look at a draft is done; more will come of it unless it is `final`. `generation` tells old ones from new."""

    def __init__(self, review: Review, *, generation: int, final: bool) -> None:
        super().__init__()
        self.review, self.generation, self.final = review, generation, final


class Looking:
    """Turns changes of the form into `Reviewed` messages to its screen. Used by the UI's thread alone."""

    def __init__(self, screen: Screen[Any], workspace: Path, draft: Callable[[], Draft]) -> None:
        self._screen, self._workspace, self._draft = screen, workspace, draft
        self._timer: Timer | None = None
        self._busy = self._again = False
        # Data is read again only where another draft means other data. Only the one look touches this.
        self._facts: tuple[tuple[Any, ...], DataFacts] | None = None
        self.generation = 0

    def changed(self, *, at_once: bool = False) -> None:
        """The draft is another one than before."""
        self.generation += 1
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if at_once:
            self._look()
        else:
            self._timer = self._screen.set_timer(_SETTLE_S, self._look)

    def done(self, message: Reviewed) -> bool:
        """To be called with every message; whether it is of the draft as it is now."""
        if message.final:
            self._busy = False
            if self._again:
                self._again = False
                self._look()
        return message.generation == self.generation

    def _look(self) -> None:
        if self._busy:
            # What was typed meanwhile is looked at when this one is done.
            self._again = True
            return
        self._busy = True
        draft, generation = self._draft(), self.generation
        self._screen.run_worker(lambda: self._in_thread(draft, generation), thread=True, group="look")

    def _in_thread(self, draft: Draft, generation: int) -> None:
        post = self._screen.post_message
        review = look(draft, self._workspace)
        if review.shown is not None and review.data_is_known:
            key = data_key(review.shown)
            if self._facts is None or self._facts[0] != key:
                post(Reviewed(review, generation=generation, final=False))
                self._facts = (key, check_data(review.shown, at_once=True))
            review = look(draft, self._workspace, self._facts[1])
        post(Reviewed(review, generation=generation, final=True))
