"""Columns that are filled together: they share their places, and what is measured again replaces what was there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from mypt.watch.column import Column
from mypt.watch.places import Places

Values = Sequence[float] | Sequence[float | None]
"""One value a row, None where a row has none of this name."""


class Table:
    """Rows of one kind of event. One thread writes; the columns may be read by any.

    A column whose values come with every row shares the table's places, from its first row to its last. One that
    leaves rows out has places of its own.
    """

    def __init__(self) -> None:
        self._places = Places()
        self._columns: dict[str, Column] = {}
        self._apart: set[str] = set()
        self.top = -1
        """The step of the last row, -1 without one."""

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def get(self, name: str) -> Column | None:
        """The column of that name, if it has a point."""
        column = self._columns.get(name)
        return column if column is not None and len(column) else None

    def columns(self) -> Iterator[tuple[str, Column]]:
        """Those that have a point."""
        return ((name, column) for name, column in list(self._columns.items()) if len(column))

    def extend(
        self,
        steps: Sequence[int],
        tokens: Sequence[float],
        times: Sequence[float],
        values: Mapping[str, Values],
    ) -> None:
        """Add rows whose steps rise strictly; what stands at the first one's step or later is replaced.

        NaN for tokens and times that are unknown; they repeat the value before them, as those that fall do. A name
        all of whose values are None is left out.
        """
        if steps[0] <= self.top:
            self.rewind(steps[0])
        places = self._places
        with places.lock:
            before = len(places.steps)
            if not places.extend(steps, tokens, times):
                for row in zip(steps, tokens, times, strict=True):
                    places.append(*row)
            for name, column_values in values.items():
                self._push(name, column_values, before)
        self.top = steps[-1]

    def _push(self, name: str, values: Values, before: int) -> None:
        column = self._columns.get(name)
        if column is None:
            if values[0] is None and all(value is None for value in values):
                return
            column = Column(self._places, before)
            # A new dictionary, since others may be walking the old one.
            self._columns = {**self._columns, name: column}
        elif name not in self._apart and not len(column):
            column.move(before)
        if name not in self._apart and column.end == before:
            # Asking first whether a None is among them would take longer than all the rest.
            with contextlib.suppress(TypeError):
                column.push(values)  # type: ignore[arg-type]
                return
        present = [(place, y) for place, y in enumerate(values, before) if y is not None]
        if not present:
            return
        if name not in self._apart:
            column.part()
            self._apart.add(name)
        column.take(self._places, [place for place, _ in present], [y for _, y in present])

    def rewind(self, step: int) -> None:
        """Drop every row at `step` and after."""
        if self.top < step:
            return
        places = self._places
        with places.lock:
            keep = places.cut_from(step)
            for name, column in self._columns.items():
                if name in self._apart:
                    column.cut_from(step)
                    continue
                column.cut(max(keep - column.base, 0))
                if column.base > keep:
                    column.move(keep)
            self.top = int(places.steps[-1]) if keep else -1
            if not keep:
                # Nothing is left of why they went apart.
                for name in self._apart:
                    self._columns[name].join(places)
                self._apart.clear()
