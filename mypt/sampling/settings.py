"""How a text is drawn, as a form gives it: each setting with its help and the check of what is typed. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from mypt.errors import Problem, UserError

#: The highest seed that a generator takes is one less.
SEEDS = 1 << 63
LONGEST = 1_000_000
_OFF = ("", "off", "none", "-")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one text is drawn with; the meaning of each is that of `mypt.generate.sample_tokens`."""

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    max_new_tokens: int = 300
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One setting. `unset` is what an empty field means, in words; `read` turns what is typed into a value."""

    name: str
    help: str
    unset: str
    read: Callable[[str], Any]


def parse(given: Mapping[str, str]) -> Settings:
    """The settings in what was typed, by name; what is absent or empty has its default.

    Raises `UserError` with every problem at once.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for field in FIELDS:
        try:
            values[field.name] = field.read(given.get(field.name, "").strip())
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return Settings(**values)


def problem_of(name: str, text: str) -> str:
    """What is wrong with `text` as the setting `name`, as a sentence; empty where nothing is."""
    try:
        next(field for field in FIELDS if field.name == name).read(text.strip())
    except UserError as error:
        problem = error.problems[0]
        return f"{problem.message}; {problem.remedy}" if problem.remedy else problem.message
    return ""


def _number(name: str, default: float, wanted: str, holds: Callable[[float], bool]) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not holds(value):
            raise UserError(Problem(f"must be a number {wanted}", field=name, value=text))
        return value

    return read


def _whole(name: str, wanted: str, holds: Callable[[int], bool], text: str) -> int:
    try:
        value = int(text.replace("_", ""))
    except ValueError:
        value = -1
    if not holds(value):
        raise UserError(Problem(f"must be a whole number {wanted}", field=name, value=text))
    return value


def _top_k(text: str) -> int | None:
    if text.lower() in _OFF:
        return None
    return _whole("top_k", "from 1 on, or off", lambda v: v >= 1, text)


def _top_p(text: str) -> float | None:
    if text.lower() in _OFF:
        return None
    return _number("top_p", 1.0, "above 0 and at most 1, or off", lambda v: 0 < v <= 1)(text)


def _length(text: str) -> int:
    if not text:
        return 300
    return _whole("max_new_tokens", f"from 1 to {LONGEST}", lambda v: 1 <= v <= LONGEST, text)


def _seed(text: str) -> int | None:
    if text.lower() in _OFF:
        return None
    return _whole("seed", "from 0 to 2^63 - 1", lambda v: 0 <= v < SEEDS, text)


FIELDS = (
    Field(
        "temperature",
        "How boldly tokens are drawn: 0 takes the likeliest always, 1 draws as the model says, more is wilder",
        "0.8",
        _number("temperature", 0.8, "from 0 on, such as 0.8", lambda v: 0 <= v < math.inf),
    ),
    Field("top_k", "Draw from the k likeliest tokens only", "off", _top_k),
    Field("top_p", "Draw from the likeliest tokens that reach this probability together", "off", _top_p),
    Field(
        "repetition_penalty",
        "Above 1, tokens that are in the text already become less likely",
        "1",
        _number("repetition_penalty", 1.0, "above 0, such as 1.1", lambda v: 0 < v < math.inf),
    ),
    Field("max_new_tokens", "How many tokens to write at most", "300", _length),
    Field(
        "seed",
        "The same seed writes the same text; without one each text has a seed of its own",
        "any",
        _seed,
    ),
)
"""Every setting, in the order in which people think of them."""
