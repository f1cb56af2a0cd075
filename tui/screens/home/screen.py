"""Home: composition and routing. The picture comes from `app.live`; every change arrives as one message."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen

from mypt.runs.record import RunRecord
from mypt.runs.state import RunState
from mypt.watch.run import Run
from tui import starting
from tui.actions import Action, bindings
from tui.chart.curves import chart_data
from tui.chart.widget import Chart
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.home.below import Below
from tui.screens.home.widgets import Facts, RunList, RunStrip, Welcome
from tui.widgets.confirm import Confirm
from tui.widgets.lines import KeyLine, TopLine
from tui.widgets.states import SIGNS, state_style

# Redrawing is for a person to see, to whom a curve that is a second old is news; the numbers beside it never wait.
_REDRAW_S = 1.5
# A picture that is nearly due comes together with the numbers that change now, in one frame instead of two.
_NEARLY_S = 0.1
_GRACE_S = 0.35
_DEMO = ["--config_file", "tiny_char"]


class HomeScreen(Screen[None]):
    """Every run at the left, the one in view at the right: numbers, chart, events, samples, console."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("new", "n", "New run", "Choose a preset, data and settings, and start", "Runs", changes=True),
        Action("stop", "s", "Stop", "Ask the run to save a checkpoint and stop", "Runs", changes=True),
        Action(
            "resume", "r", "Resume", "Go on with a stopped run from its last checkpoint", "Runs", changes=True
        ),
        Action("panel", "l", "Log", "Sample, console output or events", "View"),
        Action("checkpoints", "c", "Checkpoints", "The tree of checkpoints", "Go to"),
        Action("axis", "x", "Axis", "The chart over steps, tokens or time", "View"),
        Action(
            "cursor(-1)",
            "left",
            "Cursor",
            "Read the chart's values off, point by point",
            "View",
            key_display="←→",
        ),
        Action("next_run(1)", "right_square_bracket", "Next run", "Look at the run below", "Runs"),
        Action("next_run(-1)", "left_square_bracket", "Run before", "Look at the run above", "Runs", False),
        Action("demo", "d", "Demo", "Watch a small model learn to tell stories", "Runs", False, changes=True),
        Action("log_y", "y", "Log y", "Logarithmic losses, or linear", "View", False),
        Action("cursor(1)", "right", "Cursor right", "Read the chart's values to the right", "View", False),
        Action("zoom(1)", "plus,equals_sign", "Zoom in", "Show less of the run, larger", "View", False),
        Action("zoom(-1)", "minus", "Zoom out", "Show more of the run", "View", False),
        Action("back", "escape", "Back", "Put the chart's cursor away, show the whole run", "View", False),
    )
    EMPTY_ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("demo", "d", "Demo", "Watch a small model learn to tell stories", "Runs"),
        Action("new", "n", "New run", "Choose a preset, data and settings, and start", "Runs"),
        Action("checkpoints", "c", "Checkpoints", "The tree of checkpoints", "Go to"),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    app: Dashboard

    def __init__(self) -> None:
        super().__init__()
        self.selected: str | None = None
        self._awaited: str | None = None
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = 0.0
        self._redraw_pending = False
        self._title: tuple[str, ...] = ()
        self._settled = False

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
            with Vertical(id="run"):
                with Vertical(id="view", classes="pane"):
                    yield Facts()
                    yield Chart(id="chart")
                yield Below()
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Look at the picture from now on."""
        chart = self.query_one(Chart)
        chart.axis = (
            self.app.prefs["axis"] if self.app.prefs["axis"] in ("step", "tokens", "time") else "step"
        )
        chart.log_y = self.app.prefs["log_y"]
        self.query_one(TopLine).left = f"MyPT  {shown_path(self.app.workspace)}"
        self.app.changed.subscribe(self, self._on_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._refresh_all())
        # Times left count down between events too.
        self.set_interval(5.0, self._tick)
        self.query_one(Below).show_panel()
        # Not before somebody listens: the first message is the one with everything.
        self.app.live.start()

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._refresh_all()

    def on_resize(self) -> None:
        """A narrow terminal has no list to move in."""
        self.query_one(Below).show_panel()
        self.call_after_refresh(self._refresh_all)

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def run_in_view(self) -> Run | None:
        """The run that is looked at."""
        return self.app.live.workspace.get(self.selected) if self.selected else None

    def _on_changed(self, message: Live.Changed) -> None:
        runs = self.app.live.workspace.runs
        if self._awaited:
            there = self.app.live.workspace.find(self._awaited)
            if there:
                self._awaited = None
                self.select(there[0].key)
        if self.selected not in {run.key for run in runs}:
            alive = [run for run in runs if not run.state.is_over]
            self.select((alive or runs)[0].key if runs else None)
        self._show_runs(runs)
        if message.first and not runs:
            self._set_empty(True)
        if message.console:
            self.query_one(Below).show_console()
        if (
            self.selected in message.changes.updated
            or message.first
            or self.selected in message.changes.added
        ):
            self._show_run()
        if not message.changes.more and not self._settled:
            self._settled = True
            self.app.call_after_refresh(self.app.post_message, self.app.Settled())

    def select(self, key: str | None) -> None:
        """Look at this run."""
        if key == self.selected:
            return
        self.selected = key
        self.app.live.focus(key)
        self._drawn, self._drawn_at = (), 0.0
        chart = self.query_one(Chart)
        chart.forget_view()
        self._show_runs(self.app.live.workspace.runs)
        self._show_run()
        self.query_one(Below).show_console()

    def _refresh_all(self) -> None:
        self._drawn, self._drawn_at = (), 0.0
        runs = self.app.live.workspace.runs
        self._show_runs(runs)
        self._show_run()

    def _tick(self) -> None:
        run = self.run_in_view
        if run is not None and run.state is RunState.RUNNING and self.is_current:
            self.query_one(Facts).show(run)
            self.query_one(RunList).show(self.app.live.workspace.runs, self.selected)

    def _show_runs(self, runs: list[Run]) -> None:
        if runs:
            self._set_empty(False)
        if not self.is_current:
            return
        if self.size.width >= 100:
            self.query_one(RunList).show(runs, self.selected)
        else:
            self.query_one(RunStrip).show(runs, self.selected)
        counts = [
            (sum(run.state in (RunState.RUNNING, RunState.STARTING) for run in runs), "running"),
            (sum(run.state is RunState.QUEUED for run in runs), "queued"),
            (sum(run.state is RunState.STALLED for run in runs), "stalled"),
        ]
        said = [f"{number} {word}" for number, word in counts if number]
        said.append(f"{len(runs)} run{'s' * (len(runs) != 1)}")
        if self.app.readonly:
            said.append("read-only")
        self.query_one(TopLine).right = " · ".join(said)

    def _set_empty(self, empty: bool) -> None:
        if empty != self.has_class("empty"):
            self.set_class(empty, "empty")
            self.query_one(KeyLine).show(self.EMPTY_ACTIONS if empty else self.ACTIONS)
        focused = self.focused
        if focused is None or not focused.display:
            runs, chart = self.query_one(RunList), self.query_one(Chart)
            self.set_focus(None if empty else runs if self.size.width >= 100 else chart)

    def _show_run(self) -> None:
        run = self.run_in_view
        if not self.is_current:
            return
        view = self.query_one("#view")
        if run is None:
            self._title, view.border_title = (), ""
            self.query_one(Facts).show(None)
            return
        history = run.history
        colours = self.app.theme_variables
        phase = f" ─ {history.phase}" if history.phase != "default" else ""
        title = Content.assemble(
            f"{run.label}{phase} ─ ",
            Content.from_rich_text(
                Text(f"{SIGNS[run.state]} {run.state.value}", state_style(run.state, colours))
            ),
        )
        if (look := (title.plain, self.app.theme)) != self._title:
            # The widget does not compare, and setting a title draws the whole pane.
            self._title = look
            view.border_title = title
        self.query_one(Facts).show(run)
        self.query_one(Below).show(run)
        self._show_chart(run)

    def _show_chart(self, run: Run) -> None:
        """Redraw now, or when the last picture is a second old; never for nothing."""
        wanted = (run.key, run.history.revision, run.state)
        if wanted == self._drawn:
            return
        wait = self._drawn_at + _REDRAW_S - time.monotonic()
        if wait > _NEARLY_S:
            if not self._redraw_pending:
                self._redraw_pending = True
                self.set_timer(wait + _GRACE_S, self._redraw)
            return
        self._drawn, self._drawn_at = wanted, time.monotonic()
        chart = self.query_one(Chart)
        chart.empty_text = (
            "the first values appear here" if not run.state.is_over else "no losses in this log"
        )
        chart.show(chart_data(run.history))

    def _redraw(self) -> None:
        self._redraw_pending = False
        run = self.run_in_view
        if run is not None and self.is_current:
            self._show_chart(run)

    def action_panel(self) -> None:
        """The next panel below the chart."""
        self.query_one(Below).next_panel()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_run_list_chosen(self, message: RunList.Chosen) -> None:
        """The list was moved in, or clicked."""
        self.select(message.key)

    def action_choose(self, index: int) -> None:
        """Look at the run of this number."""
        runs = self.app.live.workspace.runs
        if 0 <= index < len(runs):
            self.select(runs[index].key)

    def action_next_run(self, by: int) -> None:
        """Look at another run."""
        keys = [run.key for run in self.app.live.workspace.runs]
        if keys:
            at = keys.index(self.selected) if self.selected in keys else 0
            self.select(keys[(at + by) % len(keys)])

    def action_axis(self) -> None:
        """Steps, tokens, time."""
        chart = self.query_one(Chart)
        chart.action_next_axis()
        self.app.prefs["axis"] = chart.axis

    def action_log_y(self) -> None:
        """Logarithmic or linear."""
        chart = self.query_one(Chart)
        chart.action_log_y()
        self.app.prefs["log_y"] = chart.log_y

    def action_cursor(self, by: int) -> None:
        """Move the chart's cursor."""
        self.query_one(Chart).action_cursor(by)

    def action_zoom(self, way: int) -> None:
        """Zoom the chart."""
        chart = self.query_one(Chart)
        chart.action_zoom_in() if way > 0 else chart.action_zoom_out()

    def action_back(self) -> None:
        """Peel one layer off: the cursor, then the zoom."""
        chart = self.query_one(Chart)
        if chart.cursor is not None or chart.window is not None:
            chart.action_escape()

    def action_checkpoints(self) -> None:
        """Go to the tree of checkpoints."""
        from tui.screens.checkpoints import CheckpointsScreen

        self.app.push_screen(CheckpointsScreen())

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def action_new(self) -> None:
        """Open the form."""
        if self.app.allow("New run"):
            from tui.screens.launch import LaunchScreen

            self.app.push_screen(LaunchScreen(), self._launched)

    def _launched(self, record: RunRecord | None) -> None:
        if record is not None:
            self._awaited = record.run_id
            self.app.live.hint()

    def action_demo(self) -> None:
        """Start the demo: generated stories, a small model, a minute or two."""
        if self.app.allow("Demo"):
            name = _free_name(self.app.live, "demo")
            arguments = [*_DEMO, "--model_name", name]
            starting.start(self.app, arguments, name, said=f"the demo begins: {name}", done=self._launched)

    def action_resume(self) -> None:
        """Go on from the last checkpoint; with one that has done all its steps, ask how far."""
        run = self.run_in_view
        if run is None or not self.app.allow("Resume"):
            return
        last = starting.last_bundle(self.app, run.name)
        refused = starting.refuse_resume(run.name, run, last)
        over = run.state in (RunState.FAILED, RunState.STOPPED)
        if last is None and over and starting.again(self.app, run, done=self._launched):
            return
        if refused:
            self.notify(f"{refused}; n starts a new run", severity="warning")
        elif starting.is_done(last):
            from tui.screens.launch import LaunchScreen

            self.notify(f"{run.label} has done all its steps: set max_iters higher to go on")
            self.app.push_screen(LaunchScreen(model_name=run.name), self._launched)
        else:
            starting.resume(self.app, run.name, run, done=self._launched)

    def action_stop(self) -> None:
        """Ask the run to save and stop; where it was asked before, offer a signal."""
        run = self.run_in_view
        if run is None or not self.app.allow("Stop"):
            return
        if run.state.is_over:
            self.notify(f"{run.label} is not running", severity="warning")
        elif run.record is None:
            self.notify(
                f"{run.label} was not started by MyPT's own train command, so it cannot be stopped from here",
                severity="warning",
            )
        elif run.directory is not None and run.directory.stop_file.exists():
            question = (
                f"{run.label} was asked to stop and will, after the update or the evaluation that it is busy with. "
                "Send it SIGTERM as well?"
            )
            record = run.record

            def answered(yes: bool | None) -> None:
                if yes:
                    self._stop(record, "terminate")

            self.app.push_screen(Confirm(question, "Send SIGTERM"), answered)
        else:
            self._stop(run.record, "request")

    @work(thread=True, group="stop")
    def _stop(self, record: RunRecord, how: str) -> None:
        from mypt.launch.stop import stop

        result = stop(self.app.workspace, record, how="terminate" if how == "terminate" else "request")
        severity = "information" if result.done else "warning"
        self.app.call_from_thread(self.notify, result.sentence, title=record.model_name, severity=severity)
        self.app.live.hint()


def _free_name(live: Live, wanted: str) -> str:
    taken = {run.name for run in live.workspace.runs} | {bundle.model_name for bundle in live.bundles}
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in taken)
