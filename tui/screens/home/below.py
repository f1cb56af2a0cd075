"""Below the charts: the events, and beside them one of the panels; a narrow terminal has room for one of all."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget

from mypt.watch.run import Run
from tui.dashboard import Dashboard
from tui.screens.home.panels.config import ConfigPanel
from tui.screens.home.panels.console import ConsolePanel
from tui.screens.home.panels.events import EventList
from tui.screens.home.panels.machine import MachinePanel
from tui.screens.home.panels.panel import Panel
from tui.screens.home.panels.samples import SamplePanel

PANELS = ("sample", "console", "config", "machine", "events")


class Below(Horizontal):
    """Shows the panel that the preferences name; `next_panel` goes through them."""

    app: Dashboard

    def __init__(self) -> None:
        super().__init__(id="below")
        self._run: Run | None = None
        self._large = False
        self._titles: dict[str, tuple[str, str]] = {}

    def compose(self) -> ComposeResult:
        """Two panes."""
        with Vertical(id="events", classes="pane"):
            yield EventList()
        with Vertical(id="said", classes="pane"):
            yield SamplePanel()
            yield ConsolePanel()
            yield ConfigPanel()
            yield MachinePanel()

    # ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, run: Run) -> None:
        """Show this run; what is out of sight waits until it is seen."""
        before, self._run = self.panel, run
        if self.panel != before:
            self.show_panel()
        self.query_one(EventList).show_run(run)
        self._panel(self.panel).show_run(run)
        self.title()

    def show_console(self) -> None:
        """Show what the run in view has printed."""
        if self.is_mounted and self.panel == "console":
            self.query_one(ConsolePanel).show_console()
            self.title()

    def show_system(self) -> None:
        """Show what the machine is busy with."""
        if self.panel == "machine":
            self.query_one(MachinePanel).show_system()
            self.title()

    def look_at_step(self, step: int | None) -> None:
        """The chart's cursor stands at this step; None where there is no cursor."""
        self.query_one(SamplePanel).look_at_step(step)
        self.title()

    # ── choosing ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def panel(self) -> str:
        """The panel that is seen beside the events, or instead of them.

        A run that failed before it wrote anything has no sample; there its last words are what one looks for.
        """
        wanted = self.app.prefs["panel"]
        if wanted not in PANELS or (wanted == "events" and not self._alone):
            wanted = "sample"
        run = self._run
        if wanted == "sample" and run is not None and run.last_lines and not run.history.samples:
            return "console"
        return str(wanted)

    def next_panel(self, by: int = 1) -> None:
        """The next panel, or the one before."""
        panels = PANELS if self._alone else PANELS[:-1]
        self.app.prefs["panel"] = panels[(panels.index(self.panel) + by) % len(panels)]
        self.show_panel()

    def choose(self, panel: str) -> None:
        """See this one."""
        self.app.prefs["panel"] = panel
        self.show_panel()

    def show_panel(self) -> None:
        """Show the panel that was chosen, as far as there is room."""
        panel = self.panel
        self.query_one("#events").set_class(self._alone and panel != "events", "gone")
        self.query_one("#said").set_class(self._alone and panel == "events", "gone")
        for name in PANELS:
            if name != "events":
                self._widget(name).set_class(name != panel, "gone")
        self.app.live.system_wanted = panel == "machine"
        if self._run is not None:
            self._panel(panel).show_run(self._run)
        self.show_console()
        self.show_system()
        self.title()

    def set_large(self, large: bool) -> None:
        """All the room there is, for one panel; or little for two."""
        self._large = large
        for name in PANELS:
            self._panel(name).set_large(large)
        self.show_panel()
        if large:
            widget = self._widget(self.panel)
            (widget.view if isinstance(widget, ConsolePanel) else widget).focus()

    def search_console(self) -> None:
        """See the console, and ask what to search for."""
        self.choose("console")
        self.query_one(ConsolePanel).action_search()

    def on_line_view_scrolled(self) -> None:
        """What is out of sight is told in the frame."""
        self.title()

    # ── titles ──────────────────────────────────────────────────────────────────────────────────────────────────

    def title(self) -> None:
        """Write heading and note of what is seen into the frames; only where they are others."""
        self._title("events", self.query_one(EventList))
        if self.panel != "events":
            self._title("said", self._panel(self.panel))

    def _title(self, pane: str, panel: Panel) -> None:
        look = (panel.heading(), panel.note())
        if self._titles.get(pane) != look:
            # Setting a title draws the whole pane.
            self._titles[pane] = look
            frame = self.query_one(f"#{pane}")
            heading, note = look
            frame.border_title, frame.border_subtitle = Content(heading), Content(note)

    @property
    def _alone(self) -> bool:
        return self._large or self.app.size.width < 100

    def _widget(self, name: str) -> Widget:
        kinds: dict[str, type[Widget]] = {
            "sample": SamplePanel,
            "console": ConsolePanel,
            "config": ConfigPanel,
            "machine": MachinePanel,
            "events": EventList,
        }
        return self.query_one(kinds[name])

    def _panel(self, name: str) -> Panel:
        widget = self._widget(name)
        assert isinstance(widget, SamplePanel | ConsolePanel | ConfigPanel | MachinePanel | EventList)
        return widget
