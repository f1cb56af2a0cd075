"""Names that are seen together, in a given width, cut so that what tells them apart is seen. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from rich.cells import cell_len

CUT = "…"
# A part that means something by itself: "lr3e-4" is one, and so is what stands between two dashes.
_WORD = re.compile(r"(?:(?<=\de)-(?=\d)|[^\s_/:,-])+")


def shortened(names: Iterable[str], width: int) -> Mapping[str, str]:
    """For each of `names` what is shown of it in at most `width` cells; those that fit are whole.

    Of a longer one the end is cut, unless that would make it look like another one: then it is cut where they are
    alike, and what differs stays, with as much around it as there is room for. The same names and width always
    give the same, in whatever order they come. Names that differ look different, except where even the letters in which they
    part have no room.
    """
    return _shortened(frozenset(names), width)


@lru_cache(maxsize=64)
def with_nearest(names: frozenset[str], among: frozenset[str]) -> frozenset[str]:
    """`names` and, of those `among` which each is one, as many as it takes to tell them apart from all.

    A few of a thousand are then shortened as all of them would be, at the price of a few.
    """
    found = set(names)
    others = sorted(among)
    for name in names:
        parts: dict[int, str] = {}
        for other in others:
            parts.setdefault(_common(name, other), other)
        found.update(parts.values())
    return frozenset(found)


def clipped(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end an ellipsis where it was longer."""
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    units, used, kept = _units(text), 0, 0
    for unit in units:
        used += cell_len(unit)
        if used > width - 1:
            break
        kept += 1
    return "".join(units[:kept]).rstrip() + CUT


@lru_cache(maxsize=128)
def _shortened(names: frozenset[str], width: int) -> Mapping[str, str]:
    whole = {name: name for name in names if cell_len(name) <= width}
    long = sorted(names - whole.keys())
    ends = {name: clipped(name, width) for name in long}
    # Of a family all are cut in one way, also one that could be told apart by the last letter before its end.
    families = {name: clipped(name, width - width // 3) for name in long}
    times = Counter(families.values())
    alike = [name for name in long if times[families[name]] > 1]
    if not alike or width <= 1:
        return whole | ends
    ways: list[Callable[[], dict[str, str]]] = [
        lambda: ends | _at_branches(alike, width, _grown),
        lambda: ends | _at_branches(alike, width, _least),
        lambda: ends | _at_branches(alike, width, _least, backwards=True),
        lambda: _at_branches(long, width, _least),
    ]
    found = [whole | way() for way in ways[:1]]
    for way in ways[1:]:
        if _is_good(found[-1], width):
            return found[-1]
        found.append(whole | way())
    return found[-1] if _is_good(found[-1], width) else _as_many_as_can_be(found, ends, width)


def _is_good(shown: Mapping[str, str], width: int) -> bool:
    return len(set(shown.values())) == len(shown) and all(cell_len(each) <= width for each in shown.values())


def _as_many_as_can_be(found: list[dict[str, str]], ends: Mapping[str, str], width: int) -> dict[str, str]:
    """Each name in the first form that fits and that no other has; where there is none its end is cut."""
    shown = {name: name for name in found[0] if name not in ends}
    taken = set(shown.values())
    for name in sorted(ends):
        forms = (each[name] for each in found)
        free = (
            form for form in (*forms, *_halves(name, width)) if form not in taken and cell_len(form) <= width
        )
        shown[name] = next(free, ends[name])
        taken.add(shown[name])
    return shown


def _halves(name: str, width: int) -> Iterator[str]:
    """Beginning and end of a name, with ever more of its end."""
    units = _units(name)
    for end in range(min(width, len(units))):
        head = clipped("".join(units[: len(units) - end]) + CUT, width - end)
        yield head + "".join(units[len(units) - end :])


# ── cutting where names part ────────────────────────────────────────────────────────────────────────────────────────

Cut = Callable[[str, tuple[int, ...], int], str]


def _at_branches(names: Collection[str], width: int, cut: Cut, *, backwards: bool = False) -> dict[str, str]:
    """Each name with at least the letters in which it parts from another one that begins as it does.

    Two names have the same letters kept before the one in which they part, and both have that one: so they look
    different there. `backwards` is the same from their ends.
    """
    if backwards:
        turned = _at_branches([name[::-1] for name in names], width, cut)
        return {name[::-1]: shown[::-1] for name, shown in turned.items()}
    ordered = sorted(names)
    parts: set[str] = set()
    for one, other in pairwise(ordered):
        parts.add(one[: _common(one, other)])
    lengths = sorted({len(part) for part in parts})
    return {
        name: cut(name, tuple(at for at in lengths if at < len(name) and name[:at] in parts), width)
        for name in ordered
    }


def _common(one: str, other: str) -> int:
    """How many letters at their beginnings are the same."""
    both = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))


def _least(name: str, branches: tuple[int, ...], width: int) -> str:
    units = _units(name)
    return _told(units, _places(units, branches))


@lru_cache(maxsize=8192)
def _grown(name: str, branches: tuple[int, ...], width: int) -> str:
    """What differs, in whole words where there is room; then the last word, the first one, and those between."""
    units = _units(name)
    kept = _places(units, branches)
    own = sorted(kept, reverse=True)
    starts = [0]
    for unit in units:
        starts.append(starts[-1] + len(unit))
    at = {start: place for place, start in enumerate(starts)}
    spans = [(at.get(m.start()), at.get(m.end())) for m in _WORD.finditer(name)]
    words = [range(a, b) for a, b in spans if a is not None and b is not None]

    # Where all are letters of one cell there is nothing to look up.
    measure = len if name.isascii() else cell_len

    def keep(more: Iterable[int]) -> bool:
        wider = kept.union(more)
        if wider != kept and measure(_told(units, wider, measure)) <= width:
            kept.update(more)
            return True
        return False

    around = {place: next((word for word in words if place in word), range(0)) for place in own}
    for word in [*around.values(), *words[-1:], *words[:1], *reversed(words)]:
        keep(word)
    # A word that has no room as a whole has it for some of its letters; the rest of the room goes to the beginning.
    for place, step in [(place, step) for step in (1, -1) for place in own]:
        edge = place + step
        while edge in around[place] and (edge in kept or keep([edge])):
            edge += step
    edge = 1 if 0 in kept else len(units)
    while edge < len(units) and (edge in kept or keep([edge])):
        edge += 1
    return _told(units, kept)


def _told(units: list[str], kept: Collection[int], measure: Callable[[str], int] = cell_len) -> str:
    """The units at the places `kept`, and an ellipsis for each stretch between them that is longer than it."""
    told: list[str] = []
    before = 0
    for place in [*sorted(kept), len(units)]:
        between = "".join(units[before:place])
        told.append(CUT if measure(between) > 1 else between)
        told.extend(units[place : place + 1])
        before = place + 1
    return "".join(told)


def _places(units: list[str], branches: Iterable[int]) -> set[int]:
    """The units in which these letters are."""
    wanted, found, start = set(branches), set(), 0
    for place, unit in enumerate(units):
        if any(at in wanted for at in range(start, start + len(unit))):
            found.add(place)
        start += len(unit)
    return found


def _units(text: str) -> list[str]:
    """Letters with the marks that are set upon them, which no cut may part."""
    if text.isascii():
        return list(text)
    units: list[str] = []
    for char in text:
        if units and (cell_len(char) == 0 or units[-1].endswith("\u200d")):
            units[-1] += char
        else:
            units.append(char)
    return units
