"""Which runs are listed and in which order: filter, sorting, pinned and hidden ones, the same on every screen.

Kept in the preferences for each workspace. What a filter means is `mypt.watch.query`, which is loaded when there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt.errors import UserError
from mypt.text import printable
from mypt.watch.facts import STATE_ORDER
from mypt.watch.inventory import with_the_queue_in_line
from mypt.watch.run import Run
from tui.prefs import Preferences

if TYPE_CHECKING:
    from mypt.watch.query import Query

SORTS = ("started", "state", "name", "val", "best", "progress", "tokens_per_sec", "eta", "age")
"""What one key sorts by in turn; the command line and a column's head know more."""
# A list that is kept for ever must not grow for ever.
_MOST_KEPT = 1000


class RunView:
    """One view of the runs of one workspace. `tell` is called after every change."""

    def __init__(
        self, prefs: Preferences, workspace: Path, tell: Callable[[], object] = lambda: None
    ) -> None:
        self._prefs, self._workspace, self._tell = prefs, str(workspace), tell
        kept = prefs["runs"].get(self._workspace)
        kept = kept if isinstance(kept, dict) else {}
        self._filter = _text(kept.get("filter"))
        self._query: Query | None = None
        self._sort = _text(kept.get("sort")) or SORTS[0]
        self._reverse = kept.get("reverse") is True
        self._pinned: dict[str, None] = dict.fromkeys(_texts(kept.get("pinned")))
        self._hidden: dict[str, None] = dict.fromkeys(_texts(kept.get("hidden")))
        self._show_hidden = kept.get("show_hidden") is True

    # ── what is so ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def filter(self) -> str:
        """The filter as it was written; empty without one."""
        return self._filter

    @property
    def sort(self) -> str:
        """The name that is sorted by."""
        return self._sort

    @property
    def reverse(self) -> bool:
        """Whether the order is turned round."""
        return self._reverse

    @property
    def descending(self) -> bool:
        """Whether what is sorted by begins with its largest value."""
        from mypt.watch.order import Order

        return Order(self._sort, self._reverse).descending

    @property
    def words(self) -> str:
        """The order, the filter and what is hidden, in a few words."""
        said = [] if (self._sort, self._reverse) == (SORTS[0], False) else [f"by {self._sort}"]
        if said and self._reverse:
            said[0] += ", turned"
        if self._filter:
            said.append(f"/ {printable(self._filter, newline=False)}")
        if self._hidden:
            said.append(f"{len(self._hidden)} hidden")
        return " · ".join(said)

    @property
    def pinned(self) -> tuple[str, ...]:
        """Keys of the runs that stay on top, in the order in which they were pinned."""
        return tuple(self._pinned)

    @property
    def hidden(self) -> frozenset[str]:
        """Keys of the runs that are left out."""
        return frozenset(self._hidden)

    @property
    def show_hidden(self) -> bool:
        """Whether those that are hidden are listed all the same."""
        return self._show_hidden

    def arrange(self, runs: Sequence[Run]) -> list[Run]:
        """Those of `runs` (youngest first) that are listed, in the order of the list: pinned ones, then the others."""
        found = self._sorted(self._met(runs))
        if self._hidden and not self._show_hidden:
            found = [run for run in found if run.key not in self._hidden]
        if not self._pinned:
            return found
        at = {key: place for place, key in enumerate(self._pinned)}
        top = sorted((run for run in found if run.key in at), key=lambda run: at[run.key])
        return top + [run for run in found if run.key not in at]

    def first(self, runs: Sequence[Run]) -> Run | None:
        """The run to look at when nobody has chosen one: what trains, else what waits, else the first in the list."""
        listed = self.arrange(runs) or list(runs)
        alive = [run for run in listed if not run.state.is_over]
        return min(alive or listed[:1], key=lambda run: STATE_ORDER.index(run.state), default=None)

    def why_empty(self, runs: Sequence[Run]) -> str:
        """Why nothing is listed though there are runs, and what to press."""
        if not self._met(runs):
            shown = printable(self._filter, newline=False)
            return f"No run matches {shown}\n/ changes it, then esc shows all"
        return "Every run here is hidden\nH shows them"

    # ── what a person does ──────────────────────────────────────────────────────────────────────────────────────

    def set_filter(self, text: str, runs: Sequence[Run], *, writing: bool = False) -> str:
        """List only what `text` means. Returns what is wrong with it, and then leaves everything as it was.

        While somebody is `writing` it, a last word that may become the name of a setting empties no list.
        """
        text = text.strip()
        if text == self._filter:
            return ""
        query = None
        if text:
            from mypt.watch import facts
            from mypt.watch.query import begins_a_name, parse

            try:
                query = parse(text, facts.names_in(runs))
            except UserError as error:
                return str(error)
            if writing and begins_a_name(text) and not any(query.holds(facts.looks_at(run)) for run in runs):
                return ""
        self._filter, self._query = text, query
        self._keep()
        return ""

    def sort_by(self, name: str) -> None:
        """Sort by this name; by the same one again, the other way round."""
        self._reverse = name == self._sort and not self._reverse
        self._sort = name
        self._keep()

    def next_sort(self) -> None:
        """Sort by the next of those that a key goes through."""
        at = SORTS.index(self._sort) if self._sort in SORTS else -1
        self._sort, self._reverse = SORTS[(at + 1) % len(SORTS)], False
        self._keep()

    def turn(self) -> None:
        """The other way round."""
        self._reverse = not self._reverse
        self._keep()

    def pin(self, key: str) -> bool:
        """Keep this run on top, or no more; True where it is now."""
        on = key not in self._pinned
        if on:
            self._pinned[key] = None
            self._hidden.pop(key, None)
        else:
            del self._pinned[key]
        self._keep()
        return on

    def hide(self, key: str) -> bool:
        """Leave this run out, or no more; True where it is hidden now."""
        on = key not in self._hidden
        if on:
            self._hidden[key] = None
            self._pinned.pop(key, None)
        else:
            del self._hidden[key]
        self._keep()
        return on

    def toggle_hidden(self) -> bool:
        """List those that are hidden all the same, or no more; True where they are listed."""
        self._show_hidden = not self._show_hidden
        self._keep()
        return self._show_hidden

    def follow(self, present: Callable[[str], str]) -> None:
        """Runs may have other keys than they had, which `present` knows: what was pinned or hidden stays so."""
        pinned, hidden = dict.fromkeys(map(present, self._pinned)), dict.fromkeys(map(present, self._hidden))
        if (pinned, hidden) != (self._pinned, self._hidden):
            self._pinned, self._hidden = pinned, hidden
            self._keep()

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _met(self, runs: Sequence[Run]) -> list[Run]:
        if not self._filter:
            return list(runs)
        from mypt.watch import facts

        if self._query is None:
            from mypt.watch.query import parse

            try:
                # It was kept from another day: names that only logs know are there when these have been read.
                self._query = parse(self._filter, None)
            except UserError:
                self._filter = ""
                return list(runs)
        return [run for run in runs if self._query.holds(facts.looks_at(run))]

    def _sorted(self, runs: list[Run]) -> list[Run]:
        if self._sort == SORTS[0] and not self._reverse:
            return with_the_queue_in_line(runs)
        from mypt.watch.order import Order, runs_in_order

        return runs_in_order(runs, Order(self._sort, self._reverse))

    def _keep(self) -> None:
        now: dict[str, Any] = {
            "filter": self._filter,
            "sort": self._sort,
            "reverse": self._reverse,
            "pinned": list(self._pinned)[-_MOST_KEPT:],
            "hidden": list(self._hidden)[-_MOST_KEPT:],
            "show_hidden": self._show_hidden,
        }
        self._prefs["runs"] = {**self._prefs["runs"], self._workspace: now}
        self._tell()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
