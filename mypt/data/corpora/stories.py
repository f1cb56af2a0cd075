"""Little stories from a seeded grammar: a text that a small model learns to tell within a minute or two.

They are made so that one sees what a model has understood. A name keeps its animal and its "he" or "she", a lost
thing stays the same thing, and help comes from somebody who can give it: who flies brings down what hangs in a
tree, who swims fetches what fell into the pond, and eggs come from the hen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from mypt.data.corpora.grammar import (
    ANIMALS,
    DEEDS,
    FEMALE,
    FEMALE_ONLY,
    MALE,
    OFFERS,
    PLOTS,
    SCENERY,
    SIZES,
    Plot,
    Words,
)

CHARACTERS = 1_000_000
_T = TypeVar("_T")


def stories(characters: int = CHARACTERS, seed: int = 1) -> str:
    """At least `characters` characters of stories, no story cut short, a blank line after each.

    The same text for the same seed, on every machine and in every version of Python.
    """
    dice = _Dice(seed)
    told: list[str] = []
    length = 0
    while length < characters:
        told.append(_story(dice) + "\n\n")
        length += len(told[-1])
    return "".join(told)


class _Dice:
    """Choices that follow from a seed alone."""

    def __init__(self, seed: int) -> None:
        # Of all methods only random() is promised to give the same numbers in every version of Python.
        self._random = random.Random(seed).random

    def one(self, choices: Sequence[_T]) -> _T:
        return choices[int(self._random() * len(choices))]


def _story(dice: _Dice) -> str:
    plot = dice.one(dice.one(PLOTS))
    cast = _cast(plot, dice)
    sentences = [dice.one(beat) for beat in plot.beats]
    return " ".join(sentence.format_map(cast) for sentence in sentences if sentence)


def _cast(plot: Plot, dice: _Dice) -> Words:
    """The words of one story, by the names that stand for them in the sentences."""
    friend = dice.one(plot.helpers)
    animal = dice.one([animal for animal in ANIMALS if animal not in plot.helpers])
    hero_name = dice.one(_names(animal))
    friend_name = dice.one([name for name in _names(friend) if name != hero_name])
    he, him, his = _pronouns(hero_name)
    he_f, him_f, his_f = _pronouns(friend_name)
    cast = {key: dice.one(choices) for key, choices in SCENERY.items()}
    cast |= {
        "h": hero_name,
        "animal": animal,
        "size": SIZES.get(animal, ""),
        "he": he,
        "him": him,
        "his": his,
    }
    cast |= {"f": friend_name, "friend": friend, "him_f": him_f, "his_f": his_f}
    cast |= {
        "He": he.capitalize(),
        "His": his.capitalize(),
        "Home": cast["home"][0].upper() + cast["home"][1:],
    }
    cast["a_animal"] = f"{'an' if animal[0] in 'aeiou' else 'a'} {cast['size']}{animal}"
    cast["F"] = dice.one((friend_name, he_f.capitalize()))
    for group in plot.words:
        cast |= dice.one(group)
    cast["offer"] = OFFERS.get(friend, "")
    # These are sentences themselves, made of the words above.
    for key, sentence in (("deed", DEEDS.get(friend, "")), ("care", cast.get("care", ""))):
        cast[key] = sentence.format_map({"thing": "", **cast})
    return cast


def _names(animal: str) -> tuple[str, ...]:
    return FEMALE if animal in FEMALE_ONLY else MALE + FEMALE


def _pronouns(name: str) -> tuple[str, str, str]:
    return ("he", "him", "his") if name in MALE else ("she", "her", "her")
