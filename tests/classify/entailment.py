"""A small task of entailment: what somebody has, and whether a sentence follows from that."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLOURS = ("red", "blue", "green", "black")
THINGS = ("cup", "boat", "kite")
PEOPLE = ("ada", "ben", "cleo", "dan")
YES, NO = "entailment", "contradiction"


def _premise(draw: random.Random, colour: str) -> str:
    return f"{draw.choice(PEOPLE)} has a {draw.choice(THINGS)} and it is {colour}"


def _hypothesis(colour: str) -> str:
    return f"so it is {colour}"


def rows(number: int, seed: int) -> list[dict[str, Any]]:
    """Rows of which half follow; neither text alone tells which."""
    draw = random.Random(seed)
    found = []
    for place in range(number):
        colour, follows = draw.choice(COLOURS), place % 2 == 0
        said = colour if follows else draw.choice([other for other in COLOURS if other != colour])
        label = YES if follows else NO
        found.append({"premise": _premise(draw, colour), "hypothesis": _hypothesis(said), "label": label})
    draw.shuffle(found)
    return found


def text(number: int, seed: int) -> str:
    """What a model can learn to read from: premises, each with the sentence that follows."""
    draw = random.Random(seed)
    lines = []
    for _ in range(number):
        colour = draw.choice(COLOURS)
        lines += [_premise(draw, colour), _hypothesis(colour)]
    return "\n".join(lines) + "\n"


def write_jsonl(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
