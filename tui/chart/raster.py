"""A canvas of braille cells: curves as dots, eight to a cell, and glyphs above and below them. Pure.

A cell has one ink. Where two curves meet in a cell the one drawn later has it alone: a blend of both would show dots
of one in the colour of the other.
"""

from __future__ import annotations

from typing import Self

from rich.cells import cell_len

from tui.chart.dots import Dots

Run = tuple[str, int]
"""Text and the ink it is written in; ink 0 is nothing drawn."""

_BRAILLE = [" ", *(chr(0x2800 + bits) for bits in range(1, 256))]


class Canvas(Dots):
    """Dots, and glyphs below and above them."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self._under: dict[int, dict[int, Run]] = {}
        self._over: dict[int, dict[int, Run]] = {}

    def under(self, column: int, row: int, text: str, ink: int) -> None:
        """Text from a cell to the right, seen only in cells without dots; what lies outside is cut off."""
        self._write(self._under, column, row, text, ink)

    def over(self, column: int, row: int, text: str, ink: int) -> None:
        """Text from a cell to the right that covers the dots; what lies outside is cut off."""
        self._write(self._over, column, row, text, ink)

    def has_sign(self, column: int, row: int) -> bool:
        """Whether a glyph covers the cell."""
        return column in self._over.get(row, ())

    def copy(self) -> Self:
        """A canvas with the same dots and glyphs that can be drawn on by itself."""
        other = super().copy()
        other._under = {row: dict(glyphs) for row, glyphs in self._under.items()}
        other._over = {row: dict(glyphs) for row, glyphs in self._over.items()}
        return other

    def rows(self, ascii_glyphs: dict[int, str] | None = None) -> list[list[Run]]:
        """Each row as runs of text in one ink, all of the canvas's width.

        With `ascii_glyphs` a cell with dots becomes its ink's character (`.` where it has none) instead of braille.
        """
        return [self._row(row, ascii_glyphs) for row in range(self.height)]

    def _row(self, row: int, ascii_glyphs: dict[int, str] | None) -> list[Run]:
        bits, inks = self.row(row)
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
