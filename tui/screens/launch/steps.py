"""The line of steps, for terminals in which only one step fits."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

NAMES = ("Preset", "Data", "Settings", "Review")


class StepLine(Widget):
    """The four steps; a click goes to one."""

    at: reactive[int] = reactive(0)
    wrong: reactive[frozenset[int]] = reactive(frozenset())

    def render(self) -> Text:
        """` 1 Preset  2 Data …`, what is wrong marked."""
        text = Text(no_wrap=True, overflow="crop", end="")
        for number, name in enumerate(NAMES):
            style = Style(meta={"@click": f"screen.step({number})"})
            if number == self.at:
                style += Style(reverse=True, bold=True)
            mark = "✗" if number in self.wrong else " "
            text.append(f" {number + 1} {name}{mark}", style)
            text.append("  ")
        return text
