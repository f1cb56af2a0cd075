"""Compare: composition and routing. The comparison itself is `mypt.diff`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from mypt.bundle import BundleInfo
from mypt.diff import DETAILS, Row, Side, compare, side_of, to_csv, to_json, to_markdown
from mypt.text import printable
from tui.actions import Action, bindings
from tui.chart.model import series_color
from tui.chart.widget import Chart
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.checkpoints.rows import step_and_loss
from tui.screens.checkpoints.runs import Runs
from tui.screens.compare.curves import model_numbers, overlay
from tui.screens.compare.readout import Readout, meaning
from tui.screens.compare.table import CompareTable, Head, table_lines
from tui.screens.compare.value import ValueScreen
from tui.widgets.lines import KeyLine, TopLine

_ONLY = "compare_only_differences"
_CURVES = "compare_curves"
_DETAILS = "compare_details"
_AREA = "Compare"
_FORMATS: dict[str, Callable[[Sequence[Row], Sequence[Side]], str]] = {
    "Markdown": to_markdown,
    "CSV": to_csv,
    "JSON": to_json,
}


class CompareScreen(Screen[None]):
    """Two or more checkpoints, by their folders' names: settings and results side by side, curves below."""

    CSS_PATH = "compare.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("differences", "d", "Differences", "Only what differs, or every setting", _AREA),
        Action("curves", "c", "Curves", "Show or hide the loss curves", _AREA),
        Action("export('Markdown')", "x", "Copy", "Copy the table as Markdown", _AREA),
        Action("export('CSV')", "X", "Copy CSV", "Copy the table as CSV", _AREA, False),
        Action("export('JSON')", "J", "Copy JSON", "Copy the table as JSON", _AREA, False),
        Action("open", "enter", "Whole value", "Show the values of this setting in full", _AREA),
        Action("details", "m", "Details", "Show or hide files, versions and bookkeeping", _AREA),
        Action("axis", "t", "Axis", "The chart over steps, tokens or time", _AREA, False),
        Action("back", "escape", "Back", "Back to the checkpoints", _AREA),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    app: Dashboard

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = list(names)
        self.rows: list[Row] = []
        self.sides: list[Side] = []
        self._seen: object = None
        self._helps: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """The table, the chart, and the lines around them."""
        yield TopLine()
        yield Static(id="none", markup=False)
        yield CompareTable(id="table")
        yield Readout()
        chart = Chart(id="curves", classes="pane", empty_text="No logs of these models in logs/")
        chart.border_title = "Validation loss"
        yield chart
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Show what is known, and every change from now on."""
        self.query_one(TopLine).left = f"MyPT  {shown_path(self.app.workspace)}  ›  compare"
        chart = self.query_one(Chart)
        chart.axis = self.app.prefs["axis"]
        chart.log_y = self.app.prefs["log_y"]
        self.app.changed.subscribe(self, self._on_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_table())
        self.query_one(CompareTable).focus()
        self._show()
        self._place_curves()
        self.run_worker(self._read_helps, thread=True, group="helps")

    def _read_helps(self) -> None:
        # The settings bring pydantic along, for which nobody shall wait.
        from mypt.settings import fields

        self._helps = {name: fields.help_text(name) for name in fields.names()}
        self.app.call_from_thread(self._show_readout)

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._show()

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def only_differences(self) -> bool:
        """Whether settings that are the same everywhere are left out."""
        return bool(self.app.prefs[_ONLY])

    def _on_changed(self, message: Live.Changed) -> None:
        if self.is_current and (message.bundles or message.first or message.changes.any):
            self._show()

    def _show(self) -> None:
        there = {info.name: info for info in self.app.live.bundles}
        runs = Runs(self.app.live.workspace.runs)
        sides = [self._side(name, there.get(name), runs) for name in self.names]
        if sides != self._seen:
            self._seen = sides
            self.sides, self.rows = sides, compare(sides)
            self._show_table()
        numbers = model_numbers(self.names)
        self.query_one(Chart).show(overlay(numbers, runs))

    def _side(self, name: str, info: BundleInfo | None, runs: Runs) -> Side:
        if info is None:
            return Side(name)
        run = runs.of(info.model_name)
        # The original's bundles say no losses; the log of their run does.
        _, value = step_and_loss(info, run.history if run else None)
        return side_of(info, val_loss=value)

    def _show_table(self) -> None:
        there = {info.name: info for info in self.app.live.bundles}
        chart = self.query_one(Chart)
        numbers = model_numbers(self.names)
        heads = []
        for name in self.names:
            info = there.get(name)
            number = numbers[info.model_name] if info else None
            component = f"chart--{series_color(number)}" if number is not None else ""
            colour = chart.get_component_styles(component).color.hex if component else ""
            shown = name if info is not None else f"{name} (not here)"
            heads.append(Head(shown, colour, broken=info is None or bool(info.problem)))
        only, details = self.only_differences, bool(self.app.prefs[_DETAILS])
        lines = table_lines(self.rows, only_differences=only, details=details)
        self.query_one(CompareTable).show(heads, lines)
        differing = sum(row.differs for row in self.rows if row.group != DETAILS)
        shown_words = "only differences ☑" if only else "only differences ☐"
        top = self.query_one(TopLine)
        top.right = f"{differing} differ{'s' * (differing == 1)} · {shown_words}"
        self.set_class(not lines, "-none")
        if not lines:
            self.query_one("#none", Static).update(self.nothing)

    @property
    def nothing(self) -> Text:
        """What stands in place of the table when there is nothing in it."""
        there = {info.name for info in self.app.live.bundles}
        gone = [printable(name, newline=False) for name in self.names if name not in there]
        if not self.rows:
            return Text("None of these checkpoints is here any more: esc goes back", "dim", justify="center")
        text = Text(justify="center")
        if gone:
            text.append(f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} not here any more\n", "bold")
        else:
            text.append("Nothing differs\n", "bold")
        return text.append("d shows all settings", "dim")

    def _place_curves(self) -> None:
        shown = bool(self.app.prefs[_CURVES])
        self.set_class(not shown, "-no-curves")
        if not shown and self.focused is self.query_one(Chart):
            self.query_one(CompareTable).focus()

    def _show_readout(self) -> None:
        self.query_one(Readout).show(self.query_one(CompareTable).row, self.names, self._helps)

    def on_compare_table_chosen(self, message: CompareTable.Chosen) -> None:
        """Another setting is spoken of."""
        self._show_readout()

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def action_differences(self) -> None:
        """Only what differs, or all; remembered."""
        self.app.prefs[_ONLY] = not self.only_differences
        self._show_table()

    def action_curves(self) -> None:
        """Show or hide the chart; remembered."""
        self.app.prefs[_CURVES] = not self.app.prefs[_CURVES]
        self._place_curves()

    def action_details(self) -> None:
        """Show or hide what checkpoints keep for themselves; remembered."""
        self.app.prefs[_DETAILS] = not self.app.prefs[_DETAILS]
        self._show_table()

    def action_export(self, how: str) -> None:
        """Copy what is shown."""
        rows = [line.row for line in self.query_one(CompareTable).lines if line.row is not None]
        if not rows:
            self.notify("Nothing to copy: no setting differs", severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(_FORMATS[how](rows, self.sides))
        what = "settings that differ" if self.only_differences else "settings"
        self.notify(f"{len(rows)} {what} copied as {how}", markup=False)

    def action_open(self) -> None:
        """The chosen setting in full; on a heading that folds, what is below it."""
        table = self.query_one(CompareTable)
        row = table.row
        if row is not None:
            self.app.push_screen(ValueScreen(row, self.names, meaning(row.name, self._helps)))
        elif table.lines:
            self.action_details()

    def on_compare_table_opened(self, message: CompareTable.Opened) -> None:
        """Clicked twice, or a heading once."""
        self.action_open()

    def action_axis(self) -> None:
        """Steps, tokens, time; the same choice as on Home."""
        chart = self.query_one(Chart)
        chart.action_next_axis()
        self.app.prefs["axis"] = chart.axis

    def action_back(self) -> None:
        """From the chart to the table, from the table to where one came from."""
        table = self.query_one(CompareTable)
        if self.focused is not None and self.focused is not table and table.display:
            table.focus()
        else:
            self.dismiss()
