"""In which order runs are listed: by any name that a filter knows, in both directions, unknown values last."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.text import printable
from mypt.watch import facts
from mypt.watch.facts import STATE_ORDER, Look
from mypt.watch.inventory import with_the_queue_in_line
from mypt.watch.run import Run

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by the canonical name `by`, from the end that people look for first; `reverse` from the other one."""

    by: str = "started"
    reverse: bool = False

    @property
    def descending(self) -> bool:
        """Whether large values come first."""
        fact = facts.RESULTS.get(self.by)
        return (fact.high_first if fact else False) is not self.reverse

    @property
    def turned(self) -> Order:
        """The other way round."""
        return Order(self.by, not self.reverse)


YOUNGEST_FIRST = Order()


def parse(text: str, more: Collection[str] | None = ()) -> Order:
    """The order that `val` or, the other way round, `-val` names. Raises UserError for a name that nothing has."""
    word = text.strip()
    reverse = word.startswith(("-", "!"))
    written = word.lstrip("-!")
    name = facts.canonical(written)
    if not facts.is_known(name) and more is not None:
        if written not in more and name not in more:
            from mypt.settings.problems import nearest

            meant = nearest(name, [*facts.names(), *facts.ALIASES, *more])
            tail = meant or f"there are {', '.join(facts.RESULTS)} and every setting"
            raise UserError(
                f"{printable(written, newline=False) or 'an empty text'}: nothing to sort by; {tail}"
            )
        name = name if name in more else written
    return Order(name, reverse)


def arranged(items: Iterable[T], order: Order, look: Callable[[T], Look]) -> list[T]:
    """`items` in that order. Equal ones stay as they are, those without a value come last in both directions."""
    known: list[tuple[tuple[object, ...], T]] = []
    unknown: list[T] = []
    for item in items:
        key = sort_key(look(item)(order.by))
        if key is None:
            unknown.append(item)
        else:
            known.append((key, item))
    known.sort(key=lambda pair: pair[0], reverse=order.descending)
    return [item for _, item in known] + unknown


def sort_key(value: object) -> tuple[object, ...] | None:
    """What a value sorts by: numbers before texts, numbers inside texts by their size; None for an unknown one."""
    if value is None or value != value:
        return None
    if isinstance(value, RunState):
        return (0, STATE_ORDER.index(value))
    if isinstance(value, int | float):
        return (0, value)
    pieces = re.split(r"(\d{1,18})", str(value).casefold())
    return (1, tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces if p))


def runs_in_order(runs: Sequence[Run], order: Order) -> list[Run]:
    """`runs` (youngest first) in that order; where the queue is a part of it, by whose turn is next."""
    found = list(runs) if order == YOUNGEST_FIRST else arranged(runs, order, facts.looks_at)
    return with_the_queue_in_line(found) if order.by in ("started", "state") else found
