"""The table: composition and routing. The same view of the runs (order, filter, pins) as everywhere else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from mypt.runs.record import RunRecord
from mypt.runs.state import RunState
from mypt.watch.inventory import in_line
from mypt.watch.run import Run
from tui.actions import Action, bindings
from tui.dashboard import shown_path
from tui.doing import QUEUE, START
from tui.listing import LIST, Listing, nearest
from tui.live import Live
from tui.runview import RunView
from tui.screens.runs.detail import Detail
from tui.screens.runs.table import RunsTable
from tui.widgets.filterline import FilterLine
from tui.widgets.lines import KeyLine, TopLine

_NO_RUNS = (
    "No runs here yet\n"
    "n chooses a preset and a text, and starts one\n"
    "d starts the demo: a small model learns to tell stories in a minute or two\n"
    "what `mypt train` starts in a shell appears here by itself"
)
_TICKS_A_MINUTE = 12


class RunsScreen(Listing[str | None]):
    """Every run in a line: sort, filter, pin, hide, stop, resume, and the queue. Left with the run to look at."""

    CSS_PATH = "runs.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("open", "enter", "Look at it", "Back to the charts, with this run in view", "Runs"),
        *LIST[:4],
        *START,
        *LIST[4:],
        *QUEUE,
        Action("checkpoints", "c", "Checkpoints", "The tree of checkpoints", "Go to"),
        Action("demo", "d", "Demo", "Watch a small model learn to tell stories", "Runs", False, changes=True),
        Action("back", "escape,t", "Back", "Take the filter away; then back to the charts", "Go to"),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)

    def __init__(self, selected: str | None = None) -> None:
        super().__init__()
        self.selected = selected
        self._awaited: str | None = None
        self._ticks = 0

    def compose(self) -> ComposeResult:
        """Lines at the top and the bottom; between them the table and what is known of its highlighted run."""
        yield TopLine()
        table = RunsTable()
        table.id = "table"
        table.add_class("pane")
        yield table
        yield FilterLine()
        detail = Detail()
        detail.add_class("pane")
        yield detail
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Look at the picture from now on."""
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace), "runs")
        self.app.changed.subscribe(self, self._on_changed)
        self.app.view_changed.subscribe(self, self._on_view_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show(None))
        self.set_interval(60 / _TICKS_A_MINUTE, self._tick)
        self.query_one(RunsTable).focus()
        self.call_after_refresh(self._show, None)

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._show(None)

    def on_resize(self) -> None:
        """Other columns, another number of lines below."""
        self.call_after_refresh(self._show, ())

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def empty_actions(self) -> list[Action]:
        """What can be done where there is no run yet, all of it in sight."""
        by_name = {action.name: replace(action, shown=True) for action in self.ACTIONS}
        return [by_name[name] for name in ("new", "demo", "checkpoints", "back")]

    @property
    def run_in_view(self) -> Run | None:
        """The highlighted run."""
        return self.app.live.workspace.get(self.selected) if self.selected else None

    def launched(self, record: RunRecord | None) -> None:
        """Highlight the run that was started, as soon as it is there."""
        if record is not None:
            self._awaited = record.run_id
            self.app.live.hint()

    def _on_changed(self, message: Live.Changed) -> None:
        if self._awaited and (there := self.app.live.workspace.find(self._awaited)):
            self._awaited = None
            self.selected = there[0].key
        if self.selected is not None:
            self.selected = self.app.live.present_key(self.selected)
        self._show(set(message.changes.updated))

    def _on_view_changed(self, view: RunView) -> None:
        self._show(())

    def _tick(self) -> None:
        # Times left and ages go on between events too; those of runs that are over by the minute.
        self._ticks += 1
        runs = self.app.live.workspace.runs
        alive = [run.key for run in runs if not run.state.is_over]
        self._show(alive if self._ticks % _TICKS_A_MINUTE else None)

    def _show(self, changed: Collection[str] | None) -> None:
        if not self.is_current or not self.is_mounted:
            return
        runs, view, table = self.app.live.workspace.runs, self.app.runview, self.query_one(RunsTable)
        listed = view.arrange(runs)
        keys = [run.key for run in listed]
        if self.selected not in keys:
            self.selected = nearest(table.keys, self.selected, keys)
        table.empty = view.why_empty(runs) if runs else _NO_RUNS
        self.query_one(KeyLine).show(self.ACTIONS if runs else self.empty_actions)
        line = in_line(runs)
        table.show(
            listed,
            self.selected,
            changed=changed,
            pinned=set(view.pinned),
            hidden=view.hidden,
            sorted_by=(view.sort, view.descending),
            line=line,
        )
        detail = self.query_one(Detail)
        detail.display = bool(runs)
        detail.show(self.run_in_view, line)
        self._titles(len(listed), len(runs))
        counts = [
            (sum(run.state in (RunState.RUNNING, RunState.STARTING) for run in runs), "running"),
            (len(line), "queued"),
            (sum(run.state is RunState.STALLED for run in runs), "stalled"),
            (sum(run.state is RunState.FAILED for run in runs), "failed"),
        ]
        said = [f"{number} {word}" for number, word in counts if number]
        said.append(f"{len(runs)} run{'s' * (len(runs) != 1)}")
        if self.app.readonly:
            said.append("read-only")
        self.query_one(TopLine).right = " · ".join(said)

    def _titles(self, listed: int, there: int) -> None:
        view, table = self.app.runview, self.query_one(RunsTable)
        number = f"{listed}" if listed == there else f"{listed} of {there}"
        title, subtitle = f"Runs {number}", view.words
        if (table.border_title, table.border_subtitle) != (title, subtitle):
            table.border_title = title
            table.border_subtitle = Content(subtitle)

    # ── the list ────────────────────────────────────────────────────────────────────────────────────────────────

    def on_runs_table_chosen(self, message: RunsTable.Chosen) -> None:
        """The table was moved in, or clicked."""
        self.selected = message.key
        self._show(())

    def on_runs_table_opened(self) -> None:
        """Twice clicked."""
        self.action_open()

    def on_runs_table_head_clicked(self, message: RunsTable.HeadClicked) -> None:
        """Sort by this column; again, the other way round."""
        self.app.runview.sort_by(message.sort)

    def action_open(self) -> None:
        """Back, with this run in view."""
        self.dismiss(self.selected)

    def focus_list(self) -> None:
        """Back to the runs."""
        self.query_one(RunsTable).focus()

    def action_checkpoints(self) -> None:
        """Go to the tree of checkpoints."""
        from tui.screens.checkpoints import CheckpointsScreen

        self.app.push_screen(CheckpointsScreen(), self.launched)

    def action_back(self) -> None:
        """Peel one layer off: the filter, then the table."""
        if self.app.runview.filter:
            self.app.runview.set_filter("", ())
        else:
            self.dismiss(None)
