"""The keys of everything, and a way to give an action keys of one's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.actions import Action, bindings, key_name
from tui.dashboard import Dashboard, shown_path
from tui.keys import Bound, canonical, catalogue, judge
from tui.widgets.filterline import FilterLine
from tui.widgets.lines import KeyLine, TopLine, fit

_AREA = "Your keys"
_KEYS_WIDE, _LABEL_WIDE = 18, 18
_Take = Callable[[Bound, str], str]
"""Gives an action a key; returns why it cannot have it, or an empty string."""


class KeysScreen(Screen[None]):
    """Every action by area with its keys; those that are a person's own stand out."""

    CSS_PATH = "keys.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("change", "enter", "Change", "Press another key for this action", _AREA),
        Action("restore", "backspace,delete", "Default", "Give the action its own keys back", _AREA),
        Action("filter", "slash", "Filter", "Only the actions that have these words", _AREA),
        Action("restore_all", "f4", "All defaults", "Give every action its own keys back", _AREA),
        Action("back", "escape", "Back", "Every action again, then back to the preferences", _AREA),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    app: Dashboard

    class Known(Message):
        """All bindings were found."""

        def __init__(self, bounds: list[Bound]) -> None:
            super().__init__()
            self.bounds = bounds

    def __init__(self) -> None:
        super().__init__()
        self._bounds: list[Bound] = []
        self._filter = ""

    def compose(self) -> ComposeResult:
        """One list, and a line to filter it by."""
        yield TopLine()
        actions = OptionList(id="actions", classes="pane")
        actions.border_title = _AREA
        yield actions
        yield FilterLine(
            "filter: an action, a key or a part of the dashboard", "zoom  ctrl+s  chart log", "every action"
        )
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Finding every binding imports every screen, for which nobody shall wait."""
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace), "preferences", "keys")
        self.query_one(OptionList).loading = True
        self.run_worker(self._find, thread=True, group="keys")

    def _find(self) -> None:
        self.post_message(self.Known(catalogue()))

    def on_keys_screen_known(self, message: Known) -> None:
        """Show them."""
        self._bounds = message.bounds
        actions = self.query_one(OptionList)
        actions.loading = False
        self._fill()
        actions.focus()

    def on_resize(self) -> None:
        """As wide as there is room."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        actions = self.query_one(OptionList)
        before = self._chosen
        actions.clear_options()
        area = ""
        # Of the terminal, since the list may not have its place yet: border, padding and scroll bar take the rest.
        width = max(self.app.size.width - 7, 20)
        every: dict[str, Bound] = {}
        for bound in self._bounds:
            every.setdefault(bound.id, bound)
        shown = [bound for bound in every.values() if self._is_wanted(bound)]
        for bound in shown:
            if bound.area != area:
                area = bound.area
                actions.add_option(Option(Text(area, "bold"), disabled=True))
            own = self.app.keys.get(bound.id)
            keys = ", ".join(map(key_name, self._keys_of(bound)))
            text = Text(end="")
            text.append(
                "  " + fit(keys, _KEYS_WIDE),
                f"bold {self.app.theme_variables.get('primary', '')}" if own else "",
            )
            text.append(fit(bound.label, _LABEL_WIDE) + " ")
            text.append(fit(bound.help, max(width - _KEYS_WIDE - _LABEL_WIDE - 3, 0)), "dim")
            actions.add_option(Option(text, id=bound.id))
        if every and not shown:
            actions.add_option(Option(Text("no action has these words", "dim"), disabled=True))
        actions.border_title = f"{_AREA}: {len(shown)} of {len(every)}" if self._filter else _AREA
        there = [bound.id for bound in shown]
        if there:
            chosen = before.id if before is not None and before.id in there else there[0]
            actions.highlighted = actions.get_option_index(chosen)

    def _keys_of(self, bound: Bound) -> Sequence[str]:
        own = self.app.keys.get(bound.id)
        return own.split(",") if own else bound.keys

    def _is_wanted(self, bound: Bound) -> bool:
        said = f"{bound.area} {bound.label} {bound.help} {bound.id}".casefold()
        names = [name for key in self._keys_of(bound) for name in (key, key_name(key))]
        return all(_matches(word, said, names) for word in self._filter.split())

    def action_filter(self) -> None:
        """Write a filter."""
        self.query_one(FilterLine).open(self._filter)

    def on_filter_line_changed(self, message: FilterLine.Changed) -> None:
        """Filter while one writes."""
        if message.text != self._filter:
            self._filter = message.text
            self._fill()

    def on_filter_line_closed(self, message: FilterLine.Closed) -> None:
        """Back to what is left."""
        if not message.elsewhere:
            self.query_one(OptionList).focus()

    @property
    def _chosen(self) -> Bound | None:
        actions = self.query_one(OptionList)
        if actions.highlighted is None:
            return None
        id = actions.get_option_at_index(actions.highlighted).id
        return next((bound for bound in self._bounds if bound.id == id), None)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        message.stop()
        self.action_change()

    def action_change(self) -> None:
        """Ask for a key."""
        bound = self._chosen
        if bound is not None:
            self.app.push_screen(PressKey(bound, self._try), self._answered)

    def _answered(self, _: bool | None) -> None:
        self._fill()

    def _try(self, bound: Bound, key: str) -> str:
        """Take the key; why not, where it cannot be."""
        wanted = {**self.app.keys, bound.id: key}
        judged = judge(wanted, self._bounds)
        if judged.problems:
            return judged.problems[0].removeprefix(f"keys: {bound.id}: ")
        self._use(judged.taken)
        return ""

    def _use(self, keys: dict[str, str]) -> None:
        self.app.prefs["keys"] = keys
        self.app.use_keys(keys)

    def action_restore(self) -> None:
        """The default of one."""
        bound = self._chosen
        if bound is None or bound.id not in self.app.keys:
            return
        judged = judge({id: keys for id, keys in self.app.keys.items() if id != bound.id}, self._bounds)
        if judged.problems:
            self.notify(judged.problems[0], title="Its own key is taken", severity="warning")
            return
        self._use(judged.taken)
        self._fill()

    def action_restore_all(self) -> None:
        """The defaults of all."""
        self._use({})
        self._fill()

    def action_back(self) -> None:
        """Every action again; then leave, since everything is kept already."""
        if self._filter:
            self._filter = ""
            self._fill()
        else:
            self.dismiss(None)


def _matches(word: str, said: str, keys: Collection[str]) -> bool:
    """Whether a word of a filter is in what is said of an action, or is a key of it; one letter alone is a key."""
    if len(word) == 1:
        return word in keys
    return word.casefold() in said or word.casefold() in {key.casefold() for key in keys}


class PressKey(ModalScreen[bool]):
    """Waits for the key that an action is to have."""

    def __init__(self, bound: Bound, take: _Take) -> None:
        super().__init__()
        self._bound, self._take = bound, take

    def compose(self) -> ComposeResult:
        """What it is for."""
        with Vertical(classes="pane") as box:
            box.border_title = f"{self._bound.label} ({self._bound.id})"
            box.border_subtitle = "esc keeps it as it is"
            yield Static(f"{self._bound.help}\n\nPress the key that shall do this.", markup=False)
            yield Static(id="why", markup=False)

    def on_key(self, event: events.Key) -> None:
        """Take it, or say why not and wait for another."""
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self.dismiss(False)
            return
        try:
            why = self._take(self._bound, canonical(event.key))
        except ValueError as error:
            why = str(error)
        if why:
            self.query_one("#why", Static).update(why)
        else:
            self.dismiss(True)
