"""Every action by name, with its key and its help: bindings, palette, key line and `?` are made from this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a person can do. `name` is the Textual action; `keys` are separated by commas.

    `label` is a word or two for the key line (`shown`), `help` a sentence; `area` groups it in `?` and the palette.
    `changes` marks what starts, stops or deletes: `--readonly` refuses it.
    """

    name: str
    keys: str
    label: str
    help: str
    area: str = "General"
    shown: bool = True
    changes: bool = False
    key_display: str | None = None

    @property
    def binding(self) -> Binding:
        """The key binding, whose id lets a user map it to other keys."""
        return Binding(
            self.keys,
            self.name,
            self.label,
            show=self.shown,
            key_display=self.key_display,
            id=self.id,
            tooltip=self.help,
        )

    @property
    def id(self) -> str:
        """A stable name for key maps."""
        plain = self.name.replace("(", "-").replace(")", "").replace("'", "").replace("app.", "")
        return f"{self.area.lower().replace(' ', '-')}.{plain}"

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
    Action("app.command_palette", "ctrl+p", "More", "Find any action by name", key_display="^p"),
    Action("app.help", "question_mark,f1", "Keys", "Show all keys of this screen"),
    Action("app.toggle_dark", "ctrl+t", "Theme", "Light or dark", shown=False),
    Action("app.quit", "q,ctrl+q", "Quit", "Leave; what trains goes on"),
)


class Actions(Provider):
    """The palette: every action of the screen in front, and those of the whole app."""

    @property
    def _there(self) -> list[Action]:
        own: tuple[Action, ...] = getattr(self.screen, "ACTIONS", ())
        return [*own, *GLOBAL]

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for action in self._there:
            yield DiscoveryHit(
                f"{action.area}: {action.label}", self._runner(action), help=f"{action.help}  ({action.key})"
            )

    async def search(self, query: str) -> Hits:
        """Those that match what is typed."""
        matcher = self.matcher(query)
        for action in self._there:
            name = f"{action.area}: {action.label} – {action.help}"
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), self._runner(action), help=f"key {action.key}")

    def _runner(self, action: Action):  # type: ignore[no-untyped-def]
        app: App[object] = self.app
        screen = self.screen

        async def run() -> None:
            await app.run_action(action.name, default_namespace=screen)

        return run
