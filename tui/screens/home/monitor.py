"""The run in view: what is known of it, its curves with those of the runs laid over them, and what stands below."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from mypt.runs.state import RunState
from mypt.watch.forecast import PROMISE, Forecast, NoForecast
from mypt.watch.run import Run
from tui.chart.curves import FEWEST_SMOOTHED, Metric, metric_data, metrics_of
from tui.chart.model import AXES
from tui.chart.picture import full_window
from tui.chart.widget import Chart
from tui.dashboard import Dashboard, shown_path
from tui.overlay import Overlay
from tui.screens.home import words
from tui.screens.home.below import Below
from tui.screens.home.curves import SMOOTHING, Curves
from tui.screens.home.panels.events import EventList
from tui.screens.home.widgets import Facts
from tui.widgets.states import SIGNS, state_style, state_word

# Redrawing is for a person to see, to whom a curve that is a second old is news; the numbers beside it never wait.
_REDRAW_S = 1.5
# A picture that is nearly due comes together with the numbers that change now, in one frame instead of two.
_NEARLY_S = 0.1
_GRACE_S = 0.35
_ROOM_FOR_TWO = 30
# Room for "3e-04" and "1.2 GB" alike, so that the two plots stand exactly below each other.
_GUTTER = 7


class Monitor(Vertical):
    """Everything about one run. `show` it as often as something is new: only what looks different is drawn."""

    app: Dashboard

    def __init__(self, overlay: Overlay) -> None:
        super().__init__(id="run")
        self.overlay = overlay
        self._run: Run | None = None
        self._others: list[Run] = []
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = 0.0
        self._redraw_pending = False
        self._title: tuple[str, ...] = ()
        self._curves = Curves(overlay)

    def compose(self) -> ComposeResult:
        """Numbers and charts in a pane, the panels below."""
        with Vertical(id="view", classes="pane"):
            yield Facts()
            yield Chart(id="chart")
            yield Chart(id="second", compact=True, classes="gone")
        yield Below()

    def on_mount(self) -> None:
        """As it was left the last time."""
        prefs = self.app.prefs
        self.chart.axis = prefs["axis"] if prefs["axis"] in AXES else "step"
        self.chart.log_y = prefs["log_y"]
        self.chart.hide(key for key in prefs["hidden_curves"] if isinstance(key, str))
        self.second.can_focus = False
        self.below.show_panel()

    @property
    def chart(self) -> Chart:
        """The losses."""
        return self.query_one("#chart", Chart)

    @property
    def second(self) -> Chart:
        """The metric below them."""
        return self.query_one("#second", Chart)

    @property
    def in_sight(self) -> Chart:
        """The chart that keys move a cursor in: the losses, unless there is room for the metric alone."""
        return self.second if self.chart.has_class("gone") else self.chart

    @property
    def below(self) -> Below:
        """The panels."""
        return self.query_one(Below)

    @property
    def run(self) -> Run | None:
        """The run in view."""
        return self._run

    # ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, run: Run | None, others: Sequence[Run] = (), *, at_once: bool = False) -> None:
        """Show this run as it is now, and `others` over its curves; `at_once` does not wait to draw these again."""
        if (run and run.key) != (self._run and self._run.key):
            self.chart.forget_view()
            at_once = True
        self._run, self._others = run, [other for other in others if run is None or other.key != run.key]
        if at_once:
            self._drawn, self._drawn_at = (), 0.0
        view = self.query_one("#view")
        if run is None:
            self._title, view.border_title = (), ""
            self.query_one(Facts).show(None)
            return
        self._show_title(run)
        self.query_one(Facts).show(run, self._curves.expectation(run))
        self.below.show(run)
        self._show_charts()

    def tick(self) -> None:
        """Times left count down between events too."""
        if self._run is not None and self._run.state is RunState.RUNNING:
            self.query_one(Facts).show(self._run, self._curves.expected)

    def _show_title(self, run: Run) -> None:
        colours = self.app.theme_variables
        phase = f" ─ {run.history.phase}" if run.history.phase != "default" else ""
        title = Content.assemble(
            f"{run.label}{phase} ─ ",
            Content.from_rich_text(
                Text(f"{SIGNS[run.state]} {state_word(run.state)}", state_style(run.state, colours))
            ),
        )
        if (look := (title.plain, self.app.theme)) != self._title:
            # The widget does not compare, and setting a title draws the whole pane.
            self._title = look
            self.query_one("#view").border_title = title

    def _show_charts(self) -> None:
        """Redraw now, or when the last picture is a second old; never for nothing."""
        run = self._run
        if run is None:
            return
        prefs = self.app.prefs
        wanted = (
            (run.key, run.history.revision, run.state),
            *((other.key, other.history.revision, self.overlay.colour(other.key)) for other in self._others),
            (self.overlay.colour(run.key), prefs["smoothing"], prefs["metric"], prefs["forecast"]),
            (self.chart.axis, self._is_low),
        )
        if wanted == self._drawn:
            return
        wait = self._drawn_at + _REDRAW_S - time.monotonic()
        if wait > _NEARLY_S:
            if not self._redraw_pending:
                self._redraw_pending = True
                self.set_timer(wait + _GRACE_S, self._redraw)
            return
        self._drawn, self._drawn_at = wanted, time.monotonic()
        self._draw(run)

    @property
    def _is_low(self) -> bool:
        """Whether the terminal has room for one chart only."""
        return self.app.size.height < _ROOM_FOR_TWO

    def _redraw(self) -> None:
        self._redraw_pending = False
        if self.screen.is_current:
            self._show_charts()

    def _draw(self, run: Run) -> None:
        chart, second = self.chart, self.second
        chart.empty_text = (
            "the first values appear here" if not run.state.is_over else "no losses in this log"
        )
        metric = self.metric
        alone = metric is not None and self._is_low
        chart.least_gutter = second.least_gutter = _GUTTER if metric and not alone else 4
        prefs = self.app.prefs
        among = (
            frozenset(each.label for each in self.app.live.workspace.runs) if self._others else frozenset()
        )
        losses = self._curves.losses(
            run,
            self._others,
            weight=prefs["smoothing"],
            foresee=prefs["forecast"],
            axis=chart.axis,
            among=among,
        )
        chart.show(losses)
        second.set_class(metric is None, "gone")
        chart.set_class(alone, "gone")
        second.compact = not alone
        if alone != second.can_focus:
            # Whoever was in the chart that goes is in the one that comes.
            moves = self.screen.focused in (chart, second)
            second.can_focus = alone
            if moves:
                (second if alone else chart).focus()
        if metric is not None:
            second.log_y = metric.key in prefs["log_metrics"]
            stretch = full_window(chart.data, chart.axis)
            shown = metric_data(metric, self._curves.shown(run, self._others))
            second.show(replace(shown, stretch=stretch, among=among))
            second.follow(chart)
        if self._curves.behind:
            self._drawn, self._drawn_at = (), 0.0
            self.set_timer(_NEARLY_S, self._redraw)

    # ── the reader's choices ────────────────────────────────────────────────────────────────────────────────────

    @property
    def metric(self) -> Metric | None:
        """What the second chart shows; None where it is away or nothing has been measured."""
        return next((metric for metric in self._metrics if metric.key == self.app.prefs["metric"]), None)

    @property
    def _metrics(self) -> list[Metric]:
        runs = [self._run, *self._others] if self._run is not None else []
        return metrics_of(run.history for run in runs)

    def next_metric(self) -> None:
        """Through the metrics that there are, then no second chart."""
        if self._run is None:
            return
        there = [metric.key for metric in self._metrics]
        if not there:
            self.notify("this log has no learning rate, speed or memory to show", severity="warning")
            return
        choices = ["", *there]
        now = self.app.prefs["metric"]
        self.app.prefs["metric"] = choices[((choices.index(now) if now in choices else 0) + 1) % len(choices)]
        self._again()

    def next_axis(self) -> None:
        """Steps, tokens, time."""
        self.chart.action_next_axis()

    def toggle_log(self) -> None:
        """Logarithmic or linear: the losses, or the metric where there is room for it alone."""
        self.in_sight.action_log_y()

    def toggle_metric_log(self) -> None:
        """Logarithmic or linear: the second chart, which has other reasons for it than the losses."""
        if self.metric is None:
            self.notify("there is no second chart: m shows one", severity="warning")
            return
        self.second.action_log_y()

    def next_smoothing(self) -> None:
        """Through the weights of the average, then none."""
        now = self.app.prefs["smoothing"]
        place = SMOOTHING.index(now) if now in SMOOTHING else 0
        weight = self.app.prefs["smoothing"] = SMOOTHING[(place + 1) % len(SMOOTHING)]
        self._again()
        if weight and not any(curve.raw is not None for curve in self.chart.data.curves):
            self.notify(
                f"weight {weight:g}: no curve here has the {FEWEST_SMOOTHED} points that smoothing wants"
            )

    def toggle_forecast(self) -> None:
        """Show where the run is expected to end on the chart, or do not."""
        on = self.app.prefs["forecast"] = not self.app.prefs["forecast"]
        expected = self._curves.expectation(self._run) if self._run else None
        if on and isinstance(expected, NoForecast):
            self.notify(f"no forecast: {expected.why}")
        elif on and isinstance(expected, Forecast):
            self.notify(f"{words.expected_loss(expected)} at the end. {PROMISE}", timeout=10)
        elif on and expected is None:
            self.notify("a forecast is for a run that is running")
        self._again()

    def toggle_overlay(self, run: Run) -> bool:
        """Lay a run over the others, or take it away; False where every colour is taken."""
        if self.overlay.toggle(run.key):
            return True
        self.overlay.forget_all_but(known.key for known in self.app.live.workspace.runs)
        if self.overlay.toggle(run.key):
            return True
        self.notify("every colour is taken: u takes all runs off the chart", severity="warning")
        return False

    def write_chart(self) -> None:
        """Ask where the chart is to be written, as a picture or as numbers."""
        run = self._run
        if run is None or not self.chart.data.curves:
            self.notify("there is no curve to write yet", severity="warning")
            return
        # Not before somebody writes: the first picture does not wait for what that needs.
        from tui.screens.home.writing import dialogue

        shown = {each.label: each.history for each in (run, *self._others)}
        self.app.push_screen(dialogue(self.chart, shown, self.app.workspace), self._written)

    def _written(self, path: Path | None) -> None:
        if path is not None:
            self.notify(shown_path(path), title="Saved", timeout=8)

    def back(self) -> bool:
        """Peel one layer off: large panels, the cursor, the zoom. False where there is none."""
        if self.has_class("large-below"):
            self.enlarge_below(large=False)
        elif self.chart.cursor is not None or self.chart.window is not None:
            self.chart.action_escape()
        else:
            return False
        return True

    def enlarge_below(self, *, large: bool | None = None) -> None:
        """The panels take all the room, or give it back."""
        large = not self.has_class("large-below") if large is None else large
        self.set_class(large, "large-below")
        self.below.set_large(large)

    def _again(self) -> None:
        self._drawn, self._drawn_at = (), 0.0
        self._show_charts()

    # ── the two charts, the events and the samples stand at one place ──────────────────────────────────────────

    def on_chart_cursor_moved(self, message: Chart.CursorMoved) -> None:
        """The cursor stands in both charts, and the sample is the one of that step."""
        if message.chart is self.second:
            self.chart.place(self.second.cursor)
            return
        self.second.follow(self.chart)
        self.below.look_at_step(message.step)

    def on_chart_view_changed(self, message: Chart.ViewChanged) -> None:
        """Both charts show the same stretch; the axis and the scale are kept."""
        if message.chart is self.second:
            self._keep_metric_log(message.log_y)
            window = message.window
            if window is None:
                self.chart.action_reset_view()
            else:
                self.chart.look_at(*window)
            return
        if self.chart.axis != self.app.prefs["axis"]:
            self.app.prefs["axis"] = self.chart.axis
            self._again()
        self.app.prefs["log_y"] = self.chart.log_y
        self.second.follow(self.chart)

    def _keep_metric_log(self, on: bool) -> None:
        metric = self.metric
        if metric is not None and on != (metric.key in self.app.prefs["log_metrics"]):
            others = [key for key in self.app.prefs["log_metrics"] if key != metric.key]
            self.app.prefs["log_metrics"] = [*others, metric.key] if on else others

    def on_chart_curves_chosen(self, message: Chart.CurvesChosen) -> None:
        """What is hidden stays hidden; other runs come and go by their own key."""
        if message.chart is self.chart:
            kept = sorted(key for key in message.hidden if not key.startswith("run:"))
            self.app.prefs["hidden_curves"] = kept

    def on_event_list_chosen(self, message: EventList.Chosen) -> None:
        """The cursor goes where the event happened."""
        self.chart.place_at_step(message.step)
