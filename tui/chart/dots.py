"""Curves as dots, eight to a braille cell, each cell in the ink that came last. Pure.

The columns of dots of one stroke are whole numbers, a bit a dot, so that a bar of any length is one operation; cells
are made of them when the ink changes or somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor
from typing import Self

Shape = tuple[float, float, float, float, float]
"""x, first, low, high and last of a bucket, in dots."""

# From a hexadecimal digit, whose highest bit is the topmost of four dots, to the dots of a cell's left and right
# column as Unicode counts them, which is not by rows.
_SIDES = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def _dots_of_digits(side: tuple[int, ...]) -> bytes:
    table = bytearray(256)
    for digit in range(16):
        table[ord(f"{digit:x}")] = sum(dot for row, dot in enumerate(side) if digit & (8 >> row))
    return bytes(table)


_LEFT, _RIGHT = (_dots_of_digits(side) for side in _SIDES)
_ANY = bytes([0] + [255] * 255)


class Dots:
    """`width` × `height` cells of 2 × 4 dots. Dots count from the top left; inks are 1 to 255."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(width, 0)
        self.height = max(height, 0)
        # By columns, each from the top.
        self._bits = bytes(self.width * self.height)
        self._inks = bytes(self.width * self.height)
        self._stroke = [0] * (self.width * 2)
        self._ink = 0

    def span(self, x: int, y0: int, y1: int, ink: int) -> None:
        """A vertical bar of dots in dot column `x`, both ends included; what lies outside is cut off."""
        if y0 > y1:
            y0, y1 = y1, y0
        last = self.height * 4 - 1
        if not 0 <= x < self.width * 2 or y1 < 0 or y0 > last or last < 0:
            return
        if ink != self._ink:
            self._settle()
            self._ink = ink
        y0, y1 = max(y0, 0), min(y1, last)
        self._stroke[x] |= ((2 << (y1 - y0)) - 1) << (last - y1)

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

    def copy(self) -> Self:
        """The same dots, to be drawn on by themselves."""
        self._settle()
        other = type(self)(self.width, self.height)
        other._bits, other._inks = self._bits, self._inks
        return other

    def row(self, row: int) -> tuple[bytes, bytearray]:
        """The dots and the inks of a row of cells; 0 is a cell without dots."""
        self._settle()
        return self._bits[row :: self.height], bytearray(self._inks[row :: self.height])

    def _settle(self) -> None:
        """Make cells of what was drawn in the present ink."""
        ink, self._ink = self._ink, 0
        if not ink:
            return
        columns, size = self._stroke, len(self._bits)
        self._stroke = [0] * len(columns)
        digits = f"0{self.height}x"
        left, right = (
            "".join([format(dots, digits) for dots in columns[side::2]]).encode().translate(table)
            for side, table in enumerate((_LEFT, _RIGHT))
        )
        stroke = int.from_bytes(left) | int.from_bytes(right)
        drawn = int.from_bytes(stroke.to_bytes(size).translate(_ANY))
        own = bytearray(256)
        own[ink] = 255
        # A cell keeps its dots where they are of this ink too, or where the stroke has none.
        kept = ~drawn | int.from_bytes(self._inks.translate(own))
        self._bits = (int.from_bytes(self._bits) & kept | stroke).to_bytes(size)
        inked = drawn & int.from_bytes(bytes([ink]) * size)
        self._inks = (int.from_bytes(self._inks) & ~drawn | inked).to_bytes(size)
