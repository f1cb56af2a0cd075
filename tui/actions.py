"""Every action by name, with its key and its help: bindings, palette, key line and `?` are made from this."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a person can do. `name` is the Textual action; `keys` are separated by commas.

    `label` is a word or two for the key line (`shown`), `help` a sentence; `area` groups it in `?` and the palette.
    `changes` marks what starts, stops or deletes: `--readonly` refuses it. `everywhere` holds also while a question
    stands in front.
    """

    name: str
    keys: str
    label: str
    help: str
    area: str = "General"
    shown: bool = True
    changes: bool = False
    key_display: str | None = None
    everywhere: bool = False

    @property
    def binding(self) -> Binding:
        """The key binding, whose id lets a user map it to other keys."""
        return Binding(
            self.keys,
            self.name,
            self.label,
            show=self.shown,
            key_display=self.key_display,
            priority=self.everywhere,
            id=self.id,
            tooltip=self.help,
        )

    @property
    def id(self) -> str:
        """A stable name for key maps."""
        plain = self.name.replace("(", "-").replace(")", "").replace("'", "").replace("app.", "")
        return f"{self.area.lower().replace(' ', '-')}.{plain}"

    def mapped(self, keys: Mapping[str, str]) -> Action:
        """The same action with the keys that a user's map gives it."""
        own = keys.get(self.id)
        return self if own is None else replace(self, keys=own, key_display=None)

    @property
    def key(self) -> str:
        """The first key as people read it."""
        return self.key_display or key_name(self.keys.split(",")[0])

    @property
    def all_keys(self) -> str:
        """Every key as people read it: `^s, f5`."""
        first, *others = self.keys.split(",")
        return ", ".join([self.key_display or key_name(first), *map(key_name, others)])

    @property
    def key_while_typing(self) -> str:
        """The first key that a text field leaves alone, as people read it; empty where each of them types something."""
        keys = [key for key in self.keys.split(",") if _reaches_through(key)]
        return key_name(keys[0]) if keys else ""


_KEY_NAMES = {
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "space": "space",
    "escape": "esc",
    "enter": "⏎",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}


def key_name(key: str) -> str:
    """A key of Textual's as people read it: `ctrl+s` is `^s`."""
    return _KEY_NAMES.get(key, key.replace("ctrl+", "^"))


def _reaches_through(key: str) -> bool:
    return key == "escape" or key.startswith("ctrl+") or (key[:1] == "f" and key[1:].isdigit())


def bindings(actions: Iterable[Action]) -> list[BindingType]:
    """The bindings of a screen or an app."""
    return [action.binding for action in actions]


GLOBAL = (
    Action(
        "app.command_palette", "ctrl+p", "More", "Find any action by name", key_display="^p", everywhere=True
    ),
    Action("app.help", "question_mark,f1", "Keys", "Show all keys of this screen", everywhere=True),
    Action("app.preferences", "ctrl+g", "Preferences", "Theme, signs, alerts and keys", shown=False),
    Action("app.toggle_dark", "ctrl+t", "Theme", "Light or dark", shown=False),
    Action("app.picture", "f12", "Picture", "Save a picture of this screen", shown=False, everywhere=True),
    Action("app.quit", "q,ctrl+q", "Quit", "Leave; what trains goes on"),
)


def described(node: DOMNode, keys: Mapping[str, str]) -> Iterator[tuple[str, Binding]]:
    """What `node` itself listens to and can say in words, each once with all its keys as people read them."""
    grouped: dict[str, list[Binding]] = {}
    for _, binding in node._bindings:
        if words := binding.tooltip or binding.description:
            same = grouped.setdefault(words, [])
            # What does the same with another number is told once, with the key of the first.
            if not same or binding.id == same[0].id:
                same.append(binding)
    for same in grouped.values():
        own = keys.get(same[0].id or "")
        names = own.split(",") if own else [binding.key for binding in same]
        shown = [] if own else [binding.key_display for binding in same if binding.key_display][:1]
        yield ", ".join(dict.fromkeys([*shown, *map(key_name, names[len(shown) :])])), same[0]


