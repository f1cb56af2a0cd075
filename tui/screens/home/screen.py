"""Home: composition and routing. The picture comes from `app.live`; every change arrives as one message."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content

from mypt.runs.record import RunRecord
from mypt.runs.state import RunState
from mypt.watch.inventory import in_line
from mypt.watch.run import Run
from tui.actions import Action, bindings
from tui.dashboard import shown_path
from tui.listing import Listing, nearest
from tui.live import Live
from tui.overlay import Overlay
from tui.runview import RunView
from tui.screens.home.actions import ACTIONS, EMPTY_ACTIONS
from tui.screens.home.monitor import Monitor
from tui.screens.home.panels.machine import gpu_summary
from tui.screens.home.widgets import RunList, RunStrip, Welcome
from tui.widgets.filterline import FilterLine
from tui.widgets.lines import KeyLine, TopLine


class HomeScreen(Listing[None]):
    """Every run at the left, the one in view at the right: numbers, chart, events, samples, console."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    EMPTY_ACTIONS: ClassVar[tuple[Action, ...]] = EMPTY_ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)

    def __init__(self) -> None:
        super().__init__()
        self.selected: str | None = None
        self._awaited: str | None = None
        self._settled = False
        self._taken_first: str | None = None
        self._missed: str | None = None
        self._gpus = ""
        self._titles = ("Runs", "")
        self._before: list[str] = []

    def compose(self) -> ComposeResult:
        """Lines at the top and the bottom, the list, and the run in view."""
        yield TopLine()
        yield RunStrip()
        yield Welcome()
        with Horizontal(id="body"):
            runs = RunList()
            runs.add_class("pane")
            runs.border_title = "Runs"
            yield runs
            yield Monitor(Overlay(self.app.prefs, self.app.workspace))
        yield FilterLine()
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Look at the picture from now on."""
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace))
        self.app.changed.subscribe(self, self._on_changed)
        self.app.view_changed.subscribe(self, self._on_view_changed)
        self.app.sampled.subscribe(self, self._on_sampled)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._refresh_all())
        # Times left count down between events too.
        self.set_interval(5.0, self._tick)
        # Not before somebody listens: the first message is the one with everything.
        self.app.live.start()

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._refresh_all()

    def on_resize(self) -> None:
        """A narrow terminal has no list to move in."""
        self.monitor.below.show_panel()
        self.call_after_refresh(self._refresh_all)

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def monitor(self) -> Monitor:
        """Everything about the run in view."""
        return self.query_one(Monitor)

    @property
    def run_in_view(self) -> Run | None:
        """The run that is looked at."""
        return self.app.live.workspace.get(self.selected) if self.selected else None

    @property
    def listed(self) -> list[Run]:
        """The runs as the list has them."""
        return self.app.runview.arrange(self.app.live.workspace.runs)

    def focus_list(self) -> None:
        """Back to the runs, or to the chart where there is no room for them."""
        self.set_focus(self.query_one(RunList) if self.size.width >= 100 else self.monitor.in_sight)

    def _on_view_changed(self, view: RunView) -> None:
        # A run that is not listed any more makes room for one that is; of one that is gone a change will tell.
        keys = [run.key for run in self.listed]
        if keys and self.selected in self.app.live.workspace and self.selected not in keys:
            self._look_at(nearest(self._before, self.selected, keys))
        self._refresh_all()

    def _on_changed(self, message: Live.Changed) -> None:
        runs = self.app.live.workspace.runs
        if message.changes.added or message.changes.removed or message.bundles:
            self.monitor.overlay.follow(self.app.live.present_key)
            # A run that is being renamed is nowhere for a moment: whoever chose no other meanwhile gets it back.
            wanted = self._missed or self.selected
            present = self.app.live.present_key(wanted) if wanted is not None else None
            if present in self.app.live.workspace:
                self._missed = None
                self._look_at(present)
        if self._awaited:
            there = self.app.live.workspace.find(self._awaited)
            if there:
                self._awaited = None
                self.select(there[0].key)
        # Which run is the youngest is known when all logs are read; until then nobody's choice is the first one's.
        known = not message.changes.more and not self._settled
        gone = self.selected not in self.app.live.workspace
        if gone or (known and self.selected == self._taken_first):
            self._missed = (self._missed or self.selected) if gone else None
            first = self.app.runview.first(runs)
            self._taken_first = first.key if first else None
            self._look_at(self._taken_first)
        self._show_runs(runs)
        if message.first and not runs:
            self._set_empty(True)
        if message.console:
            self.monitor.below.show_console()
        news = {*message.changes.updated, *message.changes.added}
        if message.first or news.intersection((self.selected or "", *self.monitor.overlay.keys)):
            self._show_run()
        if not message.changes.more and not self._settled:
            self._settled = True
            self.app.call_after_refresh(self.app.post_message, self.app.Settled())

    def select(self, key: str | None) -> None:
        """Look at this run, which somebody chose."""
        self._missed = None
        self._look_at(key)

    def _look_at(self, key: str | None) -> None:
        if key == self.selected:
            return
        self.selected = key
        self.app.live.focus(key)
        self._show_runs(self.app.live.workspace.runs)
        self._show_run(at_once=True)
        self.monitor.below.show_console()

    def _refresh_all(self) -> None:
        self._show_runs(self.app.live.workspace.runs)
        self._show_run(at_once=True)

    def _tick(self) -> None:
        run = self.run_in_view
        if run is not None and run.state is RunState.RUNNING and self.is_current:
            self.monitor.tick()
            self._show_list(self.listed, self.app.live.workspace.runs)

    def _show_list(self, listed: list[Run], runs: list[Run]) -> None:
        view = self.app.runview
        self.query_one(RunList).show(
            listed,
            self.selected,
            self.monitor.overlay,
            line=in_line(runs),
            pinned=view.pinned,
            hidden=view.hidden,
        )

    def _show_runs(self, runs: list[Run]) -> None:
        if runs:
            self._set_empty(False)
        if not self.is_current:
            return
        listed = self.listed
        self._before = [run.key for run in listed]
        empty = self.app.runview.why_empty(runs) if runs and not listed else ""
        if self.size.width >= 100:
            self.query_one(RunList).empty = empty
            self._show_list(listed, runs)
            self._list_titles(len(listed), len(runs))
        else:
            view = self.app.runview
            self.query_one(RunStrip).show(
                listed, self.selected, empty, pinned=view.pinned, hidden=view.hidden
            )
        counts = [
            (sum(run.state in (RunState.RUNNING, RunState.STARTING) for run in runs), "running"),
            (sum(run.state is RunState.QUEUED for run in runs), "queued"),
            (sum(run.state is RunState.STALLED for run in runs), "stalled"),
        ]
        said = [f"{number} {word}" for number, word in counts if number]
        said.append(f"{len(runs)} run{'s' * (len(runs) != 1)}")
        if self._gpus:
            said.append(self._gpus)
        if self.app.readonly:
            said.append("read-only")
        self.query_one(TopLine).right = " · ".join(said)

    def _list_titles(self, listed: int, there: int) -> None:
        pane, view = self.query_one(RunList), self.app.runview
        titles = (f"Runs {listed} of {there}" if listed < there else "Runs", view.words)
        if titles != self._titles:
            # Setting a title draws the whole pane.
            self._titles = titles
            pane.border_title, pane.border_subtitle = Content(titles[0]), Content(titles[1])

    def _set_empty(self, empty: bool) -> None:
        if empty != self.has_class("empty"):
            self.set_class(empty, "empty")
            self._show_keys()
        focused = self.focused
        if focused is None or not focused.display:
            runs, chart = self.query_one(RunList), self.monitor.in_sight
            self.set_focus(None if empty else runs if self.size.width >= 100 else chart)

    def _show_keys(self) -> None:
        # A key of the second chart is no news where there is none.
        there = self.EMPTY_ACTIONS if self.has_class("empty") else self.ACTIONS
        away = "log_metric" if self.monitor.metric is None else ""
        self.query_one(KeyLine).show([action for action in there if action.name != away])

    def _show_run(self, *, at_once: bool = False) -> None:
        if self.is_current:
            known = map(self.app.live.workspace.get, self.monitor.overlay.keys)
            others = [run for run in known if run is not None]
            self.monitor.show(self.run_in_view, others, at_once=at_once)
            self._show_keys()

    def _on_sampled(self, message: Live.SystemSampled) -> None:
        gpus = gpu_summary(self.app.live.system.history[-1])
        if gpus != self._gpus:
            self._gpus = gpus
            self._show_runs(self.app.live.workspace.runs)
        if self.is_current:
            self.monitor.below.show_system()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_run_list_chosen(self, message: RunList.Chosen) -> None:
        """The list was moved in, or clicked."""
        self.select(message.key)

    def action_choose(self, index: int) -> None:
        """Look at the run of this number."""
        runs = self.listed
        if 0 <= index < len(runs):
            self.select(runs[index].key)

    def action_next_run(self, by: int) -> None:
        """Look at another run."""
        keys = [run.key for run in self.listed]
        if keys:
            at = keys.index(self.selected) if self.selected in keys else 0
            self.select(keys[(at + by) % len(keys)])

    def action_overlay(self) -> None:
        """Lay the run in view over the others, or take it away."""
        run = self.run_in_view
        if run is not None and self.monitor.toggle_overlay(run):
            self._refresh_all()

    def action_only_this(self) -> None:
        """Only the run in view."""
        self.monitor.overlay.clear()
        self._refresh_all()

    def action_compare(self) -> None:
        """Put the run in view beside those on its chart; alone, beside nothing, it says what to press."""
        run = self.run_in_view
        if run is None:
            return
        others = [key for key in self.monitor.overlay.keys if key != run.key]
        if not any(self.app.live.workspace.get(key) for key in others):
            self.notify("space lays runs over each other; v then puts them side by side", severity="warning")
            return
        from tui.screens.compare import CompareScreen, RunKey

        self.app.push_screen(CompareScreen([RunKey(key) for key in (run.key, *others)]))

    def action_write_chart(self) -> None:
        """Ask for a format and a file."""
        self.monitor.write_chart()

    def action_axis(self) -> None:
        """Steps, tokens, time."""
        self.monitor.next_axis()

    def action_log_y(self) -> None:
        """Logarithmic or linear."""
        self.monitor.toggle_log()

    def action_log_metric(self) -> None:
        """The second chart logarithmic or linear."""
        self.monitor.toggle_metric_log()

    def action_smooth(self) -> None:
        """The next weight of the average."""
        self.monitor.next_smoothing()

    def action_metric(self) -> None:
        """The next metric in the second chart."""
        self.monitor.next_metric()
        self._show_keys()

    def action_forecast(self) -> None:
        """The expected end, on the chart or not."""
        self.monitor.toggle_forecast()

    def action_curve(self, number: int) -> None:
        """Hide or show a curve."""
        self.monitor.chart.action_toggle_curve(number)

    def action_cursor(self, by: int) -> None:
        """Move the chart's cursor."""
        self.monitor.in_sight.action_cursor(by)

    def action_zoom(self, way: int) -> None:
        """Zoom the chart."""
        chart = self.monitor.in_sight
        chart.action_zoom_in() if way > 0 else chart.action_zoom_out()

    def action_panel(self, by: int) -> None:
        """The next panel below the chart."""
        self.monitor.below.next_panel(by)

    def action_enlarge(self) -> None:
        """All the room for the panel, or back."""
        self.monitor.enlarge_below()

    def action_find(self) -> None:
        """Search the console output."""
        self.monitor.below.search_console()

    def action_back(self) -> None:
        """Peel one layer off: large panels, the cursor, the zoom; then back to the runs."""
        if not self.monitor.back():
            self.focus_list()

    def action_table(self) -> None:
        """Go to the table; whoever leaves it with Enter looks at that run."""
        from tui.screens.runs import RunsScreen

        self.app.push_screen(RunsScreen(self.selected), self._left_the_table)

    def _left_the_table(self, key: str | None) -> None:
        if key is not None:
            self.select(key)

    def action_checkpoints(self) -> None:
        """Go to the tree of checkpoints."""
        from tui.screens.checkpoints import CheckpointsScreen

        self.app.push_screen(CheckpointsScreen(), self.launched)

    def action_sample(self) -> None:
        """Let the model of the run in view write: its gold, or what there is of it."""
        from tui.screens.sample import sample_of

        run = self.run_in_view
        self.app.push_screen(sample_of(self.app, run.name if run else None))

    def launched(self, record: RunRecord | None) -> None:
        """Look at the run that was started, as soon as it is there."""
        if record is not None:
            self._awaited = record.run_id
            self.app.live.hint()
