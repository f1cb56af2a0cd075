"""A user's own keys: every binding that there is, by its id, and what of a key map can be taken. No screen here."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys
from textual.screen import ModalScreen, Screen

import tui
from mypt.text import printable

_EVERYWHERE = ("tui.chart", "tui.widgets")
_MODIFIERS = ("ctrl", "alt", "shift", "super", "hyper", "meta")


@dataclass(frozen=True, slots=True)
class Bound:
    """One thing that has keys: its id, its keys as they come (canonical), what it does, where it holds.

    `kind` is "app", "screen", "modal" or "widget"; `room` the package that it is defined in.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    area: str
    owner: str
    kind: str
    room: str


@dataclass(frozen=True, slots=True)
class KeyMap:
    """What of a map was taken, as Textual takes it, and what was not and why."""

    taken: dict[str, str]
    problems: tuple[str, ...]


def catalogue() -> list[Bound]:
    """Every binding of the dashboard. Imports all screens, which takes a moment: not for the screen's own thread."""
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name not in ("tui.cli", "tui.serve"):
            importlib.import_module(module.name)
    found: dict[tuple[str, str], Bound] = {}
    for node in _nodes(DOMNode):
        if not node.__module__.startswith("tui.") or "BINDINGS" not in vars(node):
            continue
        for bound in _bound(node):
            before = found.get((bound.owner, bound.id))
            keys = dict.fromkeys((*(before.keys if before else ()), *bound.keys))
            found[bound.owner, bound.id] = Bound(
                bound.id,
                tuple(keys),
                bound.label,
                bound.help,
                bound.area,
                bound.owner,
                bound.kind,
                bound.room,
            )
    return sorted(found.values(), key=lambda bound: (bound.kind != "app", bound.area, bound.owner))


def canonical(key: str) -> str:
    """A key as Textual calls it when it is pressed: `?` is `question_mark`, `shift+s` is `S`. ValueError: no such key."""
    *modifiers, last = (
        (part.strip() for part in key.strip().split("+")) if len(key.strip()) > 1 else (key.strip(),)
    )
    if not last:
        raise ValueError("no key is named")
    modifiers = [modifier.lower() for modifier in modifiers]
    if wrong := next((modifier for modifier in modifiers if modifier not in _MODIFIERS), None):
        near = difflib.get_close_matches(wrong, _MODIFIERS, 1)
        raise ValueError(
            f"{printable(wrong, newline=False)} is no modifier" + (f"; {near[0]}?" if near else "")
        )
    if len(last) == 1 and last.isalpha() and modifiers:
        # With shift alone a terminal sends the capital, with any other it knows none.
        last = last.upper() if modifiers == ["shift"] else last.lower()
        modifiers = [] if modifiers == ["shift"] else modifiers
    if len(last) == 1:
        (binding,) = Binding.make_bindings([Binding(last, "x")])
        last = binding.key
    else:
        last = last.lower() if last.lower() in _names() else last
        if last not in _names():
            near = difflib.get_close_matches(last.lower(), _names(), 1)
            raise ValueError(
                f"{printable(last, newline=False)} is no key" + (f"; {near[0]}?" if near else "")
            )
    return "+".join([*sorted(modifiers), last])


def judge(wanted: Mapping[str, Any], bounds: Iterable[Bound]) -> KeyMap:
    """Take of a user's map what is right; each problem names the field, the value and what would be right."""
    bounds = list(bounds)
    ids = {bound.id for bound in bounds}
    problems: list[str] = []
    taken: dict[str, tuple[str, ...]] = {}
    for id, value in wanted.items():
        shown = printable(str(id), newline=False)
        if id not in ids:
            near = difflib.get_close_matches(str(id), ids, 1)
            problems.append(f"keys: {shown} is no action" + (f"; {near[0]}?" if near else ""))
            continue
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            problems.append(f'keys: {shown}: must be a text such as "S" or "ctrl+s,f5"')
            continue
        try:
            taken[id] = tuple(dict.fromkeys(map(canonical, names)))
        except ValueError as error:
            problems.append(f'keys: {shown}: {error} (as in "S", "ctrl+s", "f5", "left", "comma")')
    while (clash := _clash(taken, bounds)) is not None:
        mapped, key, other = clash
        del taken[mapped]
        problems.append(
            f"keys: {printable(mapped, newline=False)}: {key} is the key of {other.id} ({other.label}); "
            "choose another, or give that one another key too"
        )
    return KeyMap({id: ",".join(keys) for id, keys in taken.items()}, tuple(problems))


def _clash(taken: Mapping[str, tuple[str, ...]], bounds: list[Bound]) -> tuple[str, str, Bound] | None:
    """A mapped id whose key something else has in the same place: the last such one of the map."""
    for id in reversed(list(taken)):
        for own in (bound for bound in bounds if bound.id == id):
            for other in bounds:
                if other.id == id or not _meet(own, other):
                    continue
                theirs = taken.get(other.id, other.keys)
                for key in taken[id]:
                    # What is so by default is meant so.
                    if key in theirs and not (key in own.keys and key in other.keys):
                        return id, key, other
    return None


def _meet(one: Bound, other: Bound) -> bool:
    """Whether the keys of both are listened to at the same time."""
    if one.owner == other.owner:
        return True
    kinds = {one.kind, other.kind}
    if "modal" in kinds:
        return False
    if "app" in kinds:
        return True
    widget = one if one.kind == "widget" else other
    return kinds == {"screen", "widget"} and (one.room == other.room or widget.room.startswith(_EVERYWHERE))


def _nodes(node: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for child in node.__subclasses__():
        yield child
        yield from _nodes(child)


def _bound(node: type[DOMNode]) -> Iterator[Bound]:
    actions = {action.id: action for action in getattr(node, "ACTIONS", ())}
    if issubclass(node, App):
        kind = "app"
        from tui.actions import GLOBAL

        actions = {action.id: action for action in GLOBAL}
    elif issubclass(node, ModalScreen):
        kind = "modal"
    else:
        kind = "screen" if issubclass(node, Screen) else "widget"
    for binding in Binding.make_bindings(node.BINDINGS):
        if binding.id is None:
            continue
        action = actions.get(binding.id)
        name = str(getattr(node, "HELP_NAME", "")) or _spelled(node.__name__)
        yield Bound(
            binding.id,
            (canonical(binding.key),),
            binding.description or (action.label if action else ""),
            binding.tooltip or binding.description,
            action.area if action else name[:1].upper() + name[1:],
            "app" if kind == "app" else f"{node.__module__}.{node.__name__}",
            kind,
            node.__module__.rpartition(".")[0],
        )


def _spelled(class_name: str) -> str:
    """A class's name as people would write it: SavePresetScreen is the place to save a preset."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", class_name.removesuffix("Screen")).lower()


def _names() -> frozenset[str]:
    global _known
    if not _known:
        signs = (chr(code) for code in range(33, 127) if not chr(code).isalnum())
        named = (
            binding.key
            for sign in signs
            if sign != ","
            for binding in Binding.make_bindings([Binding(sign, "x")])
        )
        plain = (key.value.rpartition("+")[2] for key in Keys)
        _known = frozenset({*named, *(name for name in plain if len(name) > 1), "comma"})
    return _known


_known: frozenset[str] = frozenset()
