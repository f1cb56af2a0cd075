"""What one can do with the list of runs, the same on every screen that has one: filter, sort, pin, hide."""

from __future__ import annotations

from collections.abc import Sequence

from mypt.text import printable
from tui.actions import Action
from tui.doing import Doing, Result
from tui.widgets.filterline import FilterLine

LIST = (
    Action("filter", "slash", "Filter", "List only runs that match: name, setting, result, state", "List"),
    Action("sort", "o", "Sort", "Sort by the next: newest, state, name, val, best …", "List"),
    Action("pin", "p", "Pin", "Keep this run on top of the list, or no more", "List"),
    Action("hide", "h", "Hide", "Leave this run out of the list, or no more", "List"),
    Action("turn", "O", "Turn", "The same order, the other way round", "List", False),
    Action("show_hidden", "H", "Show hidden", "List hidden runs too, greyed, or no more", "List", False),
)


def nearest(before: Sequence[str], selected: str | None, keys: Sequence[str]) -> str | None:
    """The run of `keys` that takes the place of a selected one that was listed `before` and is not any more."""
    if selected in before:
        at = before.index(selected)
        there = set(keys)
        following = (key for key in (*before[at:], *reversed(before[:at])) if key in there)
        if (found := next(following, None)) is not None:
            return found
    return keys[0] if keys else None


class Listing(Doing[Result]):
    """A screen with a list of runs, arranged by `app.runview`, and a `FilterLine`; it subscribes to `app.view_changed`."""

    def focus_list(self) -> None:
        """Put the focus back to the list, after a filter was written."""
        raise NotImplementedError

    def action_filter(self) -> None:
        """Write a filter."""
        self.query_one(FilterLine).open(self.app.runview.filter)

    def on_filter_line_changed(self, message: FilterLine.Changed) -> None:
        """Filter as one types."""
        runs = self.app.live.workspace.runs
        problem = self.app.runview.set_filter(message.text, runs, writing=not message.finished)
        note = ""
        if message.text.strip() and not problem:
            listed = len(self.app.runview.arrange(runs))
            note = f"{listed} of {len(runs)} runs match" + ("" if listed else "; esc shows them all again")
        self.query_one(FilterLine).say(problem, note)

    def on_filter_line_closed(self, message: FilterLine.Closed) -> None:
        """Back to the runs."""
        if not message.elsewhere:
            self.focus_list()

    def action_sort(self) -> None:
        """The next order."""
        self.app.runview.next_sort()

    def action_turn(self) -> None:
        """The other way round."""
        self.app.runview.turn()

    def action_pin(self) -> None:
        """Keep on top."""
        if (run := self.run_in_view) is not None:
            self.app.runview.pin(run.key)

    def action_hide(self) -> None:
        """Leave out."""
        run = self.run_in_view
        if run is not None and self.app.runview.hide(run.key) and not self.app.runview.show_hidden:
            self.notify(f"{printable(run.label, newline=False)} is hidden; H lists hidden runs")

    def action_show_hidden(self) -> None:
        """Those that are hidden, greyed."""
        shown = self.app.runview.toggle_hidden()
        number = len(self.app.runview.hidden)
        if number:
            self.notify(f"{number} hidden run{'s' * (number != 1)} {'listed' if shown else 'left out'}")
        else:
            self.notify("no run is hidden; h hides one")
