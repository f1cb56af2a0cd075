"""Checkpoints side by side: settings, results and tokenizers of two or more, with what differs. Pure; no torch."""

from __future__ import annotations

from mypt.diff.export import to_csv, to_json, to_markdown
from mypt.diff.names import DETAILS, GROUPS
from mypt.diff.rows import Row, by_group, compare
from mypt.diff.sides import Side, real_parameters, results_of, side_of, tokenizer_of
from mypt.diff.values import MISSING, Cell, Missing, flatten, same, spelled, value_text

__all__ = [
    "DETAILS",
    "GROUPS",
    "MISSING",
    "Cell",
    "Missing",
    "Row",
    "Side",
    "by_group",
    "compare",
    "flatten",
    "real_parameters",
    "results_of",
    "same",
    "side_of",
    "spelled",
    "to_csv",
    "to_json",
    "to_markdown",
    "tokenizer_of",
    "value_text",
]