def works_on(node: DOMNode, binding: Binding) -> bool:
    """Whether a binding does something just now; what scrolls where there is nothing to scroll does not."""
    if not isinstance(node, Widget):
        return True
    if binding.action in ("scroll_left", "scroll_right"):
        return node.allow_horizontal_scroll
    return node.allow_vertical_scroll or not binding.action.startswith(("scroll_", "page_"))


def part_name(node: DOMNode) -> str:
    """What people call a part of the screen; empty where it has no name."""
    return str(getattr(node, "HELP_NAME", ""))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _begin(wanted: list[str], words: list[str]) -> bool:
    """Whether each of the wanted beginnings is that of a word."""
    return bool(wanted) and all(any(word.startswith(begin) for word in words) for begin in wanted)


class Actions(Provider):
    """The palette: every action of the screen in front and of the parts in it, and those of the whole app."""

    @property
    def _there(self) -> list[tuple[str, str, str, str, DOMNode]]:
        """Name, help, key, action, and whose action it is."""
        keys: Mapping[str, str] = getattr(self.app, "keys", {})
        own: tuple[Action, ...] = getattr(self.screen, "ACTIONS", ())
        found: list[tuple[str, str, str, str, DOMNode]] = [
            (f"{action.area}: {action.label}", action.help, action.mapped(keys).key, action.name, self.screen)
            for action in (*own, *GLOBAL)
        ]
        told = {action.help for action in own}
        for part in self._parts():
            name = part_name(part)
            name = name[:1].upper() + name[1:]
            for key, binding in described(part, keys):
                help = binding.tooltip or binding.description
                if help not in told and works_on(part, binding):
                    told.add(help)
                    label = binding.description or help
                    found.append((f"{name}: {label}", help, key, binding.action, part))
        return found

    @property
    def _elsewhere(self) -> list[tuple[str, str, str, str, DOMNode]]:
        """What can be done on a screen that an action of this one leads to: as `_there`, the key with the way to it."""
        there: tuple[str, tuple[Action, ...]] = getattr(self.screen, "AWAY", ("", ()))
        keys: Mapping[str, str] = getattr(self.app, "keys", {})
        here: tuple[Action, ...] = getattr(self.screen, "ACTIONS", ())
        way = next((action.mapped(keys).key for action in here if action.name == there[0]), "")
        own = {action.label for action in here}
        return [
            (
                f"{action.area}: {action.label}",
                action.help,
                f"{way}, then {action.mapped(keys).key}",
                there[0],
                self.screen,
            )
            for action in there[1]
            if action.label not in own
        ]

    def _parts(self) -> list[Widget]:
        """The named parts in sight, the one in focus first."""
        focused = self.focused
        parts = [
            part
            for part in self.screen.query("*")
            if part_name(part) and part.is_on_screen and part.can_focus
        ]
        return sorted(parts, key=lambda part: part is not focused)

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for name, help, key, action, node in self._there:
            yield DiscoveryHit(name, self._runner(action, node), help=f"{help}  ({key})" if key else help)

    async def search(self, query: str) -> Hits:
        """Those that match what is typed: by words in their name, then by words of what they do, then by letters of the
        name.
        """
        matcher = self.matcher(query)
        wanted = _words(query)
        for name, help, key, action, node in [*self._there, *self._elsewhere]:
            whole = f"{name} – {help}"
            said = matcher.highlight(whole)
            if _begin(wanted, _words(name)):
                score = 3.0
            elif _begin(wanted, _words(whole)):
                score = 2.0
            else:
                # The letters of a name count for less than any word, however well they fit.
                letters = matcher.match(name)
                score, said = letters / (1 + letters), matcher.highlight(name).append(f" – {help}")
            if score > 0:
                yield Hit(score, said, self._runner(action, node), help=f"key {key}" if key else "")

    def _runner(self, action: str, node: DOMNode):  # type: ignore[no-untyped-def]
        app: App[object] = self.app

        async def run() -> None:
            await app.run_action(action, default_namespace=node)

        return run
