"""The first and the last line of every screen: where one is, and what one can press."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.actions import GLOBAL, Action


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: cut with an ellipsis or filled with spaces. Wide characters count as two."""
    if width <= 0:
        return ""
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    return set_cell_size(text, width)


class TopLine(Widget):
    """The program, the place, and at the right what goes on."""

    left: reactive[str] = reactive("")
    right: reactive[str] = reactive("")

    def render(self) -> Text:
        """One line; the right part yields to the left where both do not fit."""
        width = self.size.width
        right = self.right if cell_len(self.right) < width - 12 else ""
        text = Text(no_wrap=True, overflow="crop", end="")
        text.append(fit(self.left, width - cell_len(right)), "bold")
        text.append(right)
        return text


class KeyLine(Widget):
    """The keys that matter here, most important first; as many as fit. A click does what the key does."""

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions: list[Action] = []
        self.show(actions)

    def show(self, actions: Sequence[Action]) -> None:
        """These keys from now on, and those that are the same everywhere."""
        wanted = [a for a in (*actions, *GLOBAL) if a.shown]
        if wanted != self._actions:
            self._actions = wanted
            self.refresh()

    def render(self) -> Text:
        """` n New run  s Stop …`."""
        text = Text(no_wrap=True, overflow="crop", end="")
        key_style = Style.parse("bold") + Style(color=self.app.theme_variables.get("primary"))
        room = self.size.width
        # The way to everything else must always be in sight.
        last = [a for a in self._actions if a in GLOBAL]
        reserved = sum(cell_len(a.key) + cell_len(a.label) + 3 for a in last)
        for action in self._actions:
            needed = cell_len(action.key) + cell_len(action.label) + 3
            if action not in last:
                if needed > room - reserved:
                    continue
            elif needed > room:
                break
            click = Style(meta={"@click": _click(action.name)})
            text.append(action.key, key_style + click)
            text.append(f" {action.label}", click)
            text.append("  ")
            room -= needed
        return text


def _click(name: str) -> str:
    return name if "." in name.partition("(")[0] else f"screen.{name}"
