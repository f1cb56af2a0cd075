"""The inks of a chart: small numbers in the cells of a canvas, names of styles outside. Pure."""

from __future__ import annotations

from tui.chart.model import MarkKind

BLANK, AXIS, LABEL, FAINT, GOLD, GOLD_PAST, TROUBLE, CURSOR, STRONG = range(9)
NAMES = ("blank", "axis", "label", "faint", "gold", "gold-past", "trouble", "cursor", "strong")

FIRST_CURVE = 16
LAST = 255

OF_MARK: dict[MarkKind, int] = {
    "gold": GOLD,
    "blocked": TROUBLE,
    "notice": TROUBLE,
    "phase": LABEL,
    "resume": LABEL,
    "best": FAINT,
    "forecast": LABEL,
}
SIGNS: dict[MarkKind, str] = {
    "gold": "★",
    "blocked": "✕",
    "notice": "▲",
    "phase": "┊",
    "resume": "↻",
    "best": "▁",
    "forecast": "◇",
}

_ASCII_CURVES = ".:~=%&"
_TO_ASCII = str.maketrans(
    {
        "★": "*",
        "✕": "x",
        "▲": "^",
        "┊": ":",
        "↻": "r",
        "▁": "_",
        "◇": "?",
        "┆": ":",
        "│": "|",
        "┃": "|",
        "┤": "+",
        "└": "+",
        "┬": "+",
        "─": "-",
        "╌": "-",
        "●": "o",
        "•": "o",
        "…": ".",
        "–": "-",
        "·": "-",
        "×": "x",
        "→": ">",
        "\u202f": " ",
        "\u00a0": " ",
    }
)


def of_curve(number: int) -> int:
    """The ink of the `number`-th curve; beyond 240 curves the last one serves all."""
    return min(FIRST_CURVE + number, LAST)


def ascii_of_curve(number: int) -> str:
    """The character that stands for a curve's dots on a terminal without braille."""
    return _ASCII_CURVES[number % len(_ASCII_CURVES)]


def to_ascii(text: str) -> str:
    """`text` in ASCII: our signs by their likes, anything else by a question mark."""
    return text.translate(_TO_ASCII).encode("ascii", "replace").decode("ascii")
