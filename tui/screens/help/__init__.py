"""The keys of a screen and of the widget in focus, generated from their actions and bindings."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from tui.actions import GLOBAL, Action, described, part_name, works_on
from tui.signs import key_words

_KEYS_WIDE = 16
_NARROW = 70
_HINT = "/ filters · ↑↓ scroll · esc closes"


class HelpScreen(ModalScreen[None]):
    """What one can press on the screen behind this one. It scrolls, and typing after `/` filters it."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Close", tooltip="Back to the screen", id="help.back"),
        Binding("q", "dismiss", "Close", tooltip="Back to the screen", id="help.close"),
        Binding("slash", "filter", "Filter", tooltip="Show only what has these letters", id="help.filter"),
    ]

    def __init__(self, behind: Screen[object]) -> None:
        super().__init__()
        self._behind = behind
        # Both are asked for before this screen takes the focus away.
        self._focused = behind.focused

    def compose(self) -> ComposeResult:
        """A line to filter by and one list, by area."""
        with Vertical(classes="pane") as pane:
            pane.border_title = "Keys"
            pane.border_subtitle = _HINT
            yield Input(placeholder="letters of a key's name or of what it does", id="filter", compact=True)
            with VerticalScroll(id="list"):
                yield Static(id="keys")

    def on_mount(self) -> None:
        """The list has the focus, so that it scrolls."""
        self.query_one("#filter").display = False
        self.query_one("#list").focus()
        self._fill()

    def on_resize(self) -> None:
        """The list takes what is left of the screen, and scrolls in it."""
        self.query_one("#list").styles.max_height = max(self.app.size.height - 5, 1)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter while one types."""
        message.stop()
        self._fill(message.value)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Scroll in what is left."""
        message.stop()
        self.query_one("#list").focus()

    def action_filter(self) -> None:
        """Show the line to filter by."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    def action_back(self) -> None:
        """Put the filter away, then close."""
        line = self.query_one("#filter", Input)
        if not line.display:
            self.dismiss(None)
            return
        line.value = ""
        line.display = False
        self.query_one("#list").focus()

    def _fill(self, wanted: str = "") -> None:
        self.query_one("#keys", Static).update(self._list(wanted.casefold().strip()))

    def _list(self, wanted: str) -> RenderableType:
        words = key_words if getattr(self.app, "plain_signs", False) else str
        parts: list[RenderableType] = []
        for area, entries in self.areas().items():
            shown = [entry for entry in entries if wanted in f"{area} {entry[0]} {entry[1]}".casefold()]
            if not shown:
                continue
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(
                width=_KEYS_WIDE if self.app.size.width >= _NARROW else None,
                style=self.app.theme_variables.get("primary", ""),
            )
            table.add_column()
            for key, what in shown:
                table.add_row(Text(f"  {words(key)}", "bold"), Text(what))
            parts += [Text(area, "bold"), table, Text()]
        return Group(*parts[:-1]) if parts else Text("nothing here has these letters", "dim")

    def areas(self) -> dict[str, list[tuple[str, str]]]:
        """By area: keys and what they do."""
        keys: dict[str, str] = getattr(self.app, "keys", {})
        own: tuple[Action, ...] = getattr(self._behind, "ACTIONS", ())
        areas: dict[str, list[tuple[str, str]]] = {}
        told: set[str] = set()
        # Where one line shows the keys of both directions, the second has none of its own.
        remapped = {action.name.partition("(")[0] for action in own if action.id in keys}
        for action in own:
            both = action.name.partition("(")[0]
            if both in told:
                continue
            if action.key_display and len(action.key_display) > 1 and both not in remapped:
                told.add(both)
            areas.setdefault(action.area, []).append((action.mapped(keys).all_keys, action.help))
        if not own:
            # A question or a small window has bindings alone.
            rows = [
                (shown, binding.tooltip)
                for shown, binding in described(self._behind, keys)
                if binding.tooltip
            ]
            if rows:
                areas["Here"] = rows
        focused = self._focused
        if focused is not None:
            rows = [
                (shown, binding.tooltip or binding.description)
                for shown, binding in described(focused, keys)
                if works_on(focused, binding)
            ]
            if rows:
                areas[f"In focus: {_name_of(focused)}"] = rows
        modal = isinstance(self._behind, ModalScreen)
        for action in GLOBAL:
            if action.everywhere or not modal:
                areas.setdefault(action.area, []).append((action.mapped(keys).all_keys, action.help))
        return areas


def _name_of(widget: Widget) -> str:
    names = ((Input, "this field"), (OptionList, "the list"), (Button, "this button"))
    return part_name(widget) or next((name for kind, name in names if isinstance(widget, kind)), "this part")
