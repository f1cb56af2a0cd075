"""The signs of the dashboard and their plain likes: one place where a screen becomes ASCII, whoever drew it.

Everything that is painted passes through `PlainSigns` on its way to the terminal where plain signs are asked for, so
that no screen has to know. Letters of any script stay: they are what people wrote, and not decoration.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_PLAIN = {
    # states and marks
    "◷": "~",
    "◌": "o",
    "●": "*",
    "✓": "v",
    "■": "#",
    "✗": "x",
    "◍": "!",
    "○": "o",
    "★": "*",
    "☆": "*",
    "✕": "x",
    "┊": ":",
    "↻": "r",
    "▸": ">",
    "▶": ">",
    "▾": "v",
    "▼": "v",
    "▴": "^",
    "▲": "^",
    "◂": "<",
    "◀": "<",
    "☑": "x",
    "☐": " ",
    "◆": "*",
    "◇": "o",
    "⧉": "+",
    "⏎": "=",
    # keys and arrows
    "←": "<",
    "→": ">",
    "↑": "^",
    "↓": "v",
    "↵": "=",
    "⇥": ">",
    # punctuation
    "–": "-",
    "—": "-",
    "·": "-",
    "•": "*",
    "×": "x",
    "›": ">",
    "‹": "<",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "Δ": "d",
    "±": "~",
    "≈": "~",
    "≤": "<",
    "≥": ">",
    "≠": "#",
    "∞": "-",
    "°": "o",
    "²": "2",
    "³": "3",
    "µ": "u",
    # bars of sparklines and of scroll bars
    "▁": "_",
    "▂": ".",
    "▃": "-",
    "▄": "=",
    "▅": "+",
    "▆": "*",
    "▇": "%",
    "█": "#",
    "▀": "-",
    "▔": "-",
    "░": ".",
    "▒": ":",
    "▓": "#",
}
_UPRIGHT = "│┃║╎╏┆┇┊┋▌▐▎▊▏▕▍▋▉"
_LEVEL = "─━═╌╍┄┅┈┉╴╶╸╺"


def plain(text: str) -> str:
    """`text` without signs that some terminals lack or draw too wide; as many cells as before. Letters stay."""
    return text if text.isascii() else "".join(map(_plain_sign, _CUT.sub(_plain_cut, text)))


# A full stop would be read as part of the name: `~` is its cut end, `*` stands for what came before.
_CUT = re.compile(r"(\S?)…(?=(\S?))")


def _plain_cut(cut: re.Match[str]) -> str:
    before, after = cut.groups()
    return before + ("*" if after else "~" if before else ".")


_KEYS = {"←→": "left/right", "↑↓": "up/down", "←": "left", "→": "right", "↑": "up", "↓": "down", "⏎": "enter"}


def key_words(keys: str) -> str:
    """Keys as people read them, in words where they are drawn as arrows."""
    for sign, word in _KEYS.items():
        keys = keys.replace(sign, word)
    return keys


@lru_cache(maxsize=4096)
def _plain_sign(char: str) -> str:
    if char.isascii():
        return char
    if (known := _PLAIN.get(char)) is not None:
        return known
    if char in _UPRIGHT:
        return "|"
    if char in _LEVEL:
        return "-"
    if "\u2500" <= char <= "\u257f":
        return "+"
    if "\u2800" <= char <= "\u28ff":
        return _of_dots(bin(ord(char) - 0x2800).count("1"))
    if unicodedata.category(char)[0] in "LNM":
        return char
    width = cell_len(char)
    return " " * width if char.isspace() else "?" * width


def _of_dots(number: int) -> str:
    return " .::**###"[number]


class PlainSigns(LineFilter):
    """Makes every line that is painted plain."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments in plain signs."""
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(plain(segment.text), segment.style)
            for segment in segments
        ]
