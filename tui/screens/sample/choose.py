"""Which checkpoint shall write: the tree of all of them, and a few letters to find one by."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from mypt.bundle import BundleInfo, Kind, split_name
from mypt.diff import Reached, reached
from mypt.text import printable, size, whole
from tui.dashboard import Dashboard
from tui.names import shortened
from tui.screens.checkpoints.rows import EARLIER, TreeRow, loss_of, tree_rows
from tui.screens.checkpoints.runs import Runs
from tui.screens.sample.words import title
from tui.widgets.lines import fit

_WIDE = 66
_STEP, _VAL, _SIZE = 9, 10, 9
_KEYS = "⏎ takes it · esc leaves"


def suggestion(bundles: Collection[BundleInfo], model_name: str | None) -> str | None:
    """The bundle to begin with: of the named model, else of the one that was saved last, its gold or what it has."""
    if model_name is None:
        whole_ones = [info for info in bundles if not info.problem]
        newest = max(whole_ones or bundles, key=lambda info: info.modified, default=None)
        if newest is None:
            return None
        model_name = newest.model_name
    there = {info.kind: info for info in bundles if info.model_name == model_name}
    found = [there[kind] for kind in (Kind.GOLD, Kind.LAST, Kind.FP16) if kind in there]
    return next((info.name for info in found if not info.problem), found[0].name if found else None)


class ChooseScreen(ModalScreen[str | None]):
    """Dismissed with a bundle's name, or None."""

    DEFAULT_CSS = """
    ChooseScreen {
        align: center middle;
        background: $background 60%;
        & > Vertical { width: 72; max-width: 95%; height: auto; max-height: 90%; background: $surface; padding: 0 1; }
        & Input { height: 1; background: $panel; margin: 0 0 1 0; padding: 0 1; }
        & #head { color: $foreground 50%; margin: 0; padding: 0 1; }
        & OptionList { border: none; background: transparent; height: auto; max-height: 30; padding: 0; scrollbar-size-vertical: 1; }
        & OptionList > .option-list--option-highlighted { background: $primary 30%; color: $foreground; }
        & #none { height: auto; color: $foreground 60%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave", tooltip="Leave it as it is", id="sample-choose.leave"),
        Binding(
            "down", "move(1)", "Down", show=False, tooltip="The checkpoint below", id="sample-choose.down"
        ),
        Binding("up", "move(-1)", "Up", show=False, tooltip="The checkpoint above", id="sample-choose.up"),
        Binding(
            "pagedown",
            "move(10)",
            "Page down",
            show=False,
            tooltip="Ten further down",
            id="sample-choose.page-down",
        ),
        Binding(
            "pageup", "move(-10)", "Page up", show=False, tooltip="Ten further up", id="sample-choose.page-up"
        ),
    ]
    app: Dashboard

    def __init__(self, what: str, taken: Collection[str], near: str | None = None) -> None:
        """`taken` cannot be chosen; the first choice is `near`, or another bundle of its model."""
        super().__init__()
        self._what, self._taken, self._near = what, frozenset(taken), near
        self._rows: list[TreeRow] = []

    def compose(self) -> ComposeResult:
        """A field to find by, the tree, and what there is to press."""
        with Vertical(classes="pane") as pane:
            pane.border_title = self._what
            pane.border_subtitle = _KEYS
            yield Input(placeholder="type to find one", id="find", compact=True)
            yield Static(_head(), id="head")
            yield OptionList(id="bundles")
            yield Static(id="none", markup=False)

    def on_mount(self) -> None:
        """All of them, with the present one chosen."""
        self.query_one("#bundles", OptionList).can_focus = False
        self._list("")
        self.query_one(Input).focus()

    def _list(self, wanted: str) -> None:
        runs = Runs(self.app.live.workspace.runs)
        listed = self.query_one("#bundles", OptionList)
        words = wanted.casefold().split()
        self._rows = [
            row
            for row in tree_rows(self.app.live.models)
            if row.info is not None and all(word in row.key.casefold() for word in words)
        ]
        options, told = [], []
        names = frozenset(_named(row, found=bool(words)) for row in self._rows)
        for row in self._rows:
            run = runs.of(row.model.name)
            if row.info is not None:
                numbers = reached(row.info, run.history if run else None)
                told.append(numbers)
                line = _line(row, row.info, numbers, self.app.theme_variables, names, found=bool(words))
                options.append(Option(line, disabled=row.key in self._taken))
        listed.clear_options()
        listed.add_options(options)
        listed.highlighted = self._first()
        earlier = any(numbers.at is not None for numbers in told)
        self.query_one(".pane").border_subtitle = _KEYS + (f" · {EARLIER}" if earlier else "")
        note = self.query_one("#none", Static)
        note.display = not self._rows
        if not self._rows:
            note.update(
                "No checkpoint has such a name: other words list others."
                if words
                else "No checkpoints yet: a run saves one at each evaluation. esc, and n at home starts one."
            )

    def _first(self) -> int | None:
        free = [number for number, row in enumerate(self._rows) if row.key not in self._taken]
        if self._near is not None:
            model = split_name(self._near)[0]
            near = [number for number in free if self._rows[number].model.name == model]
            exact = [number for number in near if self._rows[number].key == self._near]
            free = [*exact, *near, *free]
        return free[0] if free else None

    def on_input_changed(self, message: Input.Changed) -> None:
        """Those that have these letters in their name."""
        self._list(message.value)

    def on_input_submitted(self) -> None:
        """Take the chosen one."""
        self._take(self.query_one("#bundles", OptionList).highlighted)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """A click takes it."""
        self._take(message.option_index)

    def action_move(self, by: int) -> None:
        """Up or down."""
        listed = self.query_one("#bundles", OptionList)
        for _ in range(abs(by)):
            listed.action_cursor_down() if by > 0 else listed.action_cursor_up()

    def _take(self, index: int | None) -> None:
        if index is not None and self._rows[index].key not in self._taken:
            self.dismiss(self._rows[index].key)


def _head() -> Text:
    columns = (("step", _STEP), ("val loss", _VAL), ("size", _SIZE))
    room = _WIDE - _STEP - _VAL - _SIZE
    return Text(fit("model", room) + "".join(word.rjust(wide) for word, wide in columns), no_wrap=True)


def _named(row: TreeRow, *, found: bool) -> str:
    """What a line calls its checkpoint: one of a tree goes without the name of its model."""
    if found:
        return title(row.key)
    return {Kind.LAST: printable(row.model.name, newline=False), Kind.GOLD: "gold ★", Kind.FP16: "fp16"}[
        row.kind
    ]


def _line(
    row: TreeRow,
    info: BundleInfo,
    numbers: Reached,
    colours: dict[str, str],
    names: Collection[str],
    *,
    found: bool,
) -> Text:
    """One line: name, step, validation loss, size; of a broken one what is wrong. One that was `found` is no tree's.

    `names` are those of all lines, from which its own is told apart.
    """
    name, guide = _named(row, found=found), "" if found else row.guide
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    text.append(guide, "dim")
    room = _WIDE - cell_len(guide)
    if info.problem:
        text.append(fit(f"✗ {name}  {info.problem}", room), colours.get("error", ""))
        return text
    ink = colours.get("warning", "") if row.kind is Kind.GOLD else "bold" if row.kind is Kind.LAST else ""
    wide = room - _STEP - _VAL - _SIZE
    text.append(fit(shortened(names, wide).get(name, name), wide), ink)
    step, value, at = numbers
    for shown, cells in (
        ("" if step is None else whole(step), _STEP),
        ("" if value is None else loss_of(value, at), _VAL),
        (size(info.size), _SIZE),
    ):
        text.append(" " * max(cells - cell_len(shown), 0) + shown)
    return text
