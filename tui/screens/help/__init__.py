"""The keys of a screen and of the widget in focus, generated from their actions and bindings."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.actions import GLOBAL, Action


class HelpScreen(ModalScreen[None]):
    """What one can press on the screen behind this one."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", tooltip="Back to the screen")
    ]

    def __init__(self, behind: Screen[object]) -> None:
        super().__init__()
        self._behind = behind

    def compose(self) -> ComposeResult:
        """One list, by area."""
        with VerticalScroll(classes="pane") as pane:
            pane.border_title = "Keys"
            pane.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        own: tuple[Action, ...] = getattr(self._behind, "ACTIONS", ())
        areas: dict[str, list[tuple[str, str]]] = {}
        for action in (*own, *GLOBAL):
            areas.setdefault(action.area, []).append((action.key, action.help))
        focused = self._behind.focused
        if focused is not None:
            rows = [
                (self.app.get_key_display(binding), binding.tooltip or binding.description)
                for _, binding in focused._bindings
                if binding.tooltip or binding.description
            ]
            if rows:
                areas[f"In focus: {getattr(focused, 'HELP_NAME', 'this field')}"] = rows
        text = Text()
        for area, entries in areas.items():
            text.append(f"{area}\n", "bold")
            for key, what in entries:
                text.append(f"  {key:<16}", self.app.theme_variables.get("primary", ""))
                text.append(f"{what}\n")
            text.append("\n")
        return text
