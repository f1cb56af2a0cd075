"""The list of checkpoints that one moves in: lines of a tree with step, loss and size in columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mypt.bundle import Kind
from mypt.diff import Reached
from mypt.text import loss, printable, size, whole
from tui.names import shortened
from tui.screens.checkpoints.rows import TreeRow, loss_of
from tui.widgets.lines import fit

_HEADER = 1
_UNKNOWN = Reached(None, None)
# From here on names have room beside one more column.
_ROOM_FOR_STEPS = 52
_SIGNS = {Kind.GOLD: "gold ★", Kind.FP16: "fp16"}


class BundleTree(ScrollView, can_focus=True):
    """Shows lines; remembers the chosen one by its name, wherever it moves to."""

    HELP_NAME = "the tree of checkpoints"

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"tree--{name}" for name in ("head", "dim", "gold", "trouble", "mark", "cursor", "number", "name")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", False, id="tree.up", tooltip="The checkpoint above"),
        Binding("down,j", "move(1)", "Down", False, id="tree.down", tooltip="The checkpoint below"),
        Binding("pageup", "page(-1)", "Page up", False, id="tree.page-up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", False, id="tree.page-down", tooltip="A page down"),
        Binding("home", "edge(-1)", "First", False, id="tree.first", tooltip="The first checkpoint"),
        Binding("end", "edge(1)", "Last", False, id="tree.last", tooltip="The last checkpoint"),
    ]

    @dataclass
    class Chosen(Message):
        """Another line was chosen (None: there are none any more)."""

        row: TreeRow | None

    @dataclass
    class Opened(Message):
        """A line was clicked twice."""

        row: TreeRow

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: Sequence[TreeRow] = ()
        self._numbers: Mapping[str, Reached] = {}
        self._marked: Collection[str] = ()
        self._at = 0
        self._missed: str | None = None
        self._names: frozenset[str] = frozenset()

    @property
    def rows(self) -> Sequence[TreeRow]:
        """What is shown."""
        return self._rows

    @property
    def row(self) -> TreeRow | None:
        """The chosen line."""
        return self._rows[self._at] if self._at < len(self._rows) else None

    @property
    def has_signs(self) -> bool:
        """Whether a loss has the sign of an earlier step, since there is no room to say which."""
        _, value, at, _ = self._columns(self.scrollable_content_region.width)
        earlier = any(n.at is not None and n.loss is not None for n in self._numbers.values())
        return earlier and value > 0 and at == 0

    def show(
        self, rows: Sequence[TreeRow], numbers: Mapping[str, Reached], marked: Collection[str] = ()
    ) -> None:
        """Show these lines. The chosen one stays chosen and stays where it is on the screen.

        One that is gone leaves the choice to the line in its place, until somebody chooses or it is back: where
        folders cannot be exchanged, each save takes the old bundle away for an instant.
        """
        before, place = self.row, self._at
        if (rows, numbers, marked) == (self._rows, self._numbers, self._marked):
            return
        self._rows, self._numbers, self._marked = rows, dict(numbers), frozenset(marked)
        self._names = frozenset(printable(row.model.name, newline=False) for row in rows)
        self.virtual_size = Size(0, len(rows) + _HEADER)
        places = {row.key: i for i, row in enumerate(rows)}
        key = before.key if before else None
        if self._missed in places:
            key, self._missed = self._missed, None
        if key in places:
            self._at = places[key]
        else:
            self._at = min(place, max(len(rows) - 1, 0))
            self._missed = self._missed or key
        if self._at != place:
            self.scroll_to(y=self.scroll_offset.y + self._at - place, animate=False, immediate=True)
        self._keep_in_view()
        self.refresh()
        if self.row != before:
            self.post_message(self.Chosen(self.row))

    def choose(self, key: str) -> bool:
        """Choose the line of this name; False where there is none."""
        for place, row in enumerate(self._rows):
            if row.key == key:
                self._go(place)
                return True
        return False

    def action_move(self, by: int) -> None:
        """Up or down."""
        self._go(self._at + by)

    def action_page(self, way: int) -> None:
        """A page up or down."""
        self._go(self._at + way * max(self.size.height - _HEADER - 1, 1))

    def action_edge(self, way: int) -> None:
        """To the first or the last line."""
        self._go(0 if way < 0 else len(self._rows) - 1)

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked; twice opens it."""
        place = int(event.y) - self.gutter.top - _HEADER + self.scroll_offset.y
        if event.y - self.gutter.top >= _HEADER and 0 <= place < len(self._rows):
            self._go(place)
            if event.chain == 2:
                self.post_message(self.Opened(self._rows[place]))

    def on_resize(self) -> None:
        """The chosen line stays in view."""
        self.virtual_size = Size(0, len(self._rows) + _HEADER)
        self._keep_in_view()

    def _go(self, place: int) -> None:
        place = min(max(place, 0), max(len(self._rows) - 1, 0))
        if place != self._at and self._rows:
            self._at, self._missed = place, None
            self._keep_in_view()
            self.refresh()
            self.post_message(self.Chosen(self.row))

    def _keep_in_view(self) -> None:
        page = max(self.size.height - _HEADER, 1)
        top = self.scroll_offset.y
        wanted = min(max(top, self._at - page + 1), self._at)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True)

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def render_line(self, y: int) -> Strip:
        """The heading, or a line in view."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        columns = self._columns(width)
        if y < _HEADER:
            head = self._ink("head")
            name = fit("  model", width - sum(columns))
            cells = [
                fit_right(word, wide) for word, wide in zip(("step", "val", "", "size"), columns, strict=True)
            ]
            return Strip([Segment(name + "".join(cells), base + head)]).adjust_cell_length(width, base)
        place = y - _HEADER + self.scroll_offset.y
        if place >= len(self._rows):
            return Strip.blank(width, base)
        chosen = place == self._at
        if chosen:
            base += Style(bgcolor=self.get_component_rich_style("tree--cursor").bgcolor)
        segments = [
            Segment(text, base + style) for text, style in self._line(self._rows[place], width, columns)
        ]
        return Strip(segments).adjust_cell_length(width, base)

    def _columns(self, width: int) -> tuple[int, int, int, int]:
        """Widths of step, loss, the step of the loss, and size; those that do not fit are 0, the size first.

        Whether the loss is of an earlier step changes with every save, and no column comes or goes for it.
        """
        value = max((len(loss(n.loss)) for n in self._numbers.values() if n.loss is not None), default=0)
        value = min(max(value + 2, 8), 14)
        if width < 30:
            return (0, value if width >= 14 + value else 0, 0, 0)
        step = max((len(whole(n.step)) for n in self._numbers.values() if n.step is not None), default=0)
        step = min(max(step + 2, 7), 12)
        size = 9 if width >= 36 + value else 0
        return (step, value, step + 2 if size and width >= _ROOM_FOR_STEPS + value else 0, size)

    def _line(self, row: TreeRow, width: int, columns: tuple[int, int, int, int]) -> list[tuple[str, Style]]:
        style = {name: self._ink(name) for name in ("dim", "gold", "trouble", "mark", "number", "name")}
        marked = row.key in self._marked
        info = row.info
        line = [("● " if marked else "  ", style["mark"]), (row.guide, style["dim"])]
        room = width - 2 - cell_len(row.guide)
        name = printable(row.model.name, newline=False) if row.kind is Kind.LAST else _SIGNS[row.kind]
        if info is not None and info.problem:
            line.append((fit("✗ " + name, min(room, cell_len(name) + 4)), style["trouble"]))
            rest = room - min(room, cell_len(name) + 4)
            return [*line, (fit(info.problem, rest), style["trouble"])]
        if info is None:
            words = "not here" if row.gone else "no last checkpoint"
            wide = min(cell_len(name) + 2, max(room - cell_len(words), room // 2))
            return [*line, (fit(name, wide) + fit(words, room - wide), style["dim"])]
        ink = style["gold"] if row.kind is Kind.GOLD else style["name" if row.kind is Kind.LAST else "number"]
        wide = room - sum(columns)
        line.append((fit(shortened(self._names, wide).get(name, name), wide), ink))
        step, value, at = self._numbers.get(row.key, _UNKNOWN)
        shown = (
            "" if step is None else whole(step),
            "" if value is None else loss_of(value, None if columns[2] else at),
            "" if at is None or value is None else f" at {whole(at)}",
            size(info.size),
        )
        line += [(fit_right(text, wide), style["number"]) for text, wide in zip(shown, columns, strict=True)]
        return line

    def _ink(self, name: str) -> Style:
        style = self.get_component_rich_style(f"tree--{name}")
        # The ground is the line's own.
        return Style(color=style.color, bold=style.bold)


def fit_right(text: str, width: int) -> str:
    """`text` at the right end of exactly `width` cells."""
    space = width - cell_len(text)
    return " " * space + text if space >= 0 else fit(text, width)
