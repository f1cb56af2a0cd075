"""The names of the sections on one line; the present one stands out, a click goes to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class TabLine(Widget):
    """`config │ training state │ …`."""

    active: reactive[str] = reactive("")

    @dataclass
    class Picked(Message):
        """A name was clicked."""

        tab: str

    def __init__(self, tabs: Sequence[str]) -> None:
        super().__init__()
        self._tabs = tabs
        self.set_reactive(TabLine.active, tabs[0])

    def render(self) -> Text:
        """The names, as many as fit."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        colours = self.app.theme_variables
        roomy = sum(map(cell_len, self._tabs)) + 3 * (len(self._tabs) - 1) <= self.size.width
        here = Style(bold=True, underline=True, color=colours.get("primary"))
        for number, tab in enumerate(self._tabs):
            if number:
                text.append(" │ " if roomy else "│", "dim")
            meta = Style(meta={"tab": tab})
            text.append(tab, (here if tab == self.active else Style(dim=True)) + meta)
        return text

    def on_click(self, event: events.Click) -> None:
        """Go to the section whose name was clicked."""
        tab = event.style.meta.get("tab")
        if isinstance(tab, str):
            self.post_message(self.Picked(tab))
