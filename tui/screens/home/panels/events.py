"""The events of the run in view, newest first. The chosen one is where the chart's cursor stands."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from mypt.plotting.clock import stamp_labels
from mypt.text import whole
from mypt.watch.marks import Mark
from mypt.watch.run import Run
from tui.dashboard import Dashboard
from tui.screens.home import words
from tui.widgets.lineview import LineView

_MOST = 300


class EventList(LineView):
    """A line an event. Up and down choose one, and the chart's cursor goes along."""

    HELP_NAME = "the events"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"events--chosen"}
    DEFAULT_CSS = """
    EventList > .events--chosen { background: $primary 25%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "Up", False, id="events.up", tooltip="The event before it in the list"),
        Binding("down", "choose(1)", "Down", False, id="events.down", tooltip="The next one in the list"),
    ]
    app: Dashboard

    @dataclass
    class Chosen(Message):
        """An event was chosen that happened at this step."""

        step: int

    def __init__(self) -> None:
        super().__init__(id="event-lines", empty="nothing has happened yet")
        self._marks: list[Mark] = []
        self._listed: tuple[object, ...] = ()
        self._chosen: Mark | None = None

    def show_run(self, run: Run) -> None:
        """Show what happened in this run."""
        marks = run.history.latest_lines(_MOST)
        today = date.fromtimestamp(time.time())
        listed = (run.key, len(marks), marks[-1] if marks else None, self.app.theme, today)
        if listed == self._listed:
            return
        if self._listed and self._listed[0] != run.key:
            self._chosen = None
        self._listed = listed
        self._marks = list(reversed(marks))
        width = max((len(whole(mark.step)) for mark in marks), default=1)
        colours = self.app.theme_variables
        clocks = stamp_labels([mark.timestamp for mark in self._marks], today)
        lines = zip(self._marks, clocks, strict=True)
        self.show([words.event_line(mark, clock, colours, width) for mark, clock in lines])

    def heading(self) -> str:
        """What it is."""
        return "Events"

    def note(self) -> str:
        """Nothing else."""
        return ""

    def set_large(self, large: bool) -> None:
        """It looks the same."""

    def action_choose(self, by: int) -> None:
        """Choose the next event in the list, or the first."""
        if not self._marks:
            return
        at = self._marks.index(self._chosen) + by if self._chosen in self._marks else 0
        self._choose(min(max(at, 0), len(self._marks) - 1))

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        at = int(event.y) + self.scroll_offset.y
        if at < len(self._marks):
            self._choose(at)

    def _choose(self, at: int) -> None:
        self._chosen = self._marks[at]
        if not self.scroll_offset.y <= at < self.scroll_offset.y + self.size.height:
            self.scroll_to(y=max(at - self.size.height // 2, 0), animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Chosen(self._chosen.step))

    def render_line(self, y: int) -> Strip:
        """One line in view; the chosen one stands out while this has the focus."""
        strip = super().render_line(y)
        at = y + self.scroll_offset.y
        if self.has_focus and at < len(self._marks) and self._marks[at] is self._chosen:
            ground = self.get_component_rich_style("events--chosen").bgcolor
            return Strip(Segment.apply_style(strip, post_style=Style(bgcolor=ground)), strip.cell_length)
        return strip
