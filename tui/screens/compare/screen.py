"""Compare: composition and routing. The comparison itself is `mypt.diff`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from mypt.diff import DETAILS, Row, Side, compare, preset_of, preset_values, to_csv, to_json, to_markdown
from mypt.text import printable
from tui.actions import Action, bindings
from tui.chart.model import series_color
from tui.chart.widget import Chart
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.compare.curves import OverlaidChart
from tui.screens.compare.items import Compared, Item, RunKey, look_up, numbers
from tui.screens.compare.lines import Head, table_lines
from tui.screens.compare.readout import Readout, meaning
from tui.screens.compare.table import CompareTable
from tui.screens.compare.value import ValueScreen
from tui.screens.home.curves import SMOOTHING
from tui.widgets.lines import KeyLine, TopLine
from tui.widgets.saving import SaveScreen, suggested

_ONLY = "compare_only_differences"
_CURVES = "compare_curves"
_DETAILS = "compare_details"
_AREA = "Compare"
_ENDINGS = {"Markdown": ".md", "CSV": ".csv", "JSON": ".json"}
_FORMATS: dict[str, Callable[[Sequence[Row], Sequence[Side]], str]] = {
    "Markdown": to_markdown,
    "CSV": to_csv,
    "JSON": to_json,
}


class CompareScreen(Screen[None]):
    """Two or more checkpoints and runs: results and settings side by side, their curves below.

    Each of `items` is a checkpoint's folder name (`"dante_gold"`) or `RunKey(run.key)` for a run, which need not have a
    checkpoint; they may be mixed. What goes away while it is shown stays as a column that says so.
    """

    CSS_PATH = "compare.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("differences", "d", "Differences", "Only what differs, or every setting", _AREA),
        Action("curves", "c", "Curves", "Show or hide the loss curves", _AREA),
        Action("save", "e", "Export", "Save the table as a Markdown, CSV or JSON file", _AREA),
        Action("copy('Markdown')", "ctrl+y", "Copy", "Copy the table as Markdown", _AREA),
        Action("copy('CSV')", "C", "Copy CSV", "Copy the table as CSV", _AREA, False),
        Action("copy('JSON')", "J", "Copy JSON", "Copy the table as JSON", _AREA, False),
        Action("open", "enter", "Whole value", "Show the values of this setting in full", _AREA),
        Action("details", "m", "Details", "Show or hide files, versions and bookkeeping", _AREA),
        Action("axis", "x,t", "Axis", "The chart over steps, tokens or time", _AREA),
        Action("smooth", "s", "Smooth", "Smooth the curves: not, a little, more, much", _AREA, False),
        Action("log_y", "y", "Log y", "Logarithmic losses, or linear", _AREA, False),
        Action("back", "escape", "Back", "Back to where you came from", _AREA),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    app: Dashboard

    def __init__(self, items: Sequence[Item]) -> None:
        super().__init__()
        self.items = list(items)
        self.columns: list[Compared] = []
        self.rows: list[Row] = []
        self._presets: dict[str, dict[str, object]] = {}
        self._seen: object = None
        self._helps: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """The table, the chart, and the lines around them."""
        yield TopLine()
        yield Static(id="none", markup=False)
        yield CompareTable(id="table")
        yield Readout()
        chart = OverlaidChart(id="curves", classes="pane", empty_text="No logs of these in logs/")
        chart.border_title = "Validation loss"
        yield chart
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Show what is known, and every change from now on."""
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace), "compare")
        chart = self.query_one(Chart)
        chart.axis = self.app.prefs["axis"]
        chart.log_y = self.app.prefs["log_y"]
        self.app.changed.subscribe(self, self._on_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_table())
        self.query_one(CompareTable).focus()
        self._show()
        self._place_curves()
        self.run_worker(self._read_settings, thread=True, group="settings")

    def _read_settings(self) -> None:
        # The settings bring pydantic along, for which nobody shall wait.
        from mypt.settings import fields

        workspace = self.app.live.workspace
        keys = [item.key for item in self.items if isinstance(item, RunKey)]
        runs = [run for key in keys if (run := workspace.get(key)) is not None]
        named = {name for run in runs if (name := preset_of(run))}
        presets = {name: preset_values(self.app.workspace, name) for name in named}
        helps = {name: fields.help_text(name) for name in fields.names()}
        self.app.call_from_thread(self._take_settings, helps, presets)

    def _take_settings(self, helps: dict[str, str], presets: dict[str, dict[str, object]]) -> None:
        self._helps, self._presets = helps, presets
        if self.is_current:
            self._show()
            self._show_readout()

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

    @property
    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.label for column in self.columns]

    @property
    def sides(self) -> list[Side]:
        """What is compared."""
        return [column.side for column in self.columns]

    def _show(self) -> None:
        live = self.app.live
        columns = look_up(self.items, live.bundles, live.workspace.runs, self._presets)
        # Histories grow by themselves: what the table shows of them is in the sides.
        seen = [(c.label, c.side, c.curve, c.gone, c.broken) for c in columns]
        self.columns = columns
        if seen != self._seen:
            self._seen = seen
            self.rows = compare(self.sides)
            self._show_table()
        self.query_one(OverlaidChart).lay(self.columns, self.app.prefs["smoothing"])

    def _show_table(self) -> None:
        chart = self.query_one(Chart)
        colours = numbers(self.columns)
        heads = []
        for column in self.columns:
            component = f"chart--{series_color(colours[column.curve])}"
            colour = "" if column.gone else chart.get_component_styles(component).color.hex
            shown = f"{column.label} (not here)" if column.gone else column.label
            heads.append(Head(shown, colour, broken=column.gone or column.broken))
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
        gone = [printable(column.label, newline=False) for column in self.columns if column.gone]
        if not self.rows:
            return Text("None of these is here any more: esc goes back", "dim", justify="center")
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

    @property
    def _rows_in_view(self) -> list[Row]:
        return [line.row for line in self.query_one(CompareTable).lines if line.row is not None]

    def _said(self, number: int) -> str:
        kind = "settings that differ" if self.only_differences else "settings"
        return f"{number} {kind}"

    def action_copy(self, how: str) -> None:
        """Copy what is shown."""
        rows = self._rows_in_view
        if not rows:
            self.notify(
                "Nothing to copy: no setting differs; d shows them all", severity="warning", markup=False
            )
            return
        self.app.copy(_FORMATS[how](rows, self.sides), f"{self._said(len(rows))} as {how}")

    def action_save(self) -> None:
        """Save what is shown as a file."""
        rows, sides = self._rows_in_view, self.sides
        if not rows:
            self.notify(
                "Nothing to export: no setting differs; d shows them all", severity="warning", markup=False
            )
            return
        what = f"{self._said(len(rows))} of {', '.join(printable(n, newline=False) for n in self.names)}"
        screen = SaveScreen(
            "Export the comparison",
            what,
            _ENDINGS,
            suggested("comparisons", self.names, "comparison"),
            self.app.workspace,
            lambda how: _FORMATS[how](rows, sides),
        )
        self.app.push_screen(screen, self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            self.notify(shown_path(path), title="Saved", timeout=8)

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

    def action_smooth(self) -> None:
        """The next weight; the same choice as on Home."""
        now = self.app.prefs["smoothing"]
        place = SMOOTHING.index(now) if now in SMOOTHING else 0
        weight = self.app.prefs["smoothing"] = SMOOTHING[(place + 1) % len(SMOOTHING)]
        self.notify(f"smoothing: weight {weight:g}" if weight else "smoothing: off", markup=False)
        self.query_one(OverlaidChart).lay(self.columns, self.app.prefs["smoothing"])

    def action_log_y(self) -> None:
        """Logarithmic or linear; the same choice as on Home."""
        chart = self.query_one(Chart)
        chart.action_log_y()
        self.app.prefs["log_y"] = chart.log_y

    def action_back(self) -> None:
        """From the chart to the table, from the table to where one came from."""
        table = self.query_one(CompareTable)
        if self.focused is not None and self.focused is not table and table.display:
            table.focus()
        else:
            self.dismiss()
