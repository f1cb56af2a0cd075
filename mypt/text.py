"""Words for people: numbers as one writes them, and strings that a terminal may safely show.

Used by the command line and by the dashboard; imports nothing of either.
"""

from __future__ import annotations

import math
import unicodedata

# Beyond it a whole number is no float any more.
_UNHEARD_OF = 10**300
# Directional overrides and isolates reorder what follows them on the line, so they count as control characters here.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str, *, newline: bool = True) -> str:
    r"""`text` with every control character spelled out (`\x1b`), so that a terminal shows it and obeys nothing.

    Newlines stay where `newline` is true; tabs become four spaces; lone surrogates are spelled out as well.
    """
    if text.isprintable():
        return text
    out = []
    for char in text:
        if char == "\n" and newline:
            out.append(char)
        elif char == "\t":
            out.append("    ")
        elif char in _REORDERING or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            code = ord(char)
            out.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
        else:
            out.append(char)
    return "".join(out)


def cells(text: str) -> int:
    """Columns of a terminal that `text` takes: ideographs take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def fitted(text: str, width: int) -> str:
    """`text` in exactly `width` columns: filled with spaces, or cut with an ellipsis."""
    there = cells(text)
    if there > width:
        while text and there > width - 1:
            there -= cells(text[-1])
            text = text[:-1]
        text, there = text + "…", there + 1
    return text + " " * (width - there)


def count(number: float, digits: int = 3) -> str:
    """A quantity with a metric suffix: 950, 12.3k, 1.2M, 3.41B. `digits` significant digits, none wasted."""
    if not abs(number) < _UNHEARD_OF:
        return "–"
    size = abs(number)
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        # 999 950 must read 1M, not 1000k, hence the comparison after rounding.
        if size >= limit or float(f"{size:.{digits}g}") >= limit:
            return _significant(number / limit, digits) + suffix
    return _significant(number, digits)


def whole(number: int) -> str:
    """An exact count with thin groups of three: 50 000."""
    return f"{number:,}".replace(",", "\u202f") if abs(number) >= 10_000 else str(number)


def size(number: float) -> str:
    """Bytes as 1.4 GB (powers of 1000, as disks are sold)."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{_significant(value, 3)} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float | None) -> str:
    """A time span in its two largest units: 9s, 4m 10s, 3h 12m, 2d 5h. Unknown is `–`."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "–"
    total = round(seconds)
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m {total % 60:02d}s"
    if total < 86_400:
        return f"{total // 3600}h {total % 3600 // 60:02d}m"
    return f"{total // 86_400}d {total % 86_400 // 3600}h"


def loss(value: float | None) -> str:
    """A loss to four digits after the point; not a number is `nan`, unknown is `–`."""
    if value is None:
        return "–"
    return f"{value:.4f}" if math.isfinite(value) else str(value)


def rate(value: float | None) -> str:
    """A learning rate in scientific notation without padding, 3e-4, 1.5e-4; one that is hardly small as it is, 9.99."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if 0.1 <= abs(value) < 1000 or not math.isfinite(value):
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _significant(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{value:.0f}"
    return text
