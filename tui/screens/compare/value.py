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

from mypt.diff import Row
from mypt.text import printable


class ValueScreen(ModalScreen[None]):
    """The values below each other, wrapped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", tooltip="Back to the table")
    ]

    def __init__(self, row: Row, names: Sequence[str]) -> None:
        super().__init__()
        self._row, self._names = row, names

    def compose(self) -> ComposeResult:
        """The setting, then each name with its value."""
        with VerticalScroll(classes="pane") as pane:
            pane.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        text = Text(printable(self._row.name, newline=False), "bold")
        text.append(f"   {self._row.group}{' · differs' if self._row.differs else ''}\n", "not bold dim")
        for name, value in zip(self._names, self._row.texts, strict=True):
            text.append(f"\n{printable(name, newline=False)}\n", "dim not bold")
            text.append(f"{value}\n", "not bold")
        return text
