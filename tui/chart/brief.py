"""The words of a mark in fewer cells, with all that they mean. Pure."""

from __future__ import annotations

import re

# What the signs ★ and ✕ and ↻ say already, and what a person understands without it.
_BRIEFER = (
    (re.compile(r"^eval regression: "), ""),
    (re.compile(r"^(overfit: )?val/train="), r"\1val/train "),
    (re.compile(r", threshold="), " > "),
    (re.compile(r"^goes on from step "), "from step "),
    (re.compile(r"; (\d+) later steps are trained again"), r", \1 steps again"),
    (re.compile(r" \(was stopped at \d+: "), " (stopped: "),
    (re.compile(r"^\w+ loss jumped to (\S+) from (\S+) \(mean of \d+\)$"), r"loss jumped to \1 from \2"),
    (re.compile(r"^(gold \S+) \(was \S+\)$"), r"\1"),
)


def brief(words: str) -> str:
    """`words` of our own trainer shorter: `overfit: val/train 6.2x > 5.0x`; those of others as they are."""
    for long, short in _BRIEFER:
        words = long.sub(short, words)
    return words
