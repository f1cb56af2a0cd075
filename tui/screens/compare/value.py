"""One setting in full: what each checkpoint has there, however long it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from mypt.diff import Cell, Row
from mypt.text import printable


class ValueScreen(ModalScreen[None]):
    """The values below each other, wrapped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", tooltip="Back to the table", id="value.close")
    ]

    def __init__(self, row: Row, names: Sequence[str], meaning: str = "") -> None:
        super().__init__()
        self._row, self._names, self._meaning = row, names, meaning

    def compose(self) -> ComposeResult:
        """The setting, then each name with its value."""
        with VerticalScroll(classes="pane") as pane:
            pane.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        row = self._row
        text = Text(printable(row.label, newline=False), "bold")
        text.append(f"   {row.group}{' · differs' if row.differs else ''}\n", "not bold dim")
        if self._meaning:
            text.append(f"{self._meaning}\n", "not bold")
        for name, value, cell, note in zip(self._names, row.texts, row.cells, row.notes, strict=True):
            text.append(f"\n{printable(name, newline=False)}\n", "dim not bold")
            text.append(value, "not bold")
            text.append(f"  {told(row, cell, note)}\n", "dim not bold")
        return text


def told(row: Row, cell: Cell, note: str) -> str:
    """In words: where the value came from, or how far it is from the first one."""
    if cell.missing:
        return "its files do not say"
    if cell.default:
        return "not in its file, where this is what readers take"
    if row.group == "Results":
        return f"{printable(note, newline=False)} from the first" if note else ""
    if note == "default":
        return "by default"
    return f"from the {printable(note, newline=False)}".replace("the the", "the") if note else ""
