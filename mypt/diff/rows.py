"""Checkpoints and runs side by side: one row a setting, with each side's value and whether they differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mypt.diff.cells import ancestors, cell_of, cells_of
from mypt.diff.names import GROUPS, ORDER, label_of
from mypt.diff.sides import Side
from mypt.diff.values import Cell, same, value_text

# Measured by a clock: what reads the same is the same.
_ROUGH = frozenset(["trained_s", "tokens_per_sec"])
# A checkpoint and the last line of its log are not of the same instant.
_AT_ONCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of all sides, in their order."""

    group: str
    name: str
    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """What people call it."""
        return label_of(self.name)

    @property
    def unlike_first(self) -> tuple[bool, ...]:
        """For each side, whether its value is another than that of the first one of which anything is known."""
        read = [cell for cell in self.cells if not cell.unread]
        return tuple(not cell.unread and not self._same(read[0], cell) for cell in self.cells)

    @property
    def differs(self) -> bool:
        """Whether not all values are the same."""
        return any(self.unlike_first)

    @property
    def texts(self) -> tuple[str, ...]:
        """What to show for each side; two values that differ never read the same. Safe for a terminal."""
        shown = tuple(_text(self.name, cell) for cell in self.cells)
        if self.differs and self._ambiguous(shown):
            shown = tuple(_text(self.name, cell, exact=True) for cell in self.cells)
            if self._ambiguous(shown):
                return self._numbered(shown)
        return shown

    @property
    def notes(self) -> tuple[str, ...]:
        """A word beside each value: where a setting came from, how far a loss is from the first one; mostly empty."""
        if self.group != "Results":
            return tuple(cell.source for cell in self.cells)
        first = next((cell.value for cell in self.cells if not cell.unread), None)
        return tuple(_change(self.name, first, cell.value) for cell in self.cells)

    def _same(self, a: Cell, b: Cell) -> bool:
        if self.name in _ROUGH and _text(self.name, a) == _text(self.name, b):
            return True
        if self.name == "trained_s" and _apart(a.value, b.value) < _AT_ONCE_S:
            return True
        if self.name.endswith("_loss") and _as_logged(a.value) == _as_logged(b.value) is not None:
            return True
        # Not set is not set, whether a file says so or keeps silent.
        unset = (a.missing or a.value is None) and (b.missing or b.value is None)
        return unset or same(a.value, b.value)

    def _ambiguous(self, texts: Sequence[str]) -> bool:
        first: dict[str, Cell] = {}
        return any(
            not self._same(first.setdefault(text, cell), cell)
            for text, cell in zip(texts, self.cells, strict=True)
        )

    def _numbered(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Large tables of the same size, say: a number tells which are the same."""
        kinds: list[Any] = []
        shown = []
        for text, cell in zip(texts, self.cells, strict=True):
            number = next((n for n, value in enumerate(kinds) if same(value, cell.value)), len(kinds))
            if number == len(kinds):
                kinds.append(cell.value)
            shown.append(f"{text} ({number + 1})")
        return tuple(shown)


def compare(sides: Sequence[Side]) -> list[Row]:
    """All values of all sides, grouped as `GROUPS` and the important ones first."""
    told = [cells_of(side, sides) for side in sides]
    partial = [side.partial for side in sides]
    return [row for group in GROUPS for row in _rows(group, [groups.get(group) for groups in told], partial)]


def by_group(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """The rows under their groups, in order; groups without rows are left out."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.group, []).append(row)
    return list(grouped.items())


def _apart(a: object, b: object) -> float:
    known = isinstance(a, int | float) and isinstance(b, int | float)
    return abs(a - b) if known else math.inf  # type: ignore[operator]


def _rows(group: str, sides: Sequence[Mapping[str, Cell] | None], partial: Sequence[bool]) -> list[Row]:
    there = dict.fromkeys(name for cells in sides for name in cells or ())
    first = [name for name in ORDER.get(group, ()) if name in there]
    known = set(first)
    above = {up for name in there for up in ancestors(name)}
    rows = []
    for name in [*first, *(name for name in there if name not in known)]:
        cells = tuple(cell_of(cells, name, partial=part) for cells, part in zip(sides, partial, strict=True))
        if name in above and all(c.missing or c.value is None for c in cells):
            # The object that is null here has fields on another side: each of them says null.
            continue
        rows.append(Row(group, name, cells))
    return rows


def _as_logged(value: Any) -> float | None:
    """A loss as a log has it, which rounds; a checkpoint has every digit."""
    return round(value, 6) if isinstance(value, float) and math.isfinite(value) else None


def _change(name: str, first: Any, value: Any) -> str:
    numbers = [v for v in (first, value) if isinstance(v, int | float) and not isinstance(v, bool)]
    if not name.endswith("_loss") or len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        return ""
    change = f"{numbers[1] - numbers[0]:+.4f}".replace("-", "−")
    return "" if float(change.replace("−", "-")) == 0 else change


def _text(name: str, cell: Cell, *, exact: bool = False) -> str:
    return cell.text or value_text(name, cell.value, exact=exact)
