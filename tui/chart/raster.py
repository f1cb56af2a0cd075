"""A canvas of braille cells: curves as dots, eight to a cell, and glyphs above and below them. Pure.

A cell has one ink. Where two curves meet in a cell the one drawn later has it alone: a blend of both would show dots
of one in the colour of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor

from rich.cells import cell_len

Shape = tuple[float, float, float, float, float]
"""x, first, low, high and last of a bucket, in dots."""

Run = tuple[str, int]
"""Text and the ink it is written in; ink 0 is nothing drawn."""

# The dots of a cell, top to bottom, in its left and its right column (Unicode's order is not by rows).
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_FROM = tuple(tuple(sum(side[row:]) for row in range(4)) for side in _DOTS)
_TO = tuple(tuple(sum(side[: row + 1]) for row in range(4)) for side in _DOTS)
_BRAILLE = [" ", *(chr(0x2800 + bits) for bits in range(1, 256))]


class Canvas:
    """`width` × `height` cells of 2 × 4 dots. Dots count from the top left; inks are 1 to 255."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(width, 0)
        self.height = max(height, 0)
        self._bits = bytearray(self.width * self.height)
        self._inks = bytearray(self.width * self.height)
        self._under: dict[int, dict[int, Run]] = {}
        self._over: dict[int, dict[int, Run]] = {}

    def span(self, x: int, y0: int, y1: int, ink: int) -> None:
        """A vertical bar of dots in dot column `x`, both ends included; what lies outside is cut off."""
        if y0 > y1:
            y0, y1 = y1, y0
        last = self.height * 4 - 1
        if not 0 <= x < self.width * 2 or y1 < 0 or y0 > last or last < 0:
            return
        y0, y1 = max(y0, 0), min(y1, last)
        side = x & 1
        cell = (y0 >> 2) * self.width + (x >> 1)
        end = (y1 >> 2) * self.width + (x >> 1)
        if cell == end:
            self._put(cell, _FROM[side][y0 & 3] & _TO[side][y1 & 3], ink)
            return
        self._put(cell, _FROM[side][y0 & 3], ink)
        for middle in range(cell + self.width, end, self.width):
            self._put(middle, _FROM[side][0], ink)
        self._put(end, _TO[side][y1 & 3], ink)

    def line(self, x0: int, y0: int, x1: int, y1: int, ink: int, dash: int = 0) -> None:
        """A straight line of dots. `dash` leaves out every other stretch of that many dot columns."""
        if x0 == x1:
            if not dash or (x0 // dash) % 2 == 0:
                self.span(x0, y0, y1, ink)
            return
        if x0 > x1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        slope = (y1 - y0) / (x1 - x0)
        top, bottom = min(y0, y1), max(y0, y1)
        start, stop = max(x0, 0), min(x1, self.width * 2 - 1)
        if start > stop:
            return
        # Each column takes the line from half a column before it to half a column after, and starts one dot beyond
        # where its neighbour ended, so that neither gaps nor corners twice as thick arise.
        # An edge just between two dots belongs to the column on its left.
        shift, whole = (-0.5, ceil) if slope > 0 else (0.5, floor)
        edge = y0 + slope * (start - x0 - 0.5)
        here = min(max(whole(edge + shift), top), bottom)
        for x in range(start, stop + 1):
            edge += slope
            there = min(max(whole(edge + shift), top), bottom)
            if not dash or (x // dash) % 2 == 0:
                begin = here
                if x > x0 and begin != there:
                    begin += 1 if there > begin else -1
                self.span(x, begin, there, ink)
            here = there

    def trace(self, buckets: Iterable[Shape], ink: int, dash: int = 0) -> list[tuple[int, int]]:
        """A curve through buckets (x, first, low, high, last), in dots: a line to `first`, a bar, and on from `last`.

        A point is a bucket of four equal values; NaN breaks the line. Returns the dots that stand alone between two
        breaks, which a single dot hardly shows.
        """
        alone: list[tuple[int, int]] = []
        # Where the last bucket ended, and the dot that began a stretch and that nothing has joined yet.
        before: tuple[int, int] | None = None
        lone: tuple[int, int] | None = None
        for x, first, low, high, last in buckets:
            if x != x or low != low or high != high:
                alone += [lone] if lone else []
                before = lone = None
                continue
            column, top = floor(x), floor(low)
            bottom = top if low == high else floor(high)
            begin = top if low == high else floor(first) if first == first else None
            if before and begin is not None:
                lone = None
                reach, end = before
                if reach <= column <= reach + 1:
                    # The next column, as most often: the bar itself reaches out for where the line comes from.
                    if end < top:
                        top = min(end + column - reach, top)
                    elif end > bottom:
                        bottom = max(end - column + reach, bottom)
                else:
                    self.line(reach, end, column, begin, ink, dash)
            else:
                alone += [lone] if lone else []
                lone = (column, top) if low == high else None
            if not dash or not before or (column // dash) % 2 == 0:
                self.span(column, top, bottom, ink)
            before = (column, floor(last)) if last == last else None
        return alone + ([lone] if lone else [])

    def under(self, column: int, row: int, text: str, ink: int) -> None:
        """Text from a cell to the right, seen only in cells without dots; what lies outside is cut off."""
        self._write(self._under, column, row, text, ink)

    def over(self, column: int, row: int, text: str, ink: int) -> None:
        """Text from a cell to the right that covers the dots; what lies outside is cut off."""
        self._write(self._over, column, row, text, ink)

    def has_sign(self, column: int, row: int) -> bool:
        """Whether a glyph covers the cell."""
        return column in self._over.get(row, ())

    def copy(self) -> Canvas:
        """A canvas with the same dots and glyphs that can be drawn on by itself."""
        other = Canvas(self.width, self.height)
        other._bits[:], other._inks[:] = self._bits, self._inks
        other._under = {row: dict(glyphs) for row, glyphs in self._under.items()}
        other._over = {row: dict(glyphs) for row, glyphs in self._over.items()}
        return other

    def rows(self, ascii_glyphs: dict[int, str] | None = None) -> list[list[Run]]:
        """Each row as runs of text in one ink, all of the canvas's width.

        With `ascii_glyphs` a cell with dots becomes its ink's character (`.` where it has none) instead of braille.
        """
        return [self._row(row, ascii_glyphs) for row in range(self.height)]

    def _row(self, row: int, ascii_glyphs: dict[int, str] | None) -> list[Run]:
        start, end = row * self.width, (row + 1) * self.width
        bits, inks = self._bits[start:end], self._inks[start:end]
        under, over = self._under.get(row), self._over.get(row)
        if bits.count(0) == self.width and not under and not over:
            return [(" " * self.width, 0)] if self.width else []
        if ascii_glyphs is None:
            cells = [_BRAILLE[b] for b in bits]
        else:
            cells = [ascii_glyphs.get(ink, ".") if b else " " for b, ink in zip(bits, inks, strict=True)]
        if under:
            for column, (glyph, ink) in under.items():
                if not bits[column]:
                    cells[column], inks[column] = glyph, ink
        if over:
            for column, (glyph, ink) in over.items():
                cells[column], inks[column] = glyph, ink
        if under or over:
            _mend_wide(cells)
        runs: list[Run] = []
        begin = 0
        for column in range(1, self.width + 1):
            if column == self.width or inks[column] != inks[begin]:
                runs.append(("".join(cells[begin:column]), inks[begin]))
                begin = column
        return runs

    def _put(self, cell: int, bits: int, ink: int) -> None:
        if self._inks[cell] == ink:
            self._bits[cell] |= bits
        else:
            self._inks[cell] = ink
            self._bits[cell] = bits

    def _write(self, layer: dict[int, dict[int, Run]], column: int, row: int, text: str, ink: int) -> None:
        if not 0 <= row < self.height:
            return
        glyphs = layer.setdefault(row, {})
        for char in text:
            wide = cell_len(char)
            if wide == 0:
                continue
            if column >= 0 and column + wide <= self.width:
                glyphs[column] = (char, ink)
                if wide == 2:
                    # An empty cell behind a wide character keeps the row's width.
                    glyphs[column + 1] = ("", ink)
            column += wide


def _mend_wide(cells: list[str]) -> None:
    """Replace halves of wide characters, whose other half something else has covered, by blanks."""
    for column, cell in enumerate(cells):
        if cell == "":
            if column == 0 or cell_len(cells[column - 1]) != 2:
                cells[column] = " "
        elif (
            not cell.isascii()
            and cell_len(cell) == 2
            and (column + 1 == len(cells) or cells[column + 1] != "")
        ):
            cells[column] = " "
