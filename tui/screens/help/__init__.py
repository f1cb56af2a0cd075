"""The keys of a screen and of the widget in focus, generated from their actions and bindings."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from tui.actions import GLOBAL, Action

_KEYS_WIDE = 16


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
            yield Static(self._list())

    def _list(self) -> Group:
        parts: list[RenderableType] = []
        for area, entries in self.areas().items():
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(width=_KEYS_WIDE, style=self.app.theme_variables.get("primary", ""))
            table.add_column()
            for key, what in entries:
                table.add_row(Text(f"  {key}"), Text(what))
            parts += [Text(area, "bold"), table, Text()]
        return Group(*parts[:-1])

    def areas(self) -> dict[str, list[tuple[str, str]]]:
        """By area: keys and what they do."""
        own: tuple[Action, ...] = getattr(self._behind, "ACTIONS", ())
        areas: dict[str, list[tuple[str, str]]] = {}
        told: set[str] = set()
        for action in (*own, *GLOBAL):
            # Where one line shows the keys of both directions, the second has none of its own.
            both = action.name.partition("(")[0]
            if both in told:
                continue
            if action.key_display and len(action.key_display) > 1 and action in own:
                told.add(both)
            areas.setdefault(action.area, []).append((action.all_keys, action.help))
        focused = self._behind.focused
        if focused is not None:
            # Keys that do the same with another number have one line, that of the first.
            by_words: dict[str, str] = {}
            for _, binding in focused._bindings:
                words = binding.tooltip or binding.description
                if words and _does_something(focused, binding.action):
                    by_words.setdefault(words, self.app.get_key_display(binding))
            rows = [(key, words) for words, key in by_words.items()]
            if rows:
                areas[f"In focus: {_name_of(focused)}"] = rows
        return areas


def _does_something(widget: Widget, action: str) -> bool:
    """What scrolls where there is nothing to scroll leaves its key to the screen."""
    if action in ("scroll_left", "scroll_right"):
        return widget.allow_horizontal_scroll
    return widget.allow_vertical_scroll or not action.startswith(("scroll_", "page_"))


def _name_of(widget: Widget) -> str:
    own = getattr(widget, "HELP_NAME", "")
    if own:
        return str(own)
    names = ((Input, "this field"), (OptionList, "the list"), (Button, "this button"))
    return next((name for kind, name in names if isinstance(widget, kind)), "this part")
