"""Settings in columns, as wide as there is room: each with its value and source, or a base beside a run. No widgets."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tui.widgets.lines import fit

# Cells between two columns.
_GAP = 2
_SHORTEST_SOURCE = 10
_SHORTEST_VALUE = 8


def beside(rows: list[tuple[str, str, str, str, str]], width: int) -> Table:
    """Names are whole. Where sources have no column, those that say more than the rest stand behind the values."""
    room = max(width - 3 * _GAP, 30)
    titles = [row for row in rows if row[4] == "bold"]
    names, base, run, source = (
        max(cell_len(row[column]) for row in rows if column or row not in titles) for column in range(4)
    )
    names = min(max(names, cell_len(titles[0][0])), room // 2)
    source = min(source, room - names - base - run)
    apart = source >= _SHORTEST_SOURCE
    left = room - names - (source if apart else -_GAP)
    base = min(base, left // 2)
    table = _grid(names, base, min(run, left - base) if apart else left - base, *([source] * apart))
    for name, before, after, origin, colour in rows:
        own = Text(after, colour)
        if not apart and colour != "bold" and origin not in ("", "default", "inherited"):
            own.append(f" ({origin})", "dim")
        quiet = colour if colour == "bold" else "dim"
        cells = [Text(name, colour), Text(before, quiet), own]
        table.add_row(*cells, *([Text(fit(origin, source), colour, no_wrap=True)] * apart))
    return table


def sourced(rows: list[tuple[str, str, str, str]], width: int) -> RenderableType:
    """Names and sources are whole, a long value takes several lines. Where sources have no room beside the values,
    each stands once, above those that come from it.
    """
    titled = [("setting", "value", "from", "bold"), *rows]
    names, values, sources = (max(cell_len(row[column]) for row in titled) for column in range(3))
    room = max(width - names - _GAP, 16)
    if room - _GAP - sources >= min(values, _SHORTEST_VALUE):
        table = _grid(names, min(values, room - _GAP - sources), sources)
        for name, value, origin, colour in titled:
            table.add_row(*(Text(cell, colour) for cell in (name, value, origin)))
        return table
    parts: list[RenderableType] = []
    for origin in dict.fromkeys(row[2] for row in rows):
        parts.append(Text(f"from {origin}", "bold"))
        table = _grid(names, room)
        for name, value, source, colour in rows:
            if source == origin:
                table.add_row(Text(name, colour), Text(value, colour))
        parts.append(table)
    return Group(*parts)


def _grid(*widths: int) -> Table:
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for width in widths:
        table.add_column(width=width, overflow="fold")
    return table
