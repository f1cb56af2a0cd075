"""The table of runs as a widget: draws the lines in view, and of these only those that look different."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mypt.runs.state import RunState
from mypt.watch.run import Run
from tui.doing import ordinal
from tui.names import shortened
from tui.screens.runs import columns
from tui.screens.runs.columns import COLUMNS, GAP, NAME
from tui.widgets.states import PIN, Colours, state_style

_MARGIN = 2


class Row(NamedTuple):
    """What a line shows: all that it depends on."""

    state: RunState
    pinned: bool
    hidden: bool
    cells: tuple[str, ...]


class RunsTable(ScrollView, can_focus=True):
    """Runs in lines below a head that stays. The highlighted one is in view elsewhere too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False, tooltip="The run above", id="table.up"),
        Binding("down,j", "step(1)", "Down", show=False, tooltip="The run below", id="table.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="A page up", id="table.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="A page down", id="table.page-down"),
        Binding("home", "step(-1000000)", "First", show=False, tooltip="The first run", id="table.first"),
        Binding("end", "step(1000000)", "Last", show=False, tooltip="The last run", id="table.last"),
    ]
    DEFAULT_CSS = """
    RunsTable { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }
    """
    HELP_NAME = "the table of runs"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--chosen"}
    empty: reactive[str] = reactive("")

    class Chosen(Message):
        """Another run is to be highlighted."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Opened(Message):
        """The highlighted run is to be looked at."""

    class HeadClicked(Message):
        """The runs are to be sorted by this name."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[str] = []
        self._rows: dict[str, Row] = {}
        self._cells: dict[str, tuple[str, ...]] = {}
        """Of every run that was ever listed, so that a filter that is being written costs little."""
        self._needed: dict[int, int] = {}
        self._fitted: list[tuple[int, int]] = []
        self._sorted: tuple[str, bool] = ("", False)
        self._chosen: int | None = None
        self._names: frozenset[str] = frozenset()

    @property
    def heads(self) -> list[str]:
        """The columns that there is room for, by their heads."""
        return [COLUMNS[index].head for index, _ in self._fitted]

    @property
    def keys(self) -> list[str]:
        """The runs in the order in which they are shown."""
        return self._keys

    def show(
        self,
        runs: Sequence[Run],
        chosen: str | None,
        *,
        changed: Collection[str] | None,
        pinned: Collection[str],
        hidden: Collection[str],
        sorted_by: tuple[str, bool],
        line: Sequence[Run],
    ) -> None:
        """Show these runs in this order. `changed` are the keys of those that may look different, None for all.

        `line` is the whole queue, whose turn is next first: places are counted in it, also where not all are listed.
        `sorted_by` is the name of the order and whether its largest value comes first, for the mark in the head.
        """
        # What changes while it is not listed must not be there as it was.
        for key in [key for key in changed or () if key in self._cells]:
            del self._cells[key]
        places = {run.key: ordinal(at + 1) for at, run in enumerate(line)}
        rows: dict[str, Row] = {}
        for run in runs:
            cells = self._cells.get(run.key)
            if cells is None or changed is None or run.key in places:
                cells = self._cells[run.key] = columns.cells_of(run, places.get(run.key, ""))
            rows[run.key] = Row(run.state, run.key in pinned, run.key in hidden, cells)
        keys = list(rows)
        old, self._rows = self._rows, rows
        names = frozenset(row.cells[NAME] for row in rows.values())
        moved = keys != self._keys or sorted_by != self._sorted or names != self._names
        self._names = names
        self._sorted = sorted_by
        if moved:
            self._keys = keys
            self.virtual_size = Size(self.scrollable_content_region.width, len(keys) + 1)
        if self._fit() or moved:
            self.refresh()
        else:
            for index, key in enumerate(keys):
                if old.get(key) != rows[key]:
                    self._refresh_row(index)
        self._choose_row(keys.index(chosen) if chosen in rows else None)

    def _fit(self) -> bool:
        """Choose the columns anew; True where they are others, or of other widths."""
        needed = columns.widths([row.cells for row in self._rows.values()])
        # A column that has been wide stays so while the runs change: what moves about cannot be read.
        self._needed = {
            index: max(width, self._needed.get(index, 0)) if width else 0 for index, width in needed.items()
        }
        fitted = columns.fit(self._needed, self.size.width - _MARGIN - 1)
        if fitted == self._fitted:
            return False
        self._fitted = fitted
        return True

    def on_resize(self) -> None:
        """Another width has room for other columns."""
        self._needed = {}
        self._fit()
        self.refresh()

    def _choose_row(self, index: int | None) -> None:
        if index == self._chosen:
            return
        for place in (self._chosen, index):
            if place is not None:
                self._refresh_row(place)
        self._chosen = index
        if index is not None:
            # The head covers a line: the row and the one above it must be in view.
            self.scroll_to_region(Region(0, index, 1, 2), animate=False, force=True, immediate=True)

    def _refresh_row(self, index: int) -> None:
        y = index + 1 - self.scroll_offset.y
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def render_line(self, y: int) -> Strip:
        """The head, or the run of that line."""
        width, colours = self.size.width, self.app.theme_variables
        if y == 0:
            return self._strip(self._head(colours), self.rich_style, width)
        index = y - 1 + self.scroll_offset.y
        if not self._keys and self.empty:
            lines = self.empty.split("\n")
            if 2 <= y < 2 + len(lines):
                said = Text(f"  {lines[y - 2]}", "bold" if y == 2 else "dim", no_wrap=True, end="")
                return self._strip(said, self.rich_style, width)
        if index >= len(self._keys):
            return Strip.blank(width, self.rich_style)
        chosen = index == self._chosen
        style = self.get_component_rich_style("table--chosen") if chosen else self.rich_style
        return self._strip(self._line(self._rows[self._keys[index]], colours), style, width)

    def _strip(self, text: Text, style: Style, width: int) -> Strip:
        segments = [s for s in text.render(self.app.console) if s.text and s.text != "\n"]
        return Strip(Segment.apply_style(segments, style)).adjust_cell_length(width, style)

    def _head(self, colours: Colours) -> Text:
        text = Text(" " * _MARGIN, "dim", no_wrap=True, end="")
        by, descending = self._sorted
        marked = False
        for index, width in self._fitted:
            column = COLUMNS[index]
            mine = column.sort == by and not marked
            marked = marked or mine
            arrow = ("▾" if descending else "▴") if mine else " "
            # The mark stands in the gap, so that nothing moves when the order changes.
            told = columns.aligned(column.head, column, width)
            if not column.right:
                told = columns.aligned(column.head + arrow if mine else column.head, column, width)
                arrow = " "
            text.append(told + arrow, f"bold {colours.get('primary', '')}" if mine else "dim")
            text.append(" " * (GAP - 1))
        return text

    def _line(self, row: Row, colours: Colours) -> Text:
        quiet = row.hidden or row.state.is_over
        text = Text(no_wrap=True, end="")
        text.append(f"{PIN if row.pinned else ' '} ", colours.get("primary", ""))
        for index, width in self._fitted:
            column = COLUMNS[index]
            told = row.cells[index]
            if index == NAME:
                told = shortened(self._names, width).get(told, told)
            told = columns.aligned(told, column, width)
            text.append(told, self._cell_style(column.head, row, quiet, colours))
            text.append(" " * GAP)
        if row.hidden:
            text.stylize("dim italic")
        return text

    def _cell_style(self, head: str, row: Row, quiet: bool, colours: Colours) -> str:
        if row.hidden:
            return ""
        if head == "state":
            return state_style(row.state, colours)
        if head == "name":
            return "" if quiet else "bold"
        if head == "best":
            return colours.get("warning", "") if "★" in row.cells[_BEST] else ""
        if head == "curve":
            return "dim" if quiet else colours.get("primary", "")
        return "dim" if head in _SECONDARY else ""

    # ── moving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def on_click(self, event: events.Click) -> None:
        """A click highlights a run, a second one looks at it; on the head it sorts."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            at = _MARGIN
            for index, width in self._fitted:
                if at <= offset.x < at + width + GAP:
                    self.post_message(self.HeadClicked(COLUMNS[index].sort))
                at += width + GAP
            return
        index = offset.y - 1 + self.scroll_offset.y
        if index < len(self._keys):
            if index == self._chosen and event.chain > 1:
                self.post_message(self.Opened())
            self._to(index)

    def action_step(self, by: int) -> None:
        """So many runs further."""
        self._to((self._chosen or 0) + by if self._chosen is not None else 0)

    def action_page(self, way: int) -> None:
        """A screenful further."""
        self.action_step(way * max(1, self.size.height - 2))

    def _to(self, index: int) -> None:
        index = min(max(index, 0), len(self._keys) - 1)
        if self._keys and index != self._chosen:
            self.post_message(self.Chosen(self._keys[index]))


_BEST = next(index for index, column in enumerate(COLUMNS) if column.head == "best")
_SECONDARY = frozenset({"at", "batch", "age", "peak lr", "params", "elapsed", "preset", "base", "data"})
