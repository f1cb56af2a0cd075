"""The first and the last line of every screen: where one is, and what one can press."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, TextArea

from tui.actions import GLOBAL, Action
from tui.signs import key_words

# Less of a path tells nobody where he is.
_SHORTEST_PATH = 12


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: cut with an ellipsis or filled with spaces. Wide characters count as two."""
    if width <= 0:
        return ""
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    return set_cell_size(text, width)


def short_path(path: str, width: int) -> str:
    """`path` in at most `width` cells: its beginning and its end, which tell most, are left longest."""
    if cell_len(path) <= width:
        return path
    first, *parts = path.split("/")
    for head in (f"{first}/…/", "…/"):
        for kept in range(len(parts) - 1, 0, -1):
            short = head + "/".join(parts[-kept:])
            if cell_len(short) <= width:
                return short
    name = parts[-1] if parts else first
    room = max(width - 1, 0)
    start = set_cell_size(name, (room + 1) // 2).rstrip()
    end = name[-(room // 2) :] if room > 1 else ""
    while cell_len(end) > room - cell_len(start):
        end = end[1:]
    return f"{start}…{end}" if width > 0 else ""


class TopLine(Widget):
    """The program, the workspace, which of its screens this is, and at the right what goes on."""

    path: reactive[str] = reactive("")
    trail: reactive[tuple[str, ...]] = reactive(())
    """The way from home to this screen, safe to show."""
    right: reactive[str] = reactive("")
    trouble: reactive[str] = reactive("")
    """What is wrong with the whole picture; it stands at the right, before all else."""

    def on_mount(self) -> None:
        """Hear of the disk."""
        if hasattr(self.app, "unanswered"):
            self.watch(self.app, "unanswered", self._show_trouble)

    def _show_trouble(self, words: str) -> None:
        self.trouble = words

    def stand_at(self, path: str, *trail: str) -> None:
        """Say where one is: in the workspace at `path`, on the screen that `trail` leads to."""
        self.path, self.trail = path, trail

    def render(self) -> Text:
        """One line. Where not all fits, the path is shortened in its middle; then the right part yields."""
        width = self.size.width
        begin = "MyPT  "
        end = "".join(f"  ›  {name}" for name in self.trail)
        room = width - cell_len(begin) - cell_len(end) - 2
        right = f" {self.trouble} " if self.trouble else self.right
        fits = room - cell_len(right) >= min(cell_len(self.path), _SHORTEST_PATH)
        right = right if fits or self.trouble else ""
        path = short_path(self.path, max(room - cell_len(right), _SHORTEST_PATH))
        text = Text(no_wrap=True, overflow="crop", end="")
        text.append(fit(f"{begin}{path}{end}", max(width - cell_len(right), 0)), "bold")
        error = self.app.theme_variables.get("error", "red") if self.trouble else ""
        text.append(right, f"bold reverse {error}" if self.trouble else "")
        return text


class KeyLine(Widget):
    """The keys that matter here, most important first; as many as fit. A click does what the key does.

    While a text field has the focus, letters are typed: then the line shows the keys that work there.
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions: list[Action] = []
        self._typing = False
        self.show(actions)

    def on_mount(self) -> None:
        """Other keys work where one types."""
        self.watch(self.screen, "focused", self._focus_moved)

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
        mapped: Mapping[str, str] = getattr(self.app, "keys", {})
        words = key_words if getattr(self.app, "plain_signs", False) else str
        keys = [(action, words(self._key(action.mapped(mapped)))) for action in self._actions]
        wanted = [(action, key, _width(action, key)) for action, key in keys if key]
        room = self.size.width
        reserved = sum(width for action, _, width in wanted if self._must_be_in_sight(action))
        for action, key, needed in wanted:
            must = self._must_be_in_sight(action)
            if needed > room - (0 if must else reserved):
                continue
            reserved -= needed if must else 0
            room -= needed
            click = Style(meta={"@click": _click(action.name)})
            text.append(key, key_style + click)
            text.append(f" {action.label}", click)
            text.append("  ")
        return text

    def _focus_moved(self, focused: Widget | None) -> None:
        typing = isinstance(focused, Input | TextArea)
        if typing != self._typing:
            self._typing = typing
            self.refresh()

    def _key(self, action: Action) -> str:
        return action.key_while_typing if self._typing else action.key

    def _must_be_in_sight(self, action: Action) -> bool:
        """The way back, to everything else and to the keys; where there is no way back, the way out."""
        if action.label == "Quit":
            return not any(_is_way_back(a) for a in self._actions)
        return action in GLOBAL or _is_way_back(action)


def _is_way_back(action: Action) -> bool:
    return "escape" in action.keys.split(",")


def _width(action: Action, key: str) -> int:
    return cell_len(key) + cell_len(action.label) + 3


def _click(name: str) -> str:
    return name if "." in name.partition("(")[0] else f"screen.{name}"
