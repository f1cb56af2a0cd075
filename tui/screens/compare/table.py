"""Settings down, checkpoints and runs across: the names of both stay in sight while one scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mypt.diff import Row
from tui.names import shortened
from tui.screens.compare.lines import GAP, NOTE_GAP, Head, Line, column_widths, plain, wished
from tui.widgets.lines import fit

_HEADER = 1
_GUTTER = 2
_WIDEST_NAME = 34


class CompareTable(ScrollView, can_focus=True):
    """Draws the lines in view. The chosen line can be opened, since long values are cut."""

    HELP_NAME = "the table"

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"compare--{name}"
        for name in (
            "head",
            "group",
            "name",
            "same",
            "differs",
            "missing",
            "note",
            "sign",
            "cursor",
            "trouble",
        )
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", False, id="compare-table.up", tooltip="The setting above"),
        Binding("down,j", "move(1)", "Down", False, id="compare-table.down", tooltip="The setting below"),
        Binding("left,h", "side(-1)", "Left", False, id="compare-table.left", tooltip="Checkpoints left"),
        Binding("right,l", "side(1)", "Right", False, id="compare-table.right", tooltip="Checkpoints right"),
        Binding("pageup", "page(-1)", "Page up", False, id="compare-table.page-up", tooltip="A page up"),
        Binding(
            "pagedown", "page(1)", "Page down", False, id="compare-table.page-down", tooltip="A page down"
        ),
        Binding("home", "edge(-1)", "First", False, id="compare-table.first", tooltip="The first setting"),
        Binding("end", "edge(1)", "Last", False, id="compare-table.last", tooltip="The last setting"),
    ]

    @dataclass
    class Opened(Message):
        """A setting was clicked twice, or a heading that folds once."""

        row: Row | None

    @dataclass
    class Chosen(Message):
        """Another line was chosen."""

        row: Row | None

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._heads: Sequence[Head] = ()
        self._lines: Sequence[Line] = ()
        self._at = 0
        self._name_width = 0
        self._widths: list[int] = []

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._lines

    @property
    def row(self) -> Row | None:
        """The chosen setting; None on a heading."""
        return self._lines[self._at].row if self._at < len(self._lines) else None

    def show(self, heads: Sequence[Head], lines: Sequence[Line]) -> None:
        """Show these. The chosen setting stays chosen where it is still there."""
        wanted = self._lines[self._at].key if self._at < len(self._lines) else None
        self._heads, self._lines = heads, lines
        self._at = next(
            (i for i, line in enumerate(lines) if wanted is not None and line.key == wanted),
            min(self._at, max(len(lines) - 1, 0)),
        )
        if not self._may_stand(self._at):
            self._at = next((i for i in range(len(lines)) if self._may_stand(i)), 0)
        self._lay_out()
        self._keep_in_view()
        self.refresh()
        self.post_message(self.Chosen(self.row))

    def _may_stand(self, place: int) -> bool:
        return 0 <= place < len(self._lines) and self._lines[place].key is not None

    def action_move(self, by: int) -> None:
        """Up or down, over headings."""
        place = self._at + by
        while 0 <= place < len(self._lines) and not self._may_stand(place):
            place += 1 if by > 0 else -1
        if 0 <= place < len(self._lines):
            self._go(place)
        elif by < 0:
            # The heading above the first setting would stay out of sight for ever.
            self.scroll_to(y=0, animate=False, immediate=True)

    def action_page(self, way: int) -> None:
        """A page up or down."""
        page = max(self.size.height - _HEADER - 1, 1)
        self._go(min(max(self._at + way * page, 0), max(len(self._lines) - 1, 0)))

    def action_edge(self, way: int) -> None:
        """To the first or the last setting."""
        self._go(0 if way < 0 else len(self._lines) - 1)
        if way < 0:
            self.scroll_to(y=0, animate=False, immediate=True)

    def action_side(self, way: int) -> None:
        """To the next checkpoint that is not in sight."""
        starts, now = self._starts, self.scroll_offset.x
        later = [x for x in starts if x > now] if way > 0 else [x for x in reversed(starts) if x < now]
        if later:
            self.scroll_to(x=later[0], animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked; twice opens it."""
        row = int(event.y) - self.gutter.top - _HEADER
        place = row + self.scroll_offset.y
        if row >= 0 and self._may_stand(place):
            self._go(place)
            if event.chain == 2 or self._lines[place].folds:
                self.post_message(self.Opened(self.row))

    def on_resize(self) -> None:
        """Other widths for another room."""
        self._lay_out()
        self._keep_in_view()

    def _go(self, place: int) -> None:
        while 0 <= place < len(self._lines) and not self._may_stand(place):
            place += 1
        if 0 <= place < len(self._lines) and place != self._at:
            self._at = place
            self._keep_in_view()
            self.refresh()
            self.post_message(self.Chosen(self.row))

    def _keep_in_view(self) -> None:
        page = max(self.size.height - _HEADER - (1 if self.show_horizontal_scrollbar else 0), 1)
        top = self.scroll_offset.y
        # With the heading of its group, where that is the line before.
        heading = self._at and self._lines[self._at - 1].row is None
        above = self._at - 1 if heading else self._at
        wanted = min(max(top, self._at - page + 1), above)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True)

    def _lay_out(self) -> None:
        # Known before the scroll bar is: it comes with the lines that do not fit.
        width = self.size.width - (1 if len(self._lines) + _HEADER > self.size.height else 0)
        longest = max((cell_len(plain(line.row.label)) for line in self._lines if line.row), default=8)
        self._name_width = min(
            longest + _GUTTER + GAP, max(_WIDEST_NAME, width // 4), max(width * 2 // 5, 12)
        )
        natural = [
            max(
                [
                    cell_len(plain(head.name)) + 2,
                    *(wished(line, i) for line in self._lines if line.row),
                ]
            )
            + GAP
            for i, head in enumerate(self._heads)
        ]
        self._widths = column_widths(natural, width - self._name_width)
        # At the right end, too, a checkpoint begins where the names end: a number that is cut is another number.
        room, starts = max(width - self._name_width, 0), self._starts
        last = next((x for x in starts if starts[-1] - x <= room), 0)
        wide = self._name_width + max(starts[-1], last + room if last else 0)
        self.virtual_size = Size(wide, len(self._lines) + _HEADER)

    @property
    def _starts(self) -> list[int]:
        """Where each checkpoint's cells begin, and where the last one's end."""
        return list(accumulate(self._widths, initial=0))

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def render_line(self, y: int) -> Strip:
        """The names of the checkpoints, or a line in view."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y < _HEADER:
            return self._assemble([("", self._ink("head"))], self._head_cells(), base, width)
        place = y - _HEADER + self.scroll_offset.y
        if place >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[place]
        if place == self._at:
            base += Style(bgcolor=self.get_component_rich_style("compare--cursor").bgcolor)
        if line.row is None:
            return Strip([Segment(fit(line.heading, width), base + self._ink("group"))])
        sign = "≠ " if line.row.differs else "  "
        name = fit(plain(line.row.label), self._name_width - _GUTTER - GAP) + " " * GAP
        left = [(sign, self._ink("sign")), (name, self._ink("name" if line.row.differs else "same"))]
        parts = [part for number in range(len(self._widths)) for part in self._cell(line, number)]
        return self._assemble(left, parts, base, width)

    def _cell(self, line: Line, number: int) -> list[tuple[str, Style]]:
        """A value, and beside it where it came from if that has room: half a word would say nothing."""
        text, note, room = line.texts[number], line.notes[number], self._widths[number] - GAP
        ink = self._cell_ink(line, number)
        beside = plain(note)
        if not beside or cell_len(text) + NOTE_GAP + cell_len(beside) > room:
            return [(fit(text, room) + " " * GAP, ink)]
        rest = room + GAP - cell_len(text)
        return [(text, ink), (fit(" " * NOTE_GAP + beside, rest), self._ink("note"))]

    def _assemble(
        self, left: list[tuple[str, Style]], right: list[tuple[str, Style]], base: Style, width: int
    ) -> Strip:
        fixed = Strip([Segment(text, base + style) for text, style in left])
        fixed = fixed.adjust_cell_length(self._name_width, base)
        sides = Strip([Segment(text, base + style) for text, style in right])
        start, room = self.scroll_offset.x, max(width - self._name_width, 0)
        sides = sides.crop(start, start + room).adjust_cell_length(room, base)
        return Strip.join([fixed, sides]).crop(0, width)

    def _head_cells(self) -> list[tuple[str, Style]]:
        parts: list[tuple[str, Style]] = []
        names = [plain(head.name) for head in self._heads]
        for head, wide in zip(self._heads, self._widths, strict=True):
            sign = ("✗ ", self._ink("trouble")) if head.broken else ("━ ", self._colour(head.colour))
            if not head.broken and not head.colour:
                sign = ("  ", Style())
            room = wide - 2 - GAP
            told = shortened(names, room)[plain(head.name)]
            parts += [sign, (fit(told, room) + " " * GAP, self._ink("head"))]
        return parts

    def _cell_ink(self, line: Line, number: int) -> Style:
        assert line.row is not None
        if line.differs[number]:
            return self._ink("differs")
        if line.row.cells[number].missing:
            return self._ink("missing")
        return self._ink("name" if line.row.differs else "same")

    def _ink(self, name: str) -> Style:
        style = self.get_component_rich_style(f"compare--{name}")
        # The ground is the line's own.
        return Style(color=style.color, bold=style.bold)

    def _colour(self, name: str) -> Style:
        return Style(color=Color.parse(name).rich_color) if name else Style()
