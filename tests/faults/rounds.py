"""How long the fault suite runs, and what its chance is made of: the same seed makes the same faults.

`make test` runs a short round of everything, always with the same seed. `make faults` sets both for a long one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable

SEED_VARIABLE, ROUNDS_VARIABLE = "MYPT_FAULTS_SEED", "MYPT_FAULTS_ROUNDS"
REPORT_VARIABLE = "MYPT_FAULTS_REPORT"

Report = Callable[..., None]
"""The fixture `report`: called with figures by name (`report(kills=312)`), which the report of a round then has."""

SEED = int(os.environ.get(SEED_VARIABLE, "1"))
ROUNDS = int(os.environ.get(ROUNDS_VARIABLE, "1"))
"""How many times as much as `make test` does."""


def times(short: int, most: int | None = None) -> int:
    """How often something is to be done that the short round does `short` times; `most` times at most."""
    wanted = short * ROUNDS
    return wanted if most is None else max(short, min(wanted, most))


def draw(*what: object) -> random.Random:
    """Chance for the purpose that `what` names: its own for each, the same for the same seed."""
    return random.Random(" ".join(map(str, (SEED, *what))))


def pick(chance: random.Random, kinds: Iterable[str]) -> int:
    """A place (from 1): each kind as often as another, though some come far more often."""
    places: dict[str, list[int]] = {}
    for place, kind in enumerate(kinds, start=1):
        places.setdefault(kind, []).append(place)
    return chance.choice(places[chance.choice(sorted(places))])
