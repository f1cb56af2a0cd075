"""Below the chart: the events of the run in view, and beside them a sample of its text or its console output."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mypt.text import printable, whole
from mypt.watch.run import Run
from tui.dashboard import Dashboard
from tui.screens.home import words
from tui.widgets.lineview import LineView

_MOST_EVENTS = 300
_PANELS = ("sample", "console", "events")


class Below(Horizontal):
    """Events at the left, sample or console at the right; a narrow terminal has room for one of the three."""

    app: Dashboard

    def __init__(self) -> None:
        super().__init__(id="below")
        self._run: Run | None = None
        self._listed: tuple[object, ...] = ()
        self._sample: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Two panes."""
        with Vertical(id="events", classes="pane") as events:
            events.border_title = "Events"
            yield LineView(id="event-lines", empty="nothing has happened yet")
        with Vertical(id="said", classes="pane"):
            with VerticalScroll(id="sample-scroll"):
                yield Static(id="sample", markup=False)
            yield LineView(id="console", follow=True, empty="no output is kept of this run")

    def show(self, run: Run) -> None:
        """Show what happened in this run; does nothing where nothing did."""
        self._run = run
        marks = run.history.latest_lines(_MOST_EVENTS)
        listed = (run.key, len(marks), marks[-1] if marks else None, self.app.theme)
        if listed == self._listed:
            return
        self._listed = listed
        width = max((len(whole(mark.step)) for mark in marks), default=1)
        colours = self.app.theme_variables
        lines = [words.event_line(mark, colours, width) for mark in reversed(marks)]
        self.query_one("#event-lines", LineView).show(lines)
        self._show_sample(run)

    def _show_sample(self, run: Run) -> None:
        samples = run.history.samples
        if not samples:
            text = Text("no sample yet: one is drawn at each evaluation", "dim")
        else:
            text = Text.assemble((samples[-1].prompt, "dim"), samples[-1].text)
        if (look := (run.key, len(samples), text)) != self._sample:
            # A new text lays the whole screen out anew, since it may be of another height.
            self._sample = look
            self.query_one("#sample", Static).update(text)
            self._title()

    def show_console(self) -> None:
        """Show what the run in view has printed."""
        if self.is_mounted:
            lines = [Text(line, end="") for line in self.app.live.console.lines]
            self.query_one("#console", LineView).show(lines)
            self._title()

    def next_panel(self) -> None:
        """Sample and console in turn, and where there is room for only one pane, events."""
        panels = _PANELS if self._is_narrow else _PANELS[:2]
        now = self.app.prefs["panel"]
        self.app.prefs["panel"] = (
            panels[(panels.index(now) + 1) % len(panels)] if now in panels else panels[0]
        )
        self.show_panel()

    def show_panel(self) -> None:
        """Show the panel that was chosen, as far as there is room."""
        panel, narrow = self.app.prefs["panel"], self._is_narrow
        if panel not in _PANELS or (panel == "events" and not narrow):
            panel = "sample"
        self.query_one("#events").set_class(narrow and panel != "events", "gone")
        self.query_one("#said").set_class(narrow and panel == "events", "gone")
        self.query_one("#sample-scroll").set_class(panel == "console", "gone")
        self.query_one("#console").set_class(panel != "console", "gone")
        self._title()

    @property
    def _is_narrow(self) -> bool:
        return self.app.size.width < 100

    def _title(self) -> None:
        said = self.query_one("#said")
        if self.app.prefs["panel"] == "console":
            path = self.app.live.console.path
            said.border_title = "Console"
            said.border_subtitle = ""
            if path is not None and path.is_relative_to(self.app.workspace):
                shown = printable(str(path.relative_to(self.app.workspace)), newline=False)
                said.border_subtitle = Content(shown)
            return
        samples = self._run.history.samples if self._run else ()
        said.border_title = f"Sample at step {whole(samples[-1].step)}" if samples else "Sample"
        said.border_subtitle = ""
