"""Checkpoints and runs side by side: settings, results and tokenizers of two or more, with what differs. Pure; no torch."""

from __future__ import annotations

from mypt.diff.export import to_csv, to_json, to_markdown, to_text
from mypt.diff.names import DETAILS, GROUPS
from mypt.diff.rows import Row, by_group, compare
from mypt.diff.runs import Reached, preset_of, preset_values, reached, side_of_run
from mypt.diff.sides import Side, real_parameters, results_of, side_of, tokenizer_of
from mypt.diff.values import MISSING, Cell, Missing, flatten, same, spelled, value_text

__all__ = [
    "DETAILS",
    "GROUPS",
    "MISSING",
    "Cell",
    "Missing",
    "Reached",
    "Row",
    "Side",
    "by_group",
    "compare",
    "flatten",
    "preset_of",
    "preset_values",
    "reached",
    "real_parameters",
    "results_of",
    "same",
    "side_of",
    "side_of_run",
    "spelled",
    "to_csv",
    "to_json",
    "to_markdown",
    "to_text",
    "tokenizer_of",
    "value_text",
]
