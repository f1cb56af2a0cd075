"""What the dialogue says: help for a line, and what would come of everything that is filled in. No widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mypt.errors import Problem
from mypt.text import printable
from tui.screens.classify.look import Look
from tui.screens.launch.look import in_list
from tui.widgets.lines import fit

_LONGEST_CELL = 70
_LINES = {
    "data": "data",
    "eval_data": "eval data",
    "text": "the column of the texts",
    "label": "the column of the class",
    "model_name": "a name",
}
_COLUMNS = "; ←→ go through the columns of the data, a letter jumps, ⌫ takes none"


@cache
def help_of(name: str) -> str:
    """What a line means, in the words of the command's own help."""
    from mypt.classify.request import HELP
    from mypt.settings import fields

    if name == "second":
        return "for pairs of texts, as premise and hypothesis: the column of the other one" + _COLUMNS
    if name == "init_from_model":
        return "the model to begin with; a classifier's own classes are forgotten, what it learned of texts is not"
    if name == "learning_rate":
        return f"{fields.help_text(name)}; small models want a larger one, as 1e-3"
    if name in HELP:
        words = HELP[name].partition(":")[0] if name in ("text", "label") else HELP[name]
        return words + (_COLUMNS if name in ("text", "label") else "")
    return fields.help_text(name) if name in fields.names() else ""


def picture(seen: Look, here: Sequence[str], colours: Mapping[str, str]) -> RenderableType:
    """What is wrong or lacking, then what it will be, the first row of the data, and the command."""
    ink = colours.get("secondary", "")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for problem in seen.problems:
        table.add_row(Text("✗", colours.get("error", "")), Text(in_list(problem), colours.get("error", "")))
    if seen.busy:
        words = f"{seen.busy}; queue it, or wait"
        table.add_row(Text("!", colours.get("warning", "")), Text(words, colours.get("warning", "")))
    for notice in seen.notices:
        table.add_row(
            Text("!", colours.get("warning", "")),
            Text(in_list(Problem(notice)), colours.get("warning", "")),
        )
    if seen.lacking:
        table.add_row(
            Text("to do", ink), Text(f"fill in {', '.join(_LINES.get(n, n) for n in seen.lacking)}")
        )
    if "data" in seen.lacking:
        what = ", ".join(here) or "no .jsonl, .csv or .tsv file, here or in data/; any path is allowed"
        table.add_row(Text("there is", ink), Text(what))
    for name, value in seen.facts:
        table.add_row(Text(name, ink), Text(value))
    if seen.ready and not seen.facts:
        table.add_row(Text("texts", ink), Text("many: they are read and checked at the start"))
    for place, (column, value) in enumerate(seen.row.items()):
        cell = fit(printable(str(value), newline=False), _LONGEST_CELL).rstrip()
        named = fit(printable(column, newline=False), 24).rstrip()
        table.add_row(Text("first row" if not place else "", ink), Text(f"{named}: ").append(cell, "dim"))
        if place == 7:
            break
    if seen.draft.model_name:
        command = printable(seen.draft.command(), newline=False)
        table.add_row(Text("in a shell", ink), Text(command, ink))
    return Group(table)
